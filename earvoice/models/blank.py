"""Building a network whose weights come from a file: no memory, no random numbers, no delay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_INITIALISERS = "torch.nn.init"
_FILL = frozenset({Tensor.normal_, Tensor.uniform_, Tensor.zero_, Tensor.fill_})


class _SkipFilling(TorchFunctionMode):
    """Initialisers do nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in _FILL or getattr(func, "__module__", None) == _INITIALISERS:
            tensor = args[0] if args else named["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **named)


@contextlib.contextmanager
def blank_weights() -> Iterator[None]:
    """Modules built here have shapes and no values; load weights with `assign=True`.

    The "meta" device alone is not enough: filling a meta tensor with random numbers makes torch
    import its compiler, which takes longer than everything else a start needs (2 s).
    """
    with torch.device("meta"), _SkipFilling():
        yield
