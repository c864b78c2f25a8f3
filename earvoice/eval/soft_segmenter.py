"""Which reference segment each written word belongs to, by similarity of letters.

A long recording is translated as one stream; to score it, the stream is cut at the references'
boundaries. This is the segmentation of SoftSegmenter (Polak et al. 2025, 2509.17349):

    an alignment without gap cost that maximises the summed similarity of paired words;
    similarity is the Jaccard index of the two words' letters (equality for single characters);
    punctuation never pairs with a word; ties: pair, then skip reference, then skip hypothesis;
    an unpaired word goes to its left or right neighbour, whichever is more similar.

The table is filled row by row with whole-row operations: skipping hypothesis words at no cost is
a running maximum. Its cells are sums in the same order as in a cell-by-cell loop, so ties fall
alike and segments are identical to the original's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

PUNCTUATION = frozenset(".!?,;:-()。！？，；：—ー（）")
APART = -np.inf


@dataclass(frozen=True)
class Piece:
    """A token to align. unit: index of the word it came from; first: it begins that word."""

    text: str
    unit: int
    first: bool = True


def normalised(text: str) -> str:
    """What is compared: NFKC, lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def pieces_of(units: Iterable[str]) -> list[Piece]:
    """One piece per unit; a tokenizer that splits words makes several with the same `unit`."""
    return [Piece(normalised(unit), index) for index, unit in enumerate(units)]


def assign(
    reference: Sequence[Piece], segments: Sequence[int], hypothesis: Sequence[Piece], char: bool
) -> list[int | None]:
    """The segment of every hypothesis piece; None for one that may stand beside nothing.

    Args:
        reference: all pieces of the recording's references in order; segments: whose each is.
        hypothesis: all pieces written. char: pieces are single characters, compared by equality.
    """
    table = Similarity(reference, hypothesis, char)
    return _settle(_align(table), segments, table)


class Similarity:
    """Similarity of every reference piece with every hypothesis piece, by distinct texts."""

    def __init__(self, reference: Sequence[Piece], hypothesis: Sequence[Piece], char: bool) -> None:
        ref_texts, self.ref = _distinct(reference)
        hyp_texts, self.hyp = _distinct(hypothesis)
        self.table = _similarities(ref_texts, hyp_texts, char)

    def row(self, index: int) -> np.ndarray:
        """Similarity of one reference piece with all hypothesis pieces."""
        row: np.ndarray = self.table[self.ref[index]].take(self.hyp)
        return row

    def of(self, ref: int, hyp: int) -> float:
        """Similarity of one pair."""
        return float(self.table[self.ref[ref], self.hyp[hyp]])


def _distinct(pieces: Sequence[Piece]) -> tuple[list[str], np.ndarray]:
    numbers: dict[str, int] = {}
    index = [numbers.setdefault(piece.text, len(numbers)) for piece in pieces]
    return list(numbers), np.array(index, dtype=np.int64)


def _similarities(ref: Sequence[str], hyp: Sequence[str], char: bool) -> np.ndarray:
    if char:
        table = np.array([[float(a == b) for b in hyp] for a in ref]).reshape(len(ref), len(hyp))
    else:
        shared, either = _letters(ref, hyp)
        table = np.divide(shared, either, out=np.zeros(shared.shape), where=either > 0, dtype=float)
    ref_mark = np.array([text in PUNCTUATION for text in ref], dtype=bool)
    hyp_mark = np.array([text in PUNCTUATION for text in hyp], dtype=bool)
    table[ref_mark[:, None] ^ hyp_mark[None, :]] = APART
    return table


def _letters(ref: Sequence[str], hyp: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """How many letters every two texts share, and how many either of them has.

    A text's letters are bits of 64-bit words: no matrix product, whose threads would wait for
    each other longer than they compute.
    """
    letters = {letter: i for i, letter in enumerate(sorted(set("".join([*ref, *hyp]))))}
    words = (len(letters) + 63) // 64
    a, b = _bits(ref, letters, words), _bits(hyp, letters, words)
    shared = np.zeros((len(ref), len(hyp)), dtype=np.uint32)
    for word in range(words):
        shared += np.bitwise_count(a[:, None, word] & b[None, :, word])
    count_a = np.bitwise_count(a).sum(1, dtype=np.uint32)
    count_b = np.bitwise_count(b).sum(1, dtype=np.uint32)
    return shared, count_a[:, None] + count_b[None, :] - shared


def _bits(texts: Sequence[str], letters: dict[str, int], words: int) -> np.ndarray:
    table = np.zeros((len(texts), words), dtype=np.uint64)
    for row, text in enumerate(texts):
        for letter in set(text):
            word, bit = divmod(letters[letter], 64)
            table[row, word] |= np.uint64(1 << bit)
    return table


def _align(table: Similarity) -> list[tuple[int | None, int | None]]:
    """The best alignment: pairs (reference index, hypothesis index), None for a skipped one."""
    rows, columns = len(table.ref), len(table.hyp)
    pair, skip_ref = _choices(table, rows, columns)
    path: list[tuple[int | None, int | None]] = []
    i, j = rows, columns
    while i > 0 or j > 0:
        if i > 0 and j > 0 and pair[i - 1, (j - 1) >> 3] >> (7 - (j - 1 & 7)) & 1:
            i, j = i - 1, j - 1
            path.append((i, j))
        elif j == 0 or (i > 0 and skip_ref[i - 1, (j - 1) >> 3] >> (7 - (j - 1 & 7)) & 1):
            i -= 1
            path.append((i, None))
        else:
            j -= 1
            path.append((None, j))
    return path[::-1]


def _choices(table: Similarity, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """For every cell, one bit each: was the pair taken; if not, was the reference skipped."""
    pair = np.zeros((rows, (columns + 7) // 8), dtype=np.uint8)
    skip_ref = np.zeros_like(pair)
    above = np.zeros(columns + 1)
    for i in range(rows):
        matched = above[:-1] + table.row(i)
        skipped = above[1:]
        here = np.empty(columns + 1)
        here[0] = 0.0
        np.maximum(matched, skipped, out=here[1:])
        np.maximum.accumulate(here, out=here)
        before = here[:-1]
        pair[i] = np.packbits((matched >= skipped) & (matched >= before))
        skip_ref[i] = np.packbits(skipped >= before)
        above = here
    return pair, skip_ref


def _settle(
    path: Sequence[tuple[int | None, int | None]], segments: Sequence[int], table: Similarity
) -> list[int | None]:
    """Segments of the hypothesis pieces, unpaired ones settled with a neighbour.

    In a run of unpaired pieces the first that is more similar to the reference after the run
    takes all that follow it there; those before it stay with the reference before the run.
    """
    settled: list[int | None] = [None] * len(table.hyp)
    following = _next_references(path)
    last: int | None = None
    turned = False
    for place, (ref, hyp) in enumerate(path):
        if ref is not None:
            last, turned = ref, False
        if hyp is None:
            continue
        owner = ref
        if ref is None:
            after = following[place]
            turned = turned or _score(table, after, hyp) > _score(table, last, hyp)
            owner = after if turned else last
        settled[hyp] = None if owner is None else segments[owner]
    return settled


def _score(table: Similarity, ref: int | None, hyp: int) -> float:
    return APART if ref is None else table.of(ref, hyp)


def _next_references(path: Sequence[tuple[int | None, int | None]]) -> list[int | None]:
    following: list[int | None] = [None] * len(path)
    after: int | None = None
    for place in range(len(path) - 1, -1, -1):
        following[place] = after
        if path[place][0] is not None:
            after = path[place][0]
    return following
