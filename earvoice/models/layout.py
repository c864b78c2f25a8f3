"""How weights lie in memory when they are only read."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from earvoice.nn.packed import PackedLinear, can_pack

MOST_PACKED_BYTES = 2**30
"""Packed copies stop here: a model of many GiB is not held in memory twice."""


@runtime_checkable
class Packs(Protocol):
    """A module with a product of its own, beside those of its linear layers."""

    def pack(self, most_bytes: int) -> int:
        """Packs its weight if it is not larger; it must not change then. Returns: bytes taken."""
        ...


def lay_out_for_inference(module: nn.Module) -> None:
    """Prepares weights that will only be read: names and values stay, memory does not.

    Weights of linear layers are stored input by input instead of output by output: for one row the
    product reads them faster. Where it pays they are packed for many rows too (`nn/packed.py`).
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight.data = part.weight.data.t().contiguous().t()
    _pack(module)


def _pack(module: nn.Module) -> None:
    left = MOST_PACKED_BYTES
    for part in list(module.modules()):
        for name, child in part.named_children():
            if type(child) is nn.Linear and can_pack(child.weight) and child.weight.nbytes <= left:
                setattr(part, name, PackedLinear(child))
                left -= child.weight.nbytes
        if isinstance(part, Packs):
            left -= part.pack(left)
