"""Error rates with speakers: worked examples, and brute force on small conversations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.eval.speakers.assignment import cheapest_assignment
from earvoice.eval.speakers.cp_wer import cp_errors
from earvoice.eval.speakers.di_cp_wer import di_cp_errors, di_cp_errors_exact
from earvoice.eval.speakers.edits import aligned, distance
from earvoice.eval.speakers.orc_wer import orc_errors
from earvoice.eval.speakers.tcp_wer import tcp_errors
from earvoice.eval.speakers.utterances import by_speaker
from earvoice.eval.speakers.wder import wder_errors
from earvoice.eval.speakers.words import Rules
from tests.eval.speakers.talk import said, session, sides, turns

RULES = Rules()
ALL = (cp_errors, tcp_errors, orc_errors, di_cp_errors, di_cp_errors_exact, wder_errors)
SWAPPED = session(
    turns(("A", "guten Morgen"), ("B", "ja bitte"), ("A", "bis bald")),
    turns(("1", "guten Morgen"), ("2", "ja bitte"), ("2", "bis bald")),
)


def plain_distance(left, right):
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != other))
    return row[-1]


def lines(utterances):
    return [" ".join(u.text for u in items).split() for items in by_speaker(utterances).values()]


def test_a_turn_of_the_wrong_speaker():
    # "bis bald" is missing with A and too much with B; put right, nothing is wrong.
    assert cp_errors(SWAPPED, RULES).errors == 4
    assert di_cp_errors(SWAPPED, RULES).errors == 0
    assert orc_errors(SWAPPED, RULES).errors == 0
    found = wder_errors(SWAPPED, RULES)
    assert (found.errors, found.words) == (2, 6)


def test_the_search_for_the_right_speakers_may_stop_early():
    # meeteval 0.4.3 says 5 too: two turns must change places at once.
    one = session(
        turns(
            ("A", "guten morgen herr berger"), ("B", "guten morgen"), ("A", "der zug fährt um acht")
        ),
        turns(
            ("1", "guten morgen herr berger"),
            ("2", "guten morgen"),
            ("2", "der zug fährt heute um acht"),
        ),
    )
    assert cp_errors(one, RULES).errors == 5
    assert di_cp_errors(one, RULES).errors == 5
    assert di_cp_errors_exact(one, RULES).errors == 1
    assert di_cp_errors_exact(one, RULES).exact


def test_speakers_who_are_left_over():
    one = session(turns(("A", "a b"), ("B", "c d e")), turns(("1", "c d e")))
    assert (cp_errors(one, RULES).errors, cp_errors(one, RULES).words) == (2, 5)
    other = session(turns(("A", "a b")), turns(("1", "x"), ("2", "a b"), ("3", "y z")))
    assert cp_errors(other, RULES).errors == 3
    # All three are aligned nowhere but "a b", which the mapping gets right.
    assert (wder_errors(other, RULES).errors, wder_errors(other, RULES).words) == (0, 2)


def test_words_that_are_too_far_apart_in_time():
    reference = [said("A", "hallo", 0, 1)]
    for start_s, errors in ((5.49, 0), (5.5, 2), (20, 2)):
        # A word of a second is its middle, five seconds to both sides; touching is too far.
        one = session(reference, [said("1", "hallo", start_s, start_s + 1)])
        assert tcp_errors(one, RULES).errors == errors
        assert cp_errors(one, RULES).errors == 0


def test_time_is_shared_out_by_characters():
    utterance = said("A", "ab c", 0, 3)
    assert RULES.timed(utterance) == [("ab", 0, 2_000_000), ("c", 2_000_000, 3_000_000)]
    assert Rules("char").timed(utterance)[1] == ("b", 1_000_000, 2_000_000)


def test_normalisation_is_asked_for():
    one = session(turns(("A", "Guten Tag, Anna!")), turns(("1", "guten tag anna")))
    assert cp_errors(one, RULES).errors == 3
    assert cp_errors(one, Rules("word", "basic")).errors == 0
    assert "norm:basic" in str(Rules("word", "basic"))


def test_characters_where_there_are_no_words():
    one = session(turns(("A", "你好吗")), turns(("1", "你 好")))
    found = cp_errors(one, Rules("char"))
    assert (found.errors, found.words) == (1, 3)


@pytest.mark.parametrize("errors", ALL)
@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        ([], []),
        ([], turns(("1", "a b"))),
        (turns(("A", "a b")), []),
        (turns(("A", ""), ("B", " ")), turns(("1", "a"))),
        (turns(("A", "a"), ("B", "")), turns(("1", ""))),
    ],
)
def test_nothing_is_no_reason_to_stop(errors, reference, hypothesis):
    found = errors(session(reference, hypothesis), RULES)
    assert found.errors >= 0
    if errors is not wder_errors:
        assert found.words == len(" ".join(item.text for item in reference).split())


@pytest.mark.parametrize("errors", ALL)
def test_what_was_said_has_no_errors(errors):
    same = turns(("A", "a b"), ("B", "c"), ("A", "d"), ("C", ""))
    assert errors(session(same, same), RULES).errors == 0


@settings(max_examples=60, deadline=None)
@given(sides(), sides())
def test_cp_wer_is_the_best_permutation(reference, hypothesis):
    one = session(reference, hypothesis)
    left, right = lines(one.reference), lines(one.hypothesis)
    size = max(len(left), len(right))
    left += [[]] * (size - len(left))
    right += [[]] * (size - len(right))
    best = min(
        sum(plain_distance(line, right[j]) for line, j in zip(left, order, strict=True))
        for order in itertools.permutations(range(size))
    )
    assert cp_errors(one, RULES).errors == best


@settings(max_examples=40, deadline=None)
@given(sides(), sides())
def test_orc_wer_is_the_best_distribution_and_search_is_no_better(reference, hypothesis):
    one = session(reference, hypothesis)
    streams = lines(one.hypothesis) or [[]]
    best = min(
        sum(
            plain_distance(
                [
                    w
                    for u, o in zip(one.reference, owners, strict=True)
                    if o == i
                    for w in u.text.split()
                ],
                stream,
            )
            for i, stream in enumerate(streams)
        )
        for owners in itertools.product(range(len(streams)), repeat=len(one.reference))
    )
    assert orc_errors(one, RULES).errors == best
    assert orc_errors(one, RULES, exact_steps=-1).errors >= best


@settings(max_examples=40, deadline=None)
@given(sides(), sides())
def test_the_rates_are_in_order(reference, hypothesis):
    one = session(reference, hypothesis)
    cp = cp_errors(one, RULES).errors
    assert di_cp_errors_exact(one, RULES).errors <= di_cp_errors(one, RULES).errors <= cp
    assert orc_errors(one, RULES).errors <= cp
    assert tcp_errors(one, RULES).errors >= cp
    assert tcp_errors(one, RULES, 100_000_000).errors == cp


@settings(max_examples=40, deadline=None)
@given(sides(), sides())
def test_wder_has_the_best_mapping(reference, hypothesis):
    one = session(reference, hypothesis)
    left = [(word, u.speaker) for u in one.reference for word in u.text.split()]
    right = [(word, u.speaker) for u in one.hypothesis for word in u.text.split()]
    numbers = {word: i for i, (word, _) in enumerate(left + right)}
    pairs = aligned(
        np.array([numbers[word] for word, _ in left], dtype=np.int32),
        np.array([numbers[word] for word, _ in right], dtype=np.int32),
    )
    names = sorted({speaker for _, speaker in right})
    others = sorted({speaker for _, speaker in left}) + [None] * len(names)
    wrong = min(
        sum(dict(zip(names, order, strict=False))[right[j][1]] != left[i][1] for i, j in pairs)
        for order in itertools.permutations(others, len(names))
    )
    found = wder_errors(one, RULES)
    assert (found.errors, found.words) == (wrong, len(pairs))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=20), st.lists(st.integers(0, 3), max_size=20))
def test_an_alignment_has_as_many_edits_as_the_distance(left, right):
    one, other = np.array(left, dtype=np.int32), np.array(right, dtype=np.int32)
    pairs = aligned(one, other)
    assert distance(one, other) == plain_distance(left, right)
    assert all(np.diff(pairs, axis=0).ravel() > 0)
    unequal = sum(left[i] != right[j] for i, j in pairs)
    assert unequal + len(left) + len(right) - 2 * len(pairs) == distance(one, other)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-3, 5), min_size=n, max_size=n), min_size=n, max_size=n
        )
    )
)
def test_the_assignment_is_the_cheapest(rows):
    costs = np.array(rows, dtype=np.int64).reshape(len(rows), len(rows))
    found = cheapest_assignment(costs)
    orders = itertools.permutations(range(len(rows)))
    assert sorted(found) == list(range(len(rows)))
    assert sum(costs[i, j] for i, j in enumerate(found)) == min(
        sum(costs[i, j] for i, j in enumerate(order)) for order in orders
    )


def test_many_words_take_no_time():
    words = np.random.default_rng(0).integers(0, 300, (2, 1500)).astype(np.int32)
    assert 1000 < distance(*words) <= 1500
    assert len(aligned(*words)) > 500
