"""SoftSegmenter against a cell-by-cell reading of its definition, and by hand."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.eval.soft_segmenter import PUNCTUATION, assign, normalised, pieces_of

WORDS = ["das", "ist", "ein", "haus", "und", "garten", ".", ",", "wir", "ab", "ba", "abc", "über"]


def similarity(a, b, char):
    if (a in PUNCTUATION) != (b in PUNCTUATION):
        return -np.inf
    if char:
        return float(a == b)
    return len(set(a) & set(b)) / len(set(a) | set(b)) if set(a) | set(b) else 0.0


def slowly(reference, segments, hypothesis, char):
    """The definition, one cell at a time."""
    n, m = len(reference), len(hypothesis)
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    step = [[""] * (m + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        for j in range(m + 1):
            if i == 0 or j == 0:
                step[i][j] = "ref" if i else "hyp"
                continue
            options = {
                "pair": best[i - 1][j - 1] + similarity(reference[i - 1], hypothesis[j - 1], char),
                "ref": best[i - 1][j],
                "hyp": best[i][j - 1],
            }
            best[i][j] = max(options.values())
            step[i][j] = next(name for name, value in options.items() if value == best[i][j])
    owner, i, j = [None] * m, n, m
    left = [0] * m  # references passed before an unpaired word
    while i or j:
        if step[i][j] == "pair" and i and j:
            i, j = i - 1, j - 1
            owner[j] = i
        elif step[i][j] == "ref" and i:
            i -= 1
        else:
            j -= 1
            left[j] = i
    turned = None
    for k in range(m):
        if owner[k] is not None:
            turned = None
            continue
        before = left[k] - 1 if left[k] > 0 else None
        after = left[k] if left[k] < n else None
        if turned != left[k]:
            scores = [
                -np.inf if at is None else similarity(reference[at], hypothesis[k], char)
                for at in (before, after)
            ]
            turned = left[k] if scores[1] > scores[0] else None
        owner[k] = after if turned == left[k] else before
    return [None if at is None else segments[at] for at in owner]


@pytest.mark.parametrize("seed", range(200))
def test_whole_rows_equal_single_cells(seed):
    rng = random.Random(seed)
    char = rng.random() < 0.2
    vocabulary = list("abcd.") if char else WORDS[: rng.randint(3, len(WORDS))]
    reference = [rng.choice(vocabulary) for _ in range(rng.randint(1, 25))]
    segments = sorted(rng.randint(0, 5) for _ in reference)
    hypothesis = [word for word in reference if rng.random() < 0.7]
    for _ in range(rng.randint(0, 10)):
        hypothesis.insert(rng.randint(0, len(hypothesis)), rng.choice(vocabulary))
    found = assign(pieces_of(reference), segments, pieces_of(hypothesis), char)
    assert found == slowly(reference, segments, hypothesis, char)


def test_a_dropped_sentence_leaves_its_segment_empty():
    reference = "wir gehen nach hause das ist ein garten morgen".split()
    segments = [0] * 4 + [1] * 4 + [2]
    hypothesis = "wir gehen nach hause morgen".split()
    found = assign(pieces_of(reference), segments, pieces_of(hypothesis), False)
    assert found == [0, 0, 0, 0, 2]


def test_punctuation_that_may_stand_beside_nothing_belongs_to_nothing():
    assert assign(pieces_of(["haus"]), [0], pieces_of(["."]), False) == [None]


def test_no_words_on_either_side():
    assert assign([], [], pieces_of(["a", "b"]), False) == [None, None]
    assert assign(pieces_of(["a"]), [0], [], False) == []


def test_case_and_width_do_not_matter():
    assert normalised("Ｈaus") == "haus"
    assert assign(pieces_of(["HAUS"]), [3], pieces_of(["haus"]), False) == [3]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), st.data())
def test_a_perfect_hypothesis_keeps_the_segments(reference, data):
    segments = sorted(
        data.draw(st.lists(st.integers(0, 4), min_size=len(reference), max_size=len(reference)))
    )
    pieces = pieces_of(reference)
    found = assign(pieces, segments, pieces, False)
    # A word may pair with an equal neighbour, but never across more than a run of equal words.
    assert found == sorted(found)
    assert [segments[i] for i in range(len(reference))] == found or len(set(reference)) < len(
        reference
    )
