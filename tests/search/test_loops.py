"""What goes round in circles is stopped, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from earvoice.search.loops import LONGEST, next_of_loop

TOKENS = st.lists(st.integers(0, 9), max_size=40)


@given(TOKENS, st.lists(st.integers(0, 9), min_size=2, max_size=LONGEST))
def test_a_phrase_comes_three_times_and_no_more(before, phrase):
    written = list(before)
    for _ in range(30 * LONGEST):
        token = phrase[(len(written) - len(before)) % len(phrase)]
        if next_of_loop(written) == token:
            break
        written.append(token)
    assert len(written) - len(before) <= 5 * LONGEST


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=60))
def test_text_without_repeats_goes_on(tokens):
    assert next_of_loop(tokens) is None


def test_two_in_a_row_are_nothing():
    assert next_of_loop([1, 2, 1, 2]) is None
    assert next_of_loop([7, 1, 2, 1, 2, 1, 2]) == 1
    assert next_of_loop([5, 5, 5, 5]) is None
    assert next_of_loop([5, 5, 5, 5, 5]) == 5
    assert next_of_loop([1, 2, 3, 1, 2, 3, 1, 2]) is None
