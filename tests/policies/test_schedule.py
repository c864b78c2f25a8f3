"""When wait-k-stride-n writes each word: tables worked by hand, and what holds for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.policies.schedule import OFFLINE_K, holds, write_steps


def faithful(words, k, n, last_step=None):
    return write_steps([0] * words, k, n, last_step, hold=False)


@pytest.mark.parametrize(
    ("k", "n", "last_step", "steps"),
    [
        # segments read   1   2   3   4   5   6
        # k = 3, n = 2            0 1 2 3 4 5
        (3, 2, None, [3, 3, 4, 4, 5, 5]),
        # k = 1, n = 3   012 345 6
        (1, 3, None, [1, 1, 1, 2, 2, 2, 3]),
        # k = 2, n = 1        0   1   2   3
        (2, 1, None, [2, 3, 4, 5]),
        # The source ends with segment 4: what is left is written there.
        # k = 3, n = 2            0 1 2..6
        (3, 2, 4, [3, 3, 4, 4, 4, 4, 4]),
        # It ends before the wait is over.
        (5, 3, 2, [2, 2, 2, 2]),
        # The target ends before the source.
        (2, 3, 9, [2, 2]),
        # k = 100 is offline for whole utterances (30 s are 30 segments).
        (OFFLINE_K, 3, 30, [30] * 7),
        (OFFLINE_K, 3, None, [100, 100, 100, 101, 101, 101, 102]),
    ],
)
def test_the_papers_stride(k, n, last_step, steps):
    assert faithful(len(steps), k, n, last_step) == steps


def test_holding_by_hand():
    #  segment     1       2       3       4       5       6       7
    #  heard       A B     C D E                   F G
    #  k = 2       wait    A B     C D     E       -       F G             n = 2
    #  k = 1       A B     C D     E       -       F G     -
    #  k = 3       wait    wait    A B     C D     E       -       F G
    heard = [1, 1, 2, 2, 2, 5, 5]
    assert write_steps(heard, 2, 2, None, hold=True) == [2, 2, 3, 3, 4, 6, 6]
    assert write_steps(heard, 1, 2, None, hold=True) == [1, 1, 2, 2, 3, 5, 5]
    assert write_steps(heard, 3, 2, None, hold=True) == [3, 3, 4, 4, 5, 7, 7]
    # The source ends with segment 6, or with 5, where nothing more than silence could follow.
    assert write_steps(heard, 2, 2, 6, hold=True) == [2, 2, 3, 3, 4, 6, 6]
    assert write_steps(heard, 2, 2, 5, hold=True) == [2, 2, 3, 3, 4, 5, 5]


def test_a_word_waits_for_the_one_before_it():
    #  heard       B C D   -   A               the verb comes first in the target
    #  k = 1               -   A B     C D     n = 2
    assert write_steps([3, 1, 1, 1], 1, 2, None, hold=True) == [3, 3, 4, 4]


def test_words_heard_before_the_window_began():
    #  segment    -1       0   |   1       2
    #  heard       A       B   |   C
    #  k = 2               A   |   B       C
    assert write_steps([-1, 0, 1], 2, 3, None, hold=True) == [0, 1, 2]
    assert write_steps([-1, 0, 1], 1, 3, None, hold=True) == [-1, 0, 1]


def test_nothing_to_write():
    assert write_steps([], 3, 3, None, hold=True) == []
    assert faithful(0, 3, 3, 5) == []


@pytest.mark.parametrize(("k", "n"), [(0, 3), (3, 0), (-1, 3), (3, -2)])
def test_illegal_values(k, n):
    with pytest.raises(ValueError, match=f"k={k}, n={n}"):
        write_steps([1], k, n, None, hold=True)


def test_the_consultations_that_say_nothing_more():
    #  segment     1       2       3       4       5       6
    #  k = 2       wait    A B     C D     E /     /       F G     n = 2; / is "nothing more"
    steps = [2, 2, 3, 3, 4, 6, 6]
    assert holds(steps, 2, 2, 6, ended=False) == [(5, 4), (5, 5)]
    assert holds(steps, 2, 2, 6, ended=True) == [(5, 4), (5, 5), (7, 6)]
    assert holds(steps, 2, 2, 8, ended=False) == [(5, 4), (5, 5), (7, 7), (7, 8)]
    assert holds([], 3, 2, 4, ended=True) == [(0, 2), (0, 3), (0, 4)]


def test_a_slid_window_is_consulted_from_its_first_segment():
    assert holds([1, 3], 1, 1, 3, ended=False) == [(1, 2)]
    assert holds([2], 1, 1, 2, ended=False) == [(0, 1)]


ks = st.integers(1, 6)
ns = st.integers(1, 4)
heards = st.lists(st.integers(-5, 20), max_size=40)
ends = st.none() | st.integers(1, 30)


@given(words=st.integers(0, 60), k=st.integers(1, 110), n=ns)
def test_faithful_is_a_formula(words, k, n):
    assert faithful(words, k, n) == [k + j // n for j in range(words)]


@given(heard=heards, k=ks, n=ns, last_step=ends, hold=st.booleans())
def test_steps_never_go_back_and_never_pass_the_end(heard, k, n, last_step, hold):
    steps = write_steps(heard, k, n, last_step, hold=hold)
    assert len(steps) == len(heard)
    assert steps == sorted(steps)
    if last_step is not None:
        assert all(step <= last_step for step in steps)


@given(heard=heards, k=ks, n=ns, last_step=ends, hold=st.booleans())
def test_at_most_n_words_a_step_except_the_last(heard, k, n, last_step, hold):
    steps = write_steps(heard, k, n, last_step, hold=hold)
    assert all(steps.count(step) <= n for step in set(steps) if step != last_step)


@given(heard=heards, k=ks, n=ns, last_step=ends)
def test_a_held_word_is_heard_and_has_waited(heard, k, n, last_step):
    for earliest, step in zip(heard, write_steps(heard, k, n, last_step, hold=True), strict=True):
        assert step >= earliest + k - 1 or step == last_step


@given(heard=heards, k=ks, n=ns)
def test_holding_is_not_later_than_it_must_be(heard, k, n):
    # A word's step is its own earliest, or the step before it was full, or it stands with it.
    steps = write_steps(heard, k, n, None, hold=True)
    for index, step in enumerate(steps):
        if step == heard[index] + k - 1:
            continue
        previous = steps[index - 1]
        assert index > 0
        assert step == previous or (step == previous + 1 and steps.count(previous) == n)


@given(heard=heards, k=ks, n=ns)
def test_one_segment_more_of_wait_is_one_segment_later(heard, k, n):
    steps = write_steps(heard, k, n, None, hold=True)
    assert write_steps(heard, k + 1, n, None, hold=True) == [step + 1 for step in steps]


@given(heard=heards, k=ks, n=ns, shift=st.integers(-9, 9))
def test_the_clock_may_start_anywhere(heard, k, n, shift):
    moved = write_steps([h + shift for h in heard], k, n, None, hold=True)
    assert moved == [step + shift for step in write_steps(heard, k, n, None, hold=True)]


@given(
    heard=st.lists(st.integers(1, 20), max_size=40), k=ks, n=ns, last=st.integers(1, 30),
    ended=st.booleans(),
)  # fmt: skip
def test_a_model_that_follows_the_holds_writes_at_these_steps(heard, k, n, last, ended):
    steps = write_steps(heard, k, n, last if ended else None, hold=True)
    first = min(k, last)
    stops = holds(steps, n, first, last, ended=ended)
    assert len({step for _, step in stops}) == len(stops)
    stop_at = {step: count for count, step in stops}
    written, replayed = 0, []
    for step in range(first, last + 1):
        budget = len(steps) if ended and step == last else n
        while written < len(steps) and budget and stop_at.get(step) != written:
            replayed.append(step)
            written, budget = written + 1, budget - 1
    assert replayed == [step for step in steps if step <= last]


def test_what_was_missed_comes_at_the_next_turns():
    heard = [1, 1, 2, 2, 3, 5, 5]
    assert write_steps(heard, 1, 2, None, hold=True) == [1, 1, 2, 2, 3, 5, 5]
    missed = write_steps(heard, 1, 2, None, hold=True, missed={2, 3})
    assert missed == [1, 1, 4, 4, 5, 5, 6]
    assert holds(missed, 2, 1, 7, ended=False, missed={2, 3}) == [(7, 6), (7, 7)]
    # The end writes everything, missed or not.
    assert write_steps(heard, 1, 2, 5, hold=True, missed={4, 5}) == [1, 1, 2, 2, 3, 5, 5]


@given(
    st.lists(st.integers(0, 12), max_size=20).map(sorted),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sets(st.integers(1, 14), max_size=5),
)
def test_missing_turns_only_delays(heard, k, n, missed):
    plain = write_steps(heard, k, n, None, hold=True)
    late = write_steps(heard, k, n, None, hold=True, missed=missed)
    assert late == sorted(late)
    assert all(a <= b for a, b in zip(plain, late, strict=True))
    assert not missed & set(late)
    assert all(late.count(step) <= n for step in late)
