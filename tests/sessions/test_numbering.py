"""Positions of text, by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earvoice.nn.cache import PINNED
from earvoice.nn.masks import PROMPT, SPEECH, TEXT
from earvoice.sessions.numbering import heard_by_step, renumbered, timed_positions


def test_timed_positions():
    assert timed_positions([2, 2, 4, 4, 4, 5], [0, 3, 6, 9, 12, 15]) == [6, 7, 12, 13, 14, 15]
    assert timed_positions([], [0]) == []


@given(st.lists(st.integers(1, 9), max_size=30).map(sorted))
def test_a_row_never_stands_before_what_it_has_heard(steps):
    heard = [4 * step for step in range(10)]
    places = timed_positions(steps, heard)
    for step, place in zip(steps, places, strict=True):
        assert place >= heard[step]
    for step in set(steps):
        own = [place for at, place in zip(steps, places, strict=True) if at == step]
        assert own == list(range(heard[step], heard[step] + len(own)))


def test_heard_by_step():
    assert heard_by_step([1, 1, 2, 2, 3], 4) == [0, 2, 4, 5, 5]
    assert heard_by_step([1, 1, 2, 2, 3], 2) == [0, 2, 5]  # the end waits for nothing
    assert heard_by_step([], 2) == [0, 0, 0]


# A prompt of one; two embeddings a segment; segments 1 and 2 go, 3 and 4 stay.
#   <s> | e4 e5 e6 e7 | <sp_end> (pinned) | x (written in 3) y z (written in 4)
KIND = np.array([PROMPT, SPEECH, SPEECH, SPEECH, SPEECH, TEXT, TEXT, TEXT, TEXT])
SEGMENT = np.array([0, 3, 3, 4, 4, PINNED, 3, 4, 4])


def test_a_slide_renumbers_by_count():
    old = np.array([0, 5, 6, 7, 8, 1, 4, 5, 6])
    new = renumbered(KIND, SEGMENT, old, 4, 1, "count")
    assert new.tolist() == [0, 1, 2, 3, 4, 1, 2, 3, 4]


def test_a_slide_moves_text_with_its_speech():
    old = np.array([0, 5, 6, 7, 8, 3, 7, 9, 10])
    new = renumbered(KIND, SEGMENT, old, 4, 1, "time")
    #      what stays of segment 3 follows the prefix, which is now said there
    assert new.tolist() == [0, 1, 2, 3, 4, 3, 4, 5, 6]
