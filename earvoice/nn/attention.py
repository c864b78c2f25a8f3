"""Attention of a batch of rows over their own caches, and rotary positions."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention; fewer key than query heads means grouped queries.

    Shapes: q [B, H, Tq, Dh], k, v [B, Hkv, Tk, Dh], mask [B or 1, 1, Tq, Tk] bool -> like q.
    """
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)


def attend_rows(
    q: Tensor,
    k_pool: Tensor,
    v_pool: Tensor,
    rows: list[int],
    lengths: list[int],
    mask: Tensor | None,
) -> Tensor:
    """Each batch item attends over the first `lengths[b]` entries of its own pool row.

    The pool is never gathered: rows next to each other are read as one view, others one by one.

    Shapes: q [B, H, Tq, Dh]; pools [rows, capacity, Hkv, Dh]; mask [B, 1, Tq, max(lengths)] bool,
    None when every used entry is visible. Returns [B, H, Tq, Dh].
    """
    batch, longest = len(rows), max(lengths)
    neighbours = rows[-1] - rows[0] == batch - 1 and all(
        later > earlier for earlier, later in itertools.pairwise(rows)
    )
    if neighbours and (mask is not None or min(lengths) == longest):
        view = slice(rows[0], rows[0] + batch)
        k, v = k_pool[view, :longest], v_pool[view, :longest]
        return attend(q, k.transpose(1, 2), v.transpose(1, 2), mask)
    parts = []
    for item, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        own = None if mask is None else mask[item : item + 1, :, :, :length]
        k, v = k_pool[row : row + 1, :length], v_pool[row : row + 1, :length]
        parts.append(attend(q[item : item + 1], k.transpose(1, 2), v.transpose(1, 2), own))
    return torch.cat(parts)


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
    frequency = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = position.double()[..., None] * frequency.to(position.device)
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates heads by their positions. Shapes: x [B, T, H, Dh], cos and sin [B, T, Dh]."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    cos, sin = cos[:, :, None].to(x.dtype), sin[:, :, None].to(x.dtype)
    return x * cos + turned * sin
