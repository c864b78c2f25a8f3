"""Blockwise-causal Transformer encoder: offline with a mask, live with ring caches.

    frames   0 1 2 3 | 4 5 6 7 | 8 9 10 11        block 4, left_blocks 1
    frame 5  sees 0 ... 7;  frame 9 sees 4 ... 11

Inside its block a frame sees everything, so a block is processed when it is complete. Source:
FASST (2408.09430) section 3.2, eq. 3-4; the bounded left context makes hours of speech cost the
same per second (2503.02969 uses one too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from earvoice.nn.attention import RowStep, attend
from earvoice.nn.cache import RingState, init_ring
from earvoice.nn.conv import (
    CausalDepthwiseConv,
    StreamingConv1d,
    TailState,
    init_tail,
    keep_tail,
    prepend_tail,
)
from earvoice.nn.masks import block_causal
from earvoice.nn.state import State, row_list
from earvoice.units import Rate


@dataclass
class LayerState(State):
    """One layer's ring and, where it has a depthwise convolution, that convolution's tail."""

    ring: RingState
    conv: TailState | None


@dataclass
class EncoderState(State):
    """frames [rows]: frames processed; waiting: the incomplete block; then one state a layer."""

    frames: np.ndarray
    waiting: TailState
    position: TailState
    layers: list[LayerState]


class EncoderLayer(nn.Module):
    """Pre-norm layer: attention, optional causal depthwise convolution, feed-forward.

    The depthwise convolution is ours (not in wav2vec 2.0); `conv_kernel=None` leaves it out.
    """

    def __init__(self, dim: int, heads: int, ffn_dim: int, conv_kernel: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.attn_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.conv_norm = nn.LayerNorm(dim) if conv_kernel else None
        self.conv = CausalDepthwiseConv(dim, conv_kernel) if conv_kernel else None
        self.conv_out = nn.Linear(dim, dim) if conv_kernel else None
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, ffn_dim)
        self.ffn_out = nn.Linear(ffn_dim, dim)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        state: LayerState | None = None,
        step: RowStep | None = None,
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]; `mask` offline, `state` and `step` for one live block."""
        x = x + self._attention(self.attn_norm(x), mask, state, step)
        if self.conv is not None and self.conv_norm is not None and self.conv_out is not None:
            conv_state = None if state is None else state.conv
            rows = None if step is None else step.rows
            x = x + self.conv_out(F.silu(self.conv(self.conv_norm(x), conv_state, rows)))
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))

    def _attention(
        self, x: Tensor, mask: Tensor | None, state: LayerState | None, step: RowStep | None
    ) -> Tensor:
        batch, frames, dim = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if state is None or step is None:
            y = attend(q, k, v, mask)
        else:
            ring = state.ring
            step.write(ring.k, k.transpose(1, 2))
            step.write(ring.v, v.transpose(1, 2))
            y = step.attend(q, ring.k, ring.v)
        return self.out(y.transpose(1, 2).reshape(batch, frames, dim))


class BlockwiseEncoder(nn.Module):
    """Causal positional convolution, blockwise-causal layers, final norm.

    Shapes: [B, T, dim] -> [B, T', dim]; live, T' counts whole blocks only.
    State: (left_blocks + 1) * block frames of keys and values a layer, one incomplete block, and
    position_kernel - 1 frames.
    Args: left_blocks: None is the paper's unlimited context. A live state is bounded: it keeps the
        last `max_blocks` blocks, so that up to there it is what offline is.
    """

    def __init__(
        self,
        dim: int,
        layers: int,
        heads: int,
        ffn_dim: int,
        block: int,
        left_blocks: int | None,
        *,
        position_kernel: int,
        position_groups: int,
        bidirectional: bool = False,
        conv_kernel: int | None = None,
        max_blocks: int = 60,
    ) -> None:
        super().__init__()
        self.dim, self.heads, self.block, self.left_blocks = dim, heads, block, left_blocks
        self.bidirectional = bidirectional
        self.capacity = (max_blocks if left_blocks is None else left_blocks + 1) * block
        self.position = StreamingConv1d(dim, dim, position_kernel, groups=position_groups)
        nn.init.normal_(self.position.weight, std=(4 / (position_kernel * dim)) ** 0.5)
        self.layers = nn.ModuleList(
            EncoderLayer(dim, heads, ffn_dim, conv_kernel) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    @property
    def rate(self) -> Rate:
        """One output a frame; a frame sees to the end of its block."""
        conv = self.layers[0].conv  # type: ignore[union-attr]
        kernel = conv.kernel if isinstance(conv, CausalDepthwiseConv) else 1
        left_frames = self.capacity - self.block
        past = 0
        for frame in range(self.block):
            first = frame
            for _ in self.layers:  # to the start of the block of the oldest frame convolved
                first = (first - kernel + 1) // self.block * self.block - left_frames
            past = max(past, frame - first)
        window = past + self.position.kernel + self.block - 1
        return Rate(stride=1, window=window, lookahead=self.block - 1)

    def init_state(self, rows: int, like: Tensor) -> EncoderState:
        """Empty state; bytes a row are bounded by the formula in the class docstring."""
        head_dim = self.dim // self.heads
        states = [
            LayerState(
                init_ring(rows, self.heads, self.capacity, head_dim, like),
                None if layer.conv is None else layer.conv.init_state(rows, like),  # type: ignore[union-attr, operator]
            )
            for layer in self.layers
        ]
        waiting = init_tail(rows, max(1, self.block - 1), 0, self.dim, like)
        position = self.position.init_state(rows, like)
        return EncoderState(np.zeros(rows, dtype=np.int64), waiting, position, states)

    def forward(
        self, x: Tensor, state: EncoderState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, D] -> [B, T', D]."""
        if state is None:
            return self._offline(x)
        if self.bidirectional:
            raise ValueError("a bidirectional encoder has no streaming state")
        index = row_list(rows, x.shape[0], state)
        x = prepend_tail(x, state.waiting, index)
        whole = x.shape[1] // self.block * self.block
        keep_tail(x, whole, state.waiting, index)
        done = [
            self._step(x[:, start : start + self.block], state, index)
            for start in range(0, whole, self.block)
        ]
        return torch.cat(done, dim=1) if done else x[:, :0]

    def flush(self, state: EncoderState, rows: Sequence[int] | None = None) -> Tensor:
        """Processes the incomplete last block as it is. [B, T', D]."""
        index = list(range(state.rows)) if rows is None else list(rows)
        x = prepend_tail(state.waiting.tail[index, :0], state.waiting, index)
        keep_tail(x, x.shape[1], state.waiting, index)
        if not x.shape[1]:
            return x
        return torch.cat(
            [self._step(x[item : item + 1], state, [row]) for item, row in enumerate(index)]
        )

    def _offline(self, x: Tensor) -> Tensor:
        if self.bidirectional:
            left = self.position.kernel // 2
            padded = F.pad(x, (0, 0, left, self.position.kernel - 1 - left))
            x, mask = x + F.gelu(self.position.convolve(padded)), None
        else:
            frames = torch.arange(x.shape[1], device=x.device)
            mask = block_causal(frames, frames, self.block, self.left_blocks)[None, None]
            x = x + F.gelu(self.position(x))
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)

    def _step(self, x: Tensor, state: EncoderState, rows: list[int]) -> Tensor:
        """One block (or the shorter last one) of rows that stand at the same ring phase."""
        step = self._row_step(state.frames[rows], rows, x)
        x = x + F.gelu(self.position(x, state.position, rows))
        for layer, layer_state in zip(self.layers, state.layers, strict=True):
            x = layer(x, None, layer_state, step)
        state.frames[rows] += x.shape[1]
        return self.norm(x)

    def _row_step(self, done: np.ndarray, rows: list[int], x: Tensor) -> RowStep:
        """Where one block [B, T, D] goes in each row's ring, and what it may see there."""
        count = x.shape[1]
        start = done % self.capacity
        write = torch.from_numpy(start[:, None] + np.arange(count)[None, :])
        lengths = [min(int(frames) + count, self.capacity) for frames in done]
        mask = None
        if count < self.block and int(done[0]) >= self.capacity:  # flush: one row at a time
            # An incomplete last block must not see the stale slots it did not overwrite.
            lengths = [self.capacity]
            mask = torch.ones(1, 1, count, self.capacity, dtype=torch.bool)
            mask[..., int(start[0]) + count : int(start[0]) + self.block] = False
        return RowStep(rows, write, lengths, mask, x)
