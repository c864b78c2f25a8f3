"""The repeated layers of a network: units of sharding and of gradient checkpointing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks(module: nn.Module) -> list[nn.Module]:
    """The members of every list called `layers` whose members have parts of their own."""
    return [
        block
        for name, found in module.named_modules()
        if isinstance(found, nn.ModuleList) and name.rpartition(".")[2] == "layers"
        for block in found
        if any(True for _ in block.children())
    ]


@contextlib.contextmanager
def recomputed(module: nn.Module) -> Iterator[None]:
    """Gradient checkpointing: blocks keep their inputs only and are computed again for gradients.

    The gradients stay the same bytes (random numbers are drawn again from the same state);
    a step costs about a third more, activations of one block are held instead of all.
    """
    found = blocks(module)
    for block in found:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for block in found:
            del block.forward
