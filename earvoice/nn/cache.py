"""Key/value caches: a ring for windowed encoders, an entry cache for language models.

Both are preallocated, batch-major pools. Keys and values are written once into their slot; nothing
is concatenated, and a batch of rows is read in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earvoice.nn.masks import PADDING, PROMPT, TEXT, Entries, MaskFn
from earvoice.nn.state import State

PINNED = 1 << 40
"""Segment of entries that outlive every window."""


@dataclass
class RingState(State):
    """Keys and values of the last `capacity` frames of each stream; slot order is irrelevant.

    k, v [rows, capacity, H, Dh]. The frame counter lives with the encoder, one for all layers.
    """

    k: Tensor
    v: Tensor


def init_ring(rows: int, heads: int, capacity: int, head_dim: int, like: Tensor) -> RingState:
    """An empty ring. Bytes per row: 2 * heads * capacity * head_dim * element size."""
    shape = (rows, capacity, heads, head_dim)
    return RingState(
        k=torch.zeros(shape, dtype=like.dtype, device=like.device),
        v=torch.zeros(shape, dtype=like.dtype, device=like.device),
    )


@dataclass
class EntryCache(State):
    """A language model's cache whose entries know what they are.

    k, v      [rows, layers, capacity, Hkv, Dh], keys already rotated at `position`; they lie head
              by head, so that one token's attention reads memory in order
    position, kind, segment  [rows, capacity], see `nn.masks.Entries`
    length    [rows]  entries in use

    Vocabulary: append (by the model), pop, pin, renumber, fork, copy_rows. Nothing grows: a full
    row is an error, and sessions slide the window before that.
    """

    k: Tensor
    v: Tensor
    position: np.ndarray
    kind: np.ndarray
    segment: np.ndarray
    length: np.ndarray

    @property
    def capacity(self) -> int:
        """Entries a row can hold."""
        return int(self.k.shape[2])

    def reset(self, rows: Sequence[int]) -> None:
        """Empties the rows; keys and values need no clearing because `length` hides them."""
        self.length[list(rows)] = 0

    def append(self, rows: list[int], entries: Entries) -> Tensor:
        """Reserves slots for new entries [B, T] and records what they are.

        Returns: slots [B, T]. Raises: ValueError when a row is full.
        """
        count = entries.position.shape[1]
        start = self.length[rows]
        if int(start.max()) + count > self.capacity:
            raise ValueError(
                f"cache of {self.capacity} entries is full ({int(start.max())} used, {count} more)"
            )
        slots = start[:, None] + np.arange(count)[None, :]
        row_index = np.asarray(rows)[:, None]
        self.position[row_index, slots] = entries.position.numpy()
        self.kind[row_index, slots] = entries.kind.numpy()
        self.segment[row_index, slots] = entries.segment.numpy()
        self.length[rows] = start + count
        return torch.from_numpy(slots)

    def pop(self, row: int, count: int = 1) -> None:
        """Forgets the newest `count` entries of a row."""
        if count > int(self.length[row]):
            raise ValueError(f"cannot pop {count} of {int(self.length[row])} entries")
        self.length[row] -= count

    def put_newest(self, row: int, slot: int) -> None:
        """Makes a row's newest entry the keys and values of an older one, and forgets it."""
        newest = int(self.length[row]) - 1
        for pool in (self.k, self.v):
            pool[row, :, slot] = pool[row, :, newest]
        self.pop(row)

    def copy_rows(self, targets: list[int], sources: list[int], first: int = 0) -> None:
        """Makes each target row what its source row is; before slot `first` they agree already.

        All sources are read before a target is written, so rows may change places (beams).
        """
        last = int(self.length[sources].max())
        for pool in (self.k, self.v):
            pool[targets, :, first:last] = pool[sources, :, first:last]
        for leaf in (self.position, self.kind, self.segment):
            leaf[targets, first:last] = leaf[sources, first:last]
        self.length[targets] = self.length[sources]

    def pin(self, row: int, start: int) -> None:
        """Keeps the entries from slot `start` on whatever window slides: they belong to the prompt.

        Only their segment changes; the mask still treats them as the text they are.
        """
        self.segment[row, start : int(self.length[row])] = PINNED

    def entries(self, rows: list[int], longest: int) -> Entries:
        """What the first `longest` slots of each row hold; unused slots are PADDING."""
        used = np.arange(longest)[None, :] < self.length[rows][:, None]
        kind = np.where(used, self.kind[rows, :longest], PADDING)
        order = np.broadcast_to(np.arange(longest), kind.shape).copy()
        return Entries(
            order=torch.from_numpy(order),
            position=torch.from_numpy(self.position[rows, :longest]),
            kind=torch.from_numpy(kind),
            segment=torch.from_numpy(self.segment[rows, :longest]),
        )

    def visible(
        self, rows: list[int], slots: Tensor, new: Entries, mask: MaskFn | None
    ) -> Tensor | None:
        """What entries just appended to `slots` may see of their rows, themselves included.

        Args: mask: None means every entry in use.
        Returns: [B, 1, T, longest] bool; None when nothing needs hiding.
        """
        longest = int(self.length[rows].max())
        if mask is None:
            if int(self.length[rows].min()) == longest:
                return None
            used = np.arange(longest)[None, :] < self.length[rows][:, None]
            return torch.from_numpy(used)[:, None, None, :]
        query = Entries(slots, new.position, new.kind, new.segment)
        return mask(query, self.entries(rows, longest))[:, None]

    def renumber(
        self, row: int, keep: np.ndarray, position: np.ndarray, turn: Callable[[Tensor], Tensor]
    ) -> None:
        """Keeps the slots `keep` of a row, in order, and gives them new positions.

        Values move; keys move and are turned by the difference of the positions.

        Args: keep, position [n]. turn: keys [n, Hkv, Dh] of one layer -> the same, turned.
        """
        slots, count = torch.from_numpy(keep), len(keep)
        for number in range(self.k.shape[1]):
            self.k[row, number, :count] = turn(self.k[row, number, slots])
            self.v[row, number, :count] = self.v[row, number, slots]
        for leaf in (self.kind, self.segment):
            leaf[row, :count] = leaf[row, keep]
        self.position[row, :count] = position
        self.length[row] = count

    def pinned_text(self, row: int) -> np.ndarray:
        """Slots of the text that outlives every window."""
        used = int(self.length[row])
        kept = (self.kind[row, :used] == TEXT) & (self.segment[row, :used] == PINNED)
        return np.flatnonzero(kept)

    def oldest(self, row: int, kind: int) -> int:
        """The smallest segment among a row's entries of a kind; PINNED when there is none."""
        length = int(self.length[row])
        segments = self.segment[row, :length][self.kind[row, :length] == kind]
        return int(segments.min()) if segments.size else PINNED

    def slots_from(self, row: int, segment: int) -> np.ndarray:
        """Slots that survive dropping all segments before `segment`; the prompt always does."""
        length = int(self.length[row])
        keep = self.segment[row, :length] >= segment
        keep |= self.kind[row, :length] == PROMPT
        return np.flatnonzero(keep)


def init_entry_cache(
    rows: int, layers: int, capacity: int, kv_heads: int, head_dim: int, like: Tensor
) -> EntryCache:
    """An empty cache. Bytes per row: capacity * (2 * layers * kv_heads * head_dim * size + 24)."""
    shape = (rows, layers, kv_heads, capacity, head_dim)
    return EntryCache(
        k=torch.zeros(shape, dtype=like.dtype, device=like.device).transpose(2, 3),
        v=torch.zeros(shape, dtype=like.dtype, device=like.device).transpose(2, 3),
        position=np.zeros((rows, capacity), dtype=np.int64),
        kind=np.zeros((rows, capacity), dtype=np.int64),
        segment=np.zeros((rows, capacity), dtype=np.int64),
        length=np.zeros(rows, dtype=np.int64),
    )
