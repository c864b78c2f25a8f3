"""Edit distance between two texts of numbered words, a whole row of the table at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.speakers.words import Ids

Row = NDArray[np.int32]


def first_row(size: int) -> Row:
    """The row of no words: as many insertions as words. Shapes: [size + 1]."""
    return np.arange(size + 1, dtype=np.int32)


def next_row(row: Row, costs: NDArray[np.int32]) -> Row:
    """The row after one more word.

    row: distances to every beginning of the other text; costs: of pairing the word with each of
    the other text's words, where 2 is no better than one deletion and one insertion.
    Shapes: row [N + 1], costs [N]; result [N + 1].
    """
    found = row + np.int32(1)
    np.minimum(found[1:], row[:-1] + costs, out=found[1:])
    return close(found)


def close(row: Row) -> Row:
    """Lets every distance be the one before it and an insertion. Shapes: [N + 1]."""
    steps = np.arange(len(row), dtype=np.int32)
    return np.asarray(np.minimum.accumulate(row - steps) + steps, dtype=np.int32)


def advance(row: Row, words: Ids, other: Ids, substitution: int = 1) -> Row:
    """The row after `words`. Shapes: row [N + 1], words [M], other [N]; result [N + 1]."""
    for word in words:
        row = next_row(row, np.where(other == word, np.int32(0), np.int32(substitution)))
    return row


def distance(left: Ids, right: Ids) -> int:
    """Fewest insertions, deletions and substitutions. Shapes: [M], [N]."""
    if len(left) > len(right):  # rows are cheap, their number is not
        left, right = right, left
    return int(advance(first_row(len(right)), left, right)[-1])


def aligned(left: Ids, right: Ids) -> NDArray[np.int64]:
    """The pairs of words, equal or substituted, of one alignment with the fewest edits.

    Where several have as few, going back from the end a pair is taken before a deletion and a
    deletion before an insertion. Memory: 2 bits per cell of the table.
    Shapes: left [M], right [N]; result [K, 2], indices of both.
    """
    paired = np.zeros((len(left), len(right) // 8 + 1), dtype=np.uint8)
    deleted = np.zeros_like(paired)
    row = first_row(len(right))
    for index, word in enumerate(left):
        costs = np.where(right == word, np.int32(0), np.int32(1))
        after = next_row(row, costs)
        for table, hit in (
            (paired, after[1:] == row[:-1] + costs),
            (deleted, after[1:] == row[1:] + 1),
        ):
            packed = np.packbits(hit)
            table[index, : len(packed)] = packed
        row = after
    return _traced(paired, deleted, len(left), len(right))


def _traced(
    paired: NDArray[np.uint8], deleted: NDArray[np.uint8], i: int, j: int
) -> NDArray[np.int64]:
    found = []
    while i and j:
        byte, bit = (j - 1) // 8, 7 - (j - 1) % 8
        if paired[i - 1, byte] >> bit & 1:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif deleted[i - 1, byte] >> bit & 1:
            i -= 1
        else:
            j -= 1
    return np.array(found[::-1], dtype=np.int64).reshape(-1, 2)
