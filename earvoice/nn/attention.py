"""Attention of a batch of rows over their own caches, and rotary positions."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention; fewer key than query heads means grouped queries.

    Shapes: q [B, H, Tq, Dh], k, v [B, Hkv, Tk, Dh] -> like q. mask [B or 1, 1, Tq, Tk]: bool, or
    numbers to add in the dtype of q.
    """
    if _learns_on_cpu(q, k):
        return attend_in_full(q, k, v, mask)
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)


_FULL_UP_TO = 512
"""Keys up to which all scores of a training batch are kept at once."""


def _learns_on_cpu(q: Tensor, k: Tensor) -> bool:
    """Whether gradients in bfloat16 are asked of a CPU.

    The fused kernel's backward pass takes two to four times as long there as plain products do
    (32 x 4 heads, 115 entries: 43 against 13 ms).
    """
    small = q.dtype == torch.bfloat16 and q.device.type == "cpu" and k.shape[2] <= _FULL_UP_TO
    return small and torch.is_grad_enabled() and q.requires_grad


def attend_in_full(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `attend` gives, as plain products. Shapes: those of `attend`."""
    if q.shape[1] != k.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None and mask.dtype == torch.bool:
        hidden = torch.finfo(scores.dtype).min / 2  # finite: a row that sees nothing is no NaN
        mask = scores.new_zeros(mask.shape).masked_fill_(~mask, hidden)
    return (scores if mask is None else scores + mask).softmax(-1) @ v


class RowStep:
    """One step of some streams on their own cache rows, worked out once for all layers.

        rows      0 1 2 | 5 | 7 8         three parts; each is read where it lies, as one view
        lengths   9 9 7   4   6 6         rows 0-2 are padded to 9, and row 2 masked behind its 7

    The pools are never gathered. Neighbours share a view unless their lengths differ so much that
    padding would read more than it saves; then they are read one by one.

    Args: rows [B] of the pool; slots [B, T] of the new entries, consecutive in each row;
        lengths [B] in use, new entries included; mask [B, 1, T, max(lengths)] bool, None when
        every used entry is visible; like: any tensor of the queries' dtype and device.
    """

    def __init__(
        self,
        rows: list[int],
        slots: Tensor,
        lengths: list[int],
        mask: Tensor | None,
        like: Tensor,
    ) -> None:
        self.rows = rows
        self._slots = slots
        self._start = int(slots[0, 0])
        self._index: dict[tuple[int, ...], Tensor] = {}
        self._parts = [
            _part(slice(begin, end), rows, lengths, mask, like)
            for begin, end in _runs(rows, lengths)
        ]

    def write(self, pool: Tensor, values: Tensor) -> None:
        """Puts new keys or values into their slots.

        Shapes: pool [rows, capacity, Hkv, Dh], dense, slot by slot or head by head within a row;
        values [B, T, Hkv, Dh].
        """
        count, dim = values.shape[1], values.shape[-1]
        if len(self.rows) == 1:
            pool[self.rows[0], self._start : self._start + count] = values[0]
            return
        # One list of places over all rows: several times faster than several indices.
        strides = pool.stride()
        if strides not in self._index:
            self._index[strides] = self._places(pool)
        last = sum((size - 1) * step for size, step in zip(pool.shape, strides, strict=True))
        flat = pool.as_strided(((last + 1) // dim, dim), (dim, 1))
        flat.index_copy_(0, self._index[strides], values.flatten(0, 2).to(pool.dtype))

    def _places(self, pool: Tensor) -> Tensor:
        """Where the new entries' heads are in a pool, counted in heads: [B * T * Hkv]."""
        row, slot, head = (step // pool.shape[-1] for step in pool.stride()[:3])
        first = torch.tensor(self.rows)[:, None] * row + self._slots.cpu() * slot
        heads = torch.arange(pool.shape[2]) * head
        return (first[:, :, None] + heads).flatten().to(pool.device)

    def attend(self, q: Tensor, k_pool: Tensor, v_pool: Tensor) -> Tensor:
        """Each batch item attends over its own row.

        Shapes: q [B, H, T, Dh], or of the last of the T entries only; pools
        [rows, capacity, Hkv, Dh]. Returns the shape of q.
        """
        found = []
        for part in self._parts:
            k, v = k_pool[part.rows, : part.length], v_pool[part.rows, : part.length]
            mask = None if part.mask is None else part.mask[:, :, -q.shape[2] :]
            found.append(attend(q[part.items], k.transpose(1, 2), v.transpose(1, 2), mask))
        return found[0] if len(found) == 1 else torch.cat(found)

    def weights(self, q: Tensor, k_pool: Tensor) -> Tensor:
        """What `attend` would weigh each cached entry with.

        Shapes: q [B, H, T, Dh]; pool [rows, capacity, Hkv, Dh]. Returns [B, H, T, max(lengths)]
        in float32, 0 for entries a row does not have.
        """
        longest = max(part.length for part in self._parts)
        found = []
        for part in self._parts:
            own = q[part.items]
            k = k_pool[part.rows, : part.length].transpose(1, 2)
            k = k.repeat_interleave(own.shape[1] // k.shape[1], dim=1)
            scores = own @ k.transpose(-1, -2) * own.shape[-1] ** -0.5
            if part.mask is not None:
                scores = scores + part.mask
            found.append(F.pad(scores.float().softmax(-1), (0, longest - part.length)))
        return torch.cat(found)


@dataclass(frozen=True)
class _Part:
    """Neighbouring rows read as one view. mask [n, 1, T or 1, length], added to the scores."""

    items: slice
    rows: slice
    length: int
    mask: Tensor | None


MOST_PADDING = 1.2
"""How much more than the entries in use one view may read (measured on CPU: reading rows one by
one costs 10 to 25 % more than reading them as one view)."""


def _runs(rows: list[int], lengths: list[int]) -> Iterator[tuple[int, int]]:
    """Splits a batch into neighbours that are worth reading together: (begin, end) of each."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end < len(rows) and rows[end] == rows[end - 1] + 1:
            continue
        padded = (end - begin) * max(lengths[begin:end])
        if padded <= MOST_PADDING * sum(lengths[begin:end]):
            yield begin, end
        else:
            yield from ((item, item + 1) for item in range(begin, end))
        begin = end


def _part(
    items: slice, rows: list[int], lengths: list[int], mask: Tensor | None, like: Tensor
) -> _Part:
    own = lengths[items]
    length = max(own)
    hidden = None
    if mask is not None:
        hidden = ~mask[items, :, :, :length]
    elif min(own) < length:
        hidden = (torch.arange(length) >= torch.tensor(own)[:, None])[:, None, None]
    # Once here instead of once a layer: attention adds masks, and converts boolean ones.
    added = None
    if hidden is not None:
        added = like.new_zeros(hidden.shape).masked_fill_(hidden.to(like.device), -math.inf)
    return _Part(items, slice(rows[items.start], rows[items.start] + len(own)), length, added)


def write_rows(pool: Tensor, rows: list[int], slots: Tensor, values: Tensor) -> None:
    """Writes new keys or values into their slots.

    Shapes: pool [rows, capacity, H, Dh], slots [B, T], values [B, T, H, Dh].
    """
    if len(rows) == 1:  # a plain copy: the slots of one call are consecutive
        start = int(slots[0, 0])
        pool[rows[0], start : start + values.shape[1]] = values[0]
    else:
        pool[torch.tensor(rows)[:, None], slots] = values.to(pool.dtype)


def rotary_angles(position: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, computed on demand: no table, no longest stream.

    Shapes: position [B, T] -> two [B, T, Dh] in float32 (Llama's half-split convention).
    """
    frequency = torch.from_numpy(_frequencies(head_dim, theta)).to(position.device)
    angle = position.double()[..., None] * frequency
    cos, sin = angle.cos().float(), angle.sin().float()
    return torch.cat([cos, cos], dim=-1), torch.cat([sin, sin], dim=-1)


@functools.cache
def _frequencies(head_dim: int, theta: float) -> np.ndarray:
    return theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates heads by their positions. Shapes: x [B, T, H, Dh], cos and sin [B, T, Dh]."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    cos, sin = cos[:, :, None].to(x.dtype), sin[:, :, None].to(x.dtype)
    return torch.addcmul(x * cos, turned, sin)
