"""Emformer blocks with convolution: a streaming encoder with a bounded look-ahead.

    frames       0 1 2 3 | 4 5 6 7 | 8 9 ...      chunk 4, left 6, right 2
    chunk 1      . . 2 3 | 4 5 6 7 > 8 9          sees 6 frames before it (kept as keys and values)
                                                  and 2 ahead, which are computed again as chunk 2

A frame ahead is a copy: it goes through all layers with the chunk that looks at it, and again in
its own. So the look-ahead of many layers is that of one, `chunk - 1 + right` frames at most.

Sources: Emformer (2010.10759); macaron feed-forward halves and the convolution, in which the
frames ahead continue the chunk, from ConvEmformer (2110.05241). Left out: its memory bank and
talking heads. Layer norm stands where Conformers have batch norm: no frame depends on a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from earvoice.nn.attention import RowStep
from earvoice.nn.cache import RingState, init_ring
from earvoice.nn.conv import CausalDepthwiseConv, TailState, init_tail, keep_tail, prepend_tail
from earvoice.nn.state import State, row_list
from earvoice.units import Frames, Rate


@dataclass(frozen=True)
class Context:
    """What a chunk of `chunk` frames sees: `left` frames before it, `right` behind it."""

    chunk: Frames
    left: Frames
    right: Frames = 0

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("left", 0), ("right", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least {least}")

    @property
    def seen(self) -> Frames:
        """All frames that a chunk sees, its own included: what a live row keeps."""
        return self.left + self.chunk + self.right


@dataclass
class BlockState(State):
    """One block's keys and values, and the inputs its convolution still needs."""

    ring: RingState
    conv: TailState


@dataclass
class EmformerState(State):
    """frames [rows]: frames whose chunk is done; waiting: those that are not; then the blocks."""

    frames: np.ndarray
    waiting: TailState
    blocks: list[BlockState]


class ChunkConv(nn.Module):
    """Conformer's convolution, causal. Shapes: [B, T, D] -> [B, T, D].

    Of the T frames only the first `kept` stay in the state; the others lie ahead and come again.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Linear(dim, 2 * dim)
        self.depthwise = CausalDepthwiseConv(dim, kernel)
        self.depthwise_norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)

    def gated(self, x: Tensor) -> Tensor:
        """What is convolved: a gated projection of each frame."""
        return F.glu(self.gate(self.norm(x)), dim=-1)

    def mixed(self, x: Tensor, frames: int) -> Tensor:
        """Convolves gated frames [B, kernel - 1 + frames, D] -> [B, frames, D]."""
        weight = self.depthwise.weight
        y = x[:, :frames] * weight[0]
        for offset in range(1, self.depthwise.kernel):
            y = torch.addcmul(y, x[:, offset : offset + frames], weight[offset])
        out: Tensor = self.out(F.silu(self.depthwise_norm(y)))
        return out


class EmformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, dim: int, heads: int, ffn_dim: int, kernel: int) -> None:
        super().__init__()
        self.heads = heads
        self.first = _feed_forward(dim, ffn_dim)
        self.attn_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attn_out = nn.Linear(dim, dim)
        self.conv = ChunkConv(dim, kernel)
        self.second = _feed_forward(dim, ffn_dim)
        self.norm = nn.LayerNorm(dim)

    def live(self, x: Tensor, kept: int, state: BlockState, step: RowStep) -> Tensor:
        """One chunk and what lies ahead of it: [B, kept + right, D] -> the same."""
        x = x + 0.5 * self.first(x)
        q, k, v = self._heads(x)
        step.write(state.ring.k, k.transpose(1, 2))
        step.write(state.ring.v, v.transpose(1, 2))
        x = x + self._merged(step.attend(q, state.ring.k, state.ring.v))
        inputs = prepend_tail(self.conv.gated(x), state.conv, step.rows)
        frames = x.shape[1]
        x = x + self.conv.mixed(inputs, frames)
        keep_tail(inputs[:, : inputs.shape[1] - frames + kept], kept, state.conv, step.rows)
        return self._finished(x)

    def offline(self, x: Tensor, grid: _Grid) -> Tensor:
        """All chunks of a stream at once: [B, N, chunk + right, D] -> the same."""
        batch, chunks, frames, dim = x.shape
        x = x + 0.5 * self.first(x)
        q, k, v = self._heads(x.flatten(0, 1))
        k, v = grid.with_left(k), grid.with_left(v)
        x = x + self._merged(_attend_chunks(q, k, v, grid.mask)).view(batch, chunks, frames, dim)
        gated = self.conv.gated(x)
        inputs = torch.cat([grid.before(gated, self.conv.depthwise.kernel - 1), gated], dim=2)
        x = x + self.conv.mixed(inputs.flatten(0, 1), frames).view_as(x)
        return self._finished(x)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, H, T, Dh] of x [B, T, D]."""
        batch, frames, dim = x.shape
        qkv = self.qkv(self.attn_norm(x)).view(batch, frames, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return q, k, v

    def _merged(self, y: Tensor) -> Tensor:
        out: Tensor = self.attn_out(y.transpose(1, 2).flatten(2))
        return out

    def _finished(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + 0.5 * self.second(x))
        return out


class Emformer(nn.Module):
    """A stack of blocks over chunks. Shapes: [B, T, D] -> [B, T', D].

    Live, the frames of a chunk come out when the chunk and what lies ahead of it have come in.
    State: a row holds `left + chunk + right` keys and values a block, `kernel - 1` inputs of each
    convolution, and at most `chunk + right - 1` frames that wait.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, ffn_dim: int, kernel: int, context: Context
    ) -> None:
        super().__init__()
        self.dim, self.heads, self.kernel, self.context = dim, heads, kernel, context
        self.blocks = nn.ModuleList(
            EmformerBlock(dim, heads, ffn_dim, kernel) for _ in range(layers)
        )

    @property
    def rate(self) -> Rate:
        """One output a frame; a frame sees to the end of its chunk's look-ahead."""
        chunk, ahead = self.context.chunk, self.context.chunk - 1 + self.context.right
        past = 0
        for frame in range(chunk):
            first = frame
            for _ in self.blocks:  # back to the first frame that the oldest convolved one attends
                first = (first - self.kernel + 1) // chunk * chunk - self.context.left
            past = max(past, frame - first)
        return Rate(stride=1, window=past + 1 + ahead, lookahead=ahead)

    def init_state(self, rows: int, like: Tensor) -> EmformerState:
        """Empty streams."""
        head_dim = self.dim // self.heads
        blocks = [
            BlockState(
                init_ring(rows, self.heads, self.context.seen, head_dim, like),
                init_tail(rows, self.kernel - 1, self.kernel - 1, self.dim, like),
            )
            for _ in self.blocks
        ]
        room = max(1, self.context.chunk + self.context.right - 1)
        waiting = init_tail(rows, room, 0, self.dim, like)
        return EmformerState(np.zeros(rows, dtype=np.int64), waiting, blocks)

    def forward(
        self,
        x: Tensor,
        state: EmformerState | None = None,
        rows: Sequence[int] | None = None,
        *,
        counts: Tensor | None = None,
    ) -> Tensor:
        """[B, T, D] -> [B, T', D]. counts [B], offline: frames that are real; the rest is padding.

        What comes out for padding means nothing.
        """
        if state is None:
            return self._offline(x, counts)
        index = row_list(rows, x.shape[0], state)
        x = prepend_tail(x, state.waiting, index)
        chunk, ahead = self.context.chunk, self.context.right
        chunks = max(0, x.shape[1] - ahead) // chunk
        keep_tail(x, chunks * chunk, state.waiting, index)
        done = [
            self._step(x[:, start : start + chunk + ahead], chunk, state, index)
            for start in range(0, chunks * chunk, chunk)
        ]
        return torch.cat(done, dim=1) if done else x[:, :0]

    def flush(self, state: EmformerState, rows: Sequence[int] | None = None) -> Tensor:
        """The frames that wait, with as much look-ahead as there is. [B, T', D]."""
        index = list(range(state.rows)) if rows is None else list(rows)
        x = prepend_tail(state.waiting.tail[index, :0], state.waiting, index)
        keep_tail(x, x.shape[1], state.waiting, index)
        done = []
        for start in range(0, x.shape[1], self.context.chunk):
            kept = min(self.context.chunk, x.shape[1] - start)
            part = x[:, start : start + kept + self.context.right]
            done.append(
                torch.cat(
                    [
                        self._step(part[item : item + 1], kept, state, [row])
                        for item, row in enumerate(index)
                    ]
                )
            )
        return torch.cat(done, dim=1) if done else x

    def _offline(self, x: Tensor, counts: Tensor | None) -> Tensor:
        frames = x.shape[1]
        if not frames:
            return x
        grid = _Grid(self.context, x, counts)
        y = grid.laid_out(x)
        for block in self.blocks:
            y = block.offline(y, grid)  # type: ignore[operator]
        return y[:, :, : self.context.chunk].flatten(1, 2)[:, :frames]

    def _step(self, x: Tensor, kept: int, state: EmformerState, rows: list[int]) -> Tensor:
        """One chunk of `kept` frames with its look-ahead, x [B, kept + ahead, D]."""
        step = self._row_step(state.frames[rows], rows, x)
        for block, block_state in zip(self.blocks, state.blocks, strict=True):
            x = block.live(x, kept, block_state, step)  # type: ignore[operator]
        state.frames[rows] += kept
        return x[:, :kept]

    def _row_step(self, done: np.ndarray, rows: list[int], x: Tensor) -> RowStep:
        """Where the frames go in each row's ring, and what of it they may see.

        Frame p lies in slot p modulo `seen`. What was ahead last time is overwritten now, and a
        whole chunk overwrites exactly what is older than `left`; only at the end of a stream, where
        less is ahead, older frames are left over and have to be hidden.
        """
        room, count = self.context.seen, x.shape[1]
        slots = torch.from_numpy((done[:, None] + np.arange(count)) % room)
        ends = done + count
        lengths = [min(int(end), room) for end in ends]
        mask = None
        whole = self.context.chunk + self.context.right
        if count < whole and int(done.max()) > self.context.left:
            last = ends[:, None] - 1
            frame = last - (last - np.arange(room)) % room
            visible = frame >= np.maximum(0, done - self.context.left)[:, None]
            mask = torch.from_numpy(visible)[:, None, None].expand(-1, -1, count, -1)
            lengths = [room] * len(rows)
        return _WrappedStep(rows, slots, lengths, mask, x)


class _WrappedStep(RowStep):
    """A step whose new slots may run over the end of the ring to its beginning."""

    def __init__(
        self, rows: list[int], slots: Tensor, lengths: list[int], mask: Tensor | None, like: Tensor
    ) -> None:
        super().__init__(rows, slots, lengths, mask, like)
        self._where = slots.to(like.device)
        self._row_index = torch.tensor(rows, device=like.device)[:, None]
        self._wraps = bool((slots[:, -1] < slots[:, 0]).any())

    def write(self, pool: Tensor, values: Tensor) -> None:
        """Puts new keys or values [B, T, H, Dh] into their slots of pool [rows, seen, H, Dh]."""
        if self._wraps:
            pool[self._row_index, self._where] = values.to(pool.dtype)
        else:
            super().write(pool, values)


class _Grid:
    """Where the frames of whole streams lie when all chunks are computed at once.

    x [B, T, D] is laid out as [B, N, chunk + right, D]; frames behind the end are zeros and hidden.
    mask [B * N, 1, 1, seen]: which frames before, in and behind each chunk there are.
    """

    def __init__(self, context: Context, x: Tensor, counts: Tensor | None) -> None:
        self.context = context
        batch, frames, _ = x.shape
        self.chunks = -(-frames // context.chunk)
        start = torch.arange(self.chunks, device=x.device)[:, None] * context.chunk
        frame = start + torch.arange(-context.left, context.chunk + context.right, device=x.device)
        ends = torch.full((batch,), frames, device=x.device) if counts is None else counts
        there = (frame >= 0) & (frame < ends.to(x.device)[:, None, None])
        # A chunk of padding alone must see something: softmax over nothing is not a number.
        there[..., context.left] = True
        self.mask = there.flatten(0, 1)[:, None, None]

    def laid_out(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, N, chunk + right, D]."""
        chunk, right = self.context.chunk, self.context.right
        ahead = -(-right // chunk)
        padded = F.pad(x, (0, 0, 0, (self.chunks + ahead) * chunk - x.shape[1]))
        return self._side_by_side(padded.unflatten(1, (-1, chunk)))[:, :, : chunk + right]

    def before(self, x: Tensor, count: int) -> Tensor:
        """The `count` frames in front of each chunk: [B, N, chunk + right, D] -> [B, N, count, D].

        Those are frames as they were in chunks of their own; zeros where the stream begins.
        """
        if not count:
            return x[:, :, :0]
        chunk = self.context.chunk
        behind = -(-count // chunk)
        own = F.pad(x[:, :-1, :chunk], (0, 0, 0, 0, behind, 0))
        return self._side_by_side(own)[:, :, behind * chunk - count :]

    def _side_by_side(self, blocks: Tensor) -> Tensor:
        """Each block with those that follow: [B, N + m, chunk, D] -> [B, N, (m + 1) chunk, D].

        By slices: going back through `unfold` takes several times as long.
        """
        more = blocks.shape[1] - self.chunks
        return torch.cat([blocks[:, n : n + self.chunks] for n in range(more + 1)], dim=2)

    def with_left(self, k: Tensor) -> Tensor:
        """Keys or values [B * N, H, chunk + right, Dh] -> [B * N, H, seen, Dh]."""
        if not self.context.left:
            return k
        heads, frames, head_dim = k.shape[1:]
        flat = k.transpose(1, 2).reshape(-1, self.chunks, frames, heads * head_dim)
        left = self.before(flat, self.context.left)
        left = left.reshape(-1, self.context.left, heads, head_dim).transpose(1, 2)
        return torch.cat([left, k], dim=2)


def _attend_chunks(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention of many short chunks. Shapes: q [N, H, T, Dh], k, v [N, H, seen, Dh] -> like q.

    Written out: going back through the fused one takes several times as long in bfloat16 where
    chunks have a few frames.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return weights.to(v.dtype) @ v


def _feed_forward(dim: int, ffn_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, ffn_dim), nn.SiLU(), nn.Linear(ffn_dim, dim)
    )
