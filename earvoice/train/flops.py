"""How much arithmetic a batch asks for, and how much a device can do: for the share that is used.

Counted are the products of matrices: linear layers, convolutions, attention. A product costs two
operations per multiplication, forward; as much again for each of its inputs that needs a gradient.
What gradient checkpointing computes twice counts once (model FLOPs, as in PaLM, 2204.02311).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

PEAKS_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
    "V100": 125.0,
}
"""Dense bfloat16 (V100: float16) of the makers' data sheets, by a part of the device's name."""


class FlopCount(TorchFunctionMode):
    """Counts while it is entered; nothing that is computed changes."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs the function and counts it."""
        result = func(*args, **(kwargs or {}))
        counted = _COUNTED.get(func)
        if counted is not None:
            self.flops += counted(args, result)
        return result


def _linear(args: Sequence[Any], result: Tensor) -> int:
    x, weight = args[0], args[1]
    return 2 * result.numel() * weight.shape[-1] * _passes(x, weight)


def _product(args: Sequence[Any], result: Tensor) -> int:
    a, b = args[0], args[1]
    return 2 * result.numel() * a.shape[-1] * _passes(a, b)


def _convolution(args: Sequence[Any], result: Tensor) -> int:
    x, weight = args[0], args[1]
    return 2 * result.numel() * weight[0].numel() * _passes(x, weight)


def _attention(args: Sequence[Any], result: Tensor) -> int:
    q, k, v = args[0], args[1], args[2]
    scores = q.numel() // q.shape[-1] * k.shape[-2]
    both = 2 * scores * (q.shape[-1] + v.shape[-1])
    return both * (3 if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad) else 1)


def _passes(*inputs: Tensor) -> int:
    """Forward, and one for each input that needs a gradient."""
    if not torch.is_grad_enabled():
        return 1
    return 1 + sum(tensor.requires_grad for tensor in inputs)


_COUNTED: Mapping[Any, Callable[[Sequence[Any], Tensor], int]] = {
    F.linear: _linear,
    torch.matmul: _product,
    Tensor.matmul: _product,
    Tensor.__matmul__: _product,
    torch.bmm: _product,
    Tensor.bmm: _product,
    torch.conv1d: _convolution,
    F.conv1d: _convolution,
    F.scaled_dot_product_attention: _attention,
}


def peak_flops(device: torch.device, precision: str) -> float:
    """Operations a second that a device can do: its maker's figure, or one measured now."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = [tflops for part, tflops in PEAKS_TFLOPS.items() if part in name]
        if known and precision == "bfloat16":
            return known[0] * 1e12
    return _measured(device, torch.bfloat16 if precision == "bfloat16" else torch.float32)


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    """The best of a few square products."""
    size = 8192 if device.type == "cuda" else 512
    a = torch.ones(size, size, device=device, dtype=dtype)
    best_s = float("inf")
    for _ in range(4):
        began = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best_s = min(best_s, time.perf_counter() - began)
    return 2 * size**3 / best_s
