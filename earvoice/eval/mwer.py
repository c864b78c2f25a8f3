"""Which reference segment each written word belongs to, by minimum word error rate.

A long recording is translated as one stream; to score it, the stream is cut into as many runs as
there are reference segments, such that the edit distances of the runs to their segments sum up to
the least (Matusov et al. 2005, "Evaluating machine translation output with automatic sentence
segmentation"). Substitution, insertion and deletion cost 1 each.

Many cuts share the least sum. Which of them is taken was found by asking mweralign 1.4.1 with
random texts, whose cuts these are (tests/reference/mweralign.json):

    from the end of both texts: delete a reference word where that is optimal, else insert a
    written word, else pair the two; a run ends as late as the path allows
    of the letters A to Z case does not matter; of all others it does
    once a reference word has been passed, no segment may begin before the first written word:
    the first of them takes at least one, however wrong; while only empty references have been
    passed, beginning there costs 1 for each

Where characters are counted, a run of characters up to U+00FF (Latin words) is one token of the
alignment, every other character is one of its own.

The table is filled row by row with whole-row operations. It keeps, for every column, where the
segment at hand began on the best way there, so memory is segments times words, not words squared.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from earvoice.eval.units import Unit

FORBIDDEN = 1 << 29
"""A cost above that of every alignment."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TOKEN = re.compile("[\x00-\xff]+|.", re.DOTALL)


def mwer_segmenter(
    references: Sequence[Sequence[str]], hypothesis: Sequence[str], unit: Unit
) -> list[int | None]:
    """The segment of every written unit. references: the units of each segment, in order."""
    sizes = [1] * len(hypothesis)
    tokens = list(hypothesis)
    if unit == "char":
        tokens = _TOKEN.findall("".join(hypothesis))
        sizes = [len(token) for token in tokens]
        references = [_TOKEN.findall("".join(reference)) for reference in references]
    starts = [0, *cuts(references, tokens), len(tokens)]
    owners: list[int | None] = []
    for number, (start, end) in enumerate(pairwise(starts)):
        owners += [number] * sum(sizes[start:end])
    return owners


def cuts(references: Sequence[Sequence[str]], hypothesis: Sequence[str]) -> list[int]:
    """Where every segment but the first begins in the hypothesis, as indices of its words.

    references: the words of each segment, at least one segment.
    """
    numbers: dict[str, int] = {}
    said = _numbered(hypothesis, numbers)
    column = np.arange(len(said) + 1, dtype=np.int32)
    cost, begun = column.copy(), []
    passed = False
    for count, reference in enumerate(references, 1):
        cost, began = _segment(cost, _numbered(reference, numbers), said, column)
        begun.append(began)
        passed = passed or bool(reference)
        if len(said):
            cost[0] = FORBIDDEN if passed else count
    found, end = [], len(said)
    for began in reversed(begun[1:]):
        end = int(began[end])
        found.append(end)
    return found[::-1]


def _numbered(words: Sequence[str], numbers: dict[str, int]) -> np.ndarray:
    """Words as numbers, equal for words that are."""
    folded = (word.translate(_LOWER) for word in words)
    return np.array([numbers.setdefault(word, len(numbers)) for word in folded], dtype=np.int32)


def _segment(
    above: np.ndarray, reference: np.ndarray, said: np.ndarray, column: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One segment's rows. above, [words + 1]: the least cost of all before, ending there.

    Returns: the least cost with this segment, and the column where it then began.
    """
    began = column
    for word in reference:
        deleted = above + 1
        here = deleted.copy()
        np.minimum(here[1:], above[:-1] + (said != word), out=here[1:])
        here -= column
        np.minimum.accumulate(here, out=here)  # insertions cost 1 a column
        here += column
        came_down = here == deleted
        inserted = ~came_down
        inserted[0] = False
        inserted[1:] &= here[1:] == here[:-1] + 1
        before = np.where(came_down, began, np.concatenate((began[:1], began[:-1])))
        began = before[np.maximum.accumulate(np.where(inserted, 0, column))]
        above = here
    return above.copy(), began
