"""Cuts by minimum word error rate: against mweralign's answers, by definition, and by hand."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.eval.mwer import cuts, mwer_segmenter

CASES = json.loads((Path(__file__).parent / "mweralign.json").read_text(encoding="utf-8"))
WORDS = st.lists(st.sampled_from("abc"), max_size=5)


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j - 1] + (x != y), above[j] + 1, row[-1] + 1))
    return row[-1]


def errors(references, hypothesis, starts):
    edges = [0, *starts, len(hypothesis)]
    return sum(
        distance(reference, hypothesis[start:end])
        for reference, (start, end) in zip(references, itertools.pairwise(edges), strict=True)
    )


@pytest.mark.parametrize("unit", ["word", "char"])
def test_cuts_are_mweraligns(unit):
    cases = [case for case in CASES if case[0] == unit]
    assert len(cases) > 150
    for _, references, hypothesis, sizes in cases:
        owners = mwer_segmenter(references, hypothesis, unit)
        found = [owners.count(number) for number in range(len(references))]
        assert found == sizes, (references, hypothesis)


@given(st.lists(WORDS.filter(bool), min_size=1, max_size=4), WORDS)
def test_no_other_cut_has_fewer_errors(references, hypothesis):
    """Among those that give the first segment a word, which this rule demands."""
    starts = cuts(references, hypothesis)
    assert starts == sorted(starts)
    least = min(
        errors(references, hypothesis, other)
        for other in itertools.combinations_with_replacement(
            range(min(1, len(hypothesis)), len(hypothesis) + 1), len(references) - 1
        )
    )
    assert errors(references, hypothesis, starts) == least


@given(st.lists(st.lists(st.text(), max_size=5), min_size=1, max_size=5), st.lists(st.text()))
def test_every_unit_has_a_segment_and_order_is_kept(references, hypothesis):
    owners = mwer_segmenter(references, hypothesis, "word")
    assert len(owners) == len(hypothesis)
    assert owners == sorted(owners)
    assert all(owner in range(len(references)) for owner in owners)


@given(st.lists(st.text(max_size=6), min_size=1, max_size=5), st.text(max_size=12))
def test_characters_likewise(references, hypothesis):
    owners = mwer_segmenter([list(line) for line in references], list(hypothesis), "char")
    assert len(owners) == len(hypothesis)
    assert owners == sorted(owners)


@given(st.lists(st.lists(st.uuids().map(str), min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_perfect_hypothesis_keeps_the_segments(references):
    words = [word for line in references for word in line]
    expected = [number for number, line in enumerate(references) for _ in line]
    assert mwer_segmenter(references, words, "word") == expected


def test_by_hand():
    def cut(lines, text):
        return mwer_segmenter([line.split() for line in lines], text.split(), "word")

    assert cut(["a b", "c d"], "a b x c d") == [0, 0, 0, 1, 1]  # as late as possible
    assert cut(["a b", "c d"], "c d") == [0, 1]  # the first takes one, however wrong
    assert cut(["a b", "c", "d"], "a b d") == [0, 0, 2]  # the middle one said nothing
    assert cut(["A b", "C"], "a B c") == [0, 0, 1]
    assert cut(["", "a"], "a") == [1]
    assert cut(["a", ""], "a b") == [0, 0]
    assert cut(["", ""], "a b") == [0, 0]
    assert cut(["a"], "") == []


def test_latin_words_among_characters_stay_whole():
    lines = [list("我有GPU"), list("CPU没有")]
    assert mwer_segmenter(lines, list("我有GPUCPU没有"), "char") == [0] * 8 + [1] * 2
