"""Strided convolutions with a tail: any chunking of the input gives the offline output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from earvoice.nn.packed import PackedProduct, can_pack
from earvoice.nn.state import State, neighbours, row_list, same_phase
from earvoice.units import Rate


@dataclass(frozen=True)
class Start:
    """What a fresh stream's tail holds: the left padding *is* the empty state. [left_pad, D]."""

    values: Tensor


@dataclass
class TailState(State):
    """The inputs a convolution has not finished with.

    tail [rows, capacity, D] holds `fill[row]` valid inputs at its start; fill [rows].
    """

    tail: Tensor
    fill: np.ndarray
    start: Start

    def reset(self, rows: Sequence[int]) -> None:
        """Puts the left padding back."""
        count = self.start.values.shape[0]
        self.tail[list(rows), :count] = self.start.values.to(self.tail)
        self.fill[list(rows)] = count


def init_tail(rows: int, capacity: int, left_pad: int, dim: int, like: Tensor) -> TailState:
    """An empty tail of `capacity` inputs of width `dim`, `left_pad` of them zeros."""
    zeros = torch.zeros(left_pad, dim, dtype=like.dtype, device=like.device)
    tail = torch.zeros(rows, capacity, dim, dtype=like.dtype, device=like.device)
    return TailState(tail, np.full(rows, left_pad, dtype=np.int64), Start(zeros))


def prepend_tail(x: Tensor, state: TailState, rows: list[int]) -> Tensor:
    """x [B, T, D] with each row's waiting inputs put in front."""
    fill = same_phase(state.fill, rows, "inputs waiting in a convolution")
    if fill == 0:
        return x
    return torch.cat([state.tail[neighbours(rows), :fill].to(x.dtype), x], dim=1)


def keep_tail(x: Tensor, used: int, state: TailState, rows: list[int]) -> None:
    """Stores what follows the first `used` inputs of x [B, T, D] for the next call."""
    rest = x[:, used:]
    state.tail[neighbours(rows), : rest.shape[1]] = rest.to(state.tail.dtype)
    state.fill[rows] = rest.shape[1]


class StreamingConv1d(nn.Module):
    """A 1-D convolution over time, causal through its left padding.

    With `left_pad = kernel - stride` (the default), n * stride inputs give exactly n outputs:

        inputs   . 0 1 2 3 4 5        kernel 3, stride 2, left_pad 1 (the dot)
        output 0 [---]                sees pad, 0, 1
        output 1     [---]            sees 1, 2, 3

    Shapes: [B, T, in_dim] -> [B, T', out_dim]; T' may be 0.
    State: at most kernel - 1 inputs a row.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        left_pad: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if stride > kernel:
            raise ValueError(f"stride {stride} must not exceed kernel {kernel}")
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.left_pad = kernel - stride if left_pad is None else left_pad
        if not 0 <= self.left_pad < kernel:
            raise ValueError(
                f"left_pad is {left_pad}, it must be 0 to {kernel - 1} for this kernel"
            )
        self.in_dim = in_dim
        self.weight = nn.Parameter(torch.empty(out_dim, in_dim // groups, kernel))
        self.bias = nn.Parameter(torch.zeros(out_dim)) if bias else None
        self._product: PackedProduct | None = None
        nn.init.kaiming_normal_(self.weight)
        self.rate = Rate(stride=stride, window=kernel, lookahead=0)

    def pack(self, most_bytes: int) -> int:
        """Packs the weight, which must not change afterwards. Returns: bytes taken."""
        flat = self.weight.detach().flatten(1)
        if self.groups > 1 or not can_pack(flat) or flat.nbytes > most_bytes:
            return 0
        self._product = PackedProduct(flat, self.bias)
        return flat.nbytes

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """An empty state for `rows` streams in the dtype and on the device of `like`."""
        return init_tail(rows, self.kernel - 1, self.left_pad, self.in_dim, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, in_dim] -> [B, T', out_dim]: as many outputs as the inputs so far allow."""
        if state is None:
            return self.convolve(F.pad(x, (0, 0, self.left_pad, 0)))
        index = row_list(rows, x.shape[0], state)
        x = prepend_tail(x, state, index)
        outputs = max(0, (x.shape[1] - self.kernel) // self.stride + 1)
        keep_tail(x, outputs * self.stride, state, index)
        return self.convolve(x)

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: a causal convolution owes no output at the end. [B, 0, out_dim]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.weight.shape[0])

    def convolve(self, x: Tensor) -> Tensor:
        """The bare convolution, no padding. [B, T, in_dim] -> [B, T', out_dim]."""
        if x.shape[1] < self.kernel:
            return x.new_zeros(x.shape[0], 0, self.weight.shape[0])
        if self.groups == 1:
            # One matrix product over unfolded windows: on CPU twice as fast as conv1d at these
            # sizes, and independent of the number of frames in the call to the last bit or two.
            windows = x.unfold(1, self.kernel, self.stride).flatten(2)
            if self._product is not None:
                return self._product(windows)
            return F.linear(windows, self.weight.flatten(1), self.bias)
        y = F.conv1d(
            x.transpose(1, 2), self.weight, self.bias, stride=self.stride, groups=self.groups
        )
        return y.transpose(1, 2)


class CausalDepthwiseConv(nn.Module):
    """A causal depthwise convolution written as shifted multiply-adds (fast on CPU).

    Shapes: [B, T, D] -> [B, T, D]. State: kernel - 1 inputs a row.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.kernel, self.dim = kernel, dim
        self.weight = nn.Parameter(torch.zeros(kernel, dim))
        nn.init.normal_(self.weight, std=kernel**-0.5)
        self.rate = Rate(stride=1, window=kernel, lookahead=0)

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """An empty state for `rows` streams."""
        return init_tail(rows, self.kernel - 1, self.kernel - 1, self.dim, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        frames = x.shape[1]
        if state is None:
            x = F.pad(x, (0, 0, self.kernel - 1, 0))
        else:
            index = row_list(rows, x.shape[0], state)
            x = prepend_tail(x, state, index)
            keep_tail(x, frames, state, index)
        y = x[:, :frames] * self.weight[0]
        for offset in range(1, self.kernel):
            y = torch.addcmul(y, x[:, offset : offset + frames], self.weight[offset])
        return y

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, D]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.dim)
