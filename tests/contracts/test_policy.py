"""What holds for every policy, whatever the model says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.policies import (
    AlignAtt,
    HoldN,
    LocalAgreement,
    Read,
    View,
    WaitK,
    Write,
    drafts_after,
)

policies = st.one_of(
    st.builds(WaitK, st.integers(1, 6), st.integers(1, 4)),
    st.builds(HoldN, st.integers(0, 5)),
    st.builds(LocalAgreement, st.integers(2, 4)),
    st.builds(AlignAtt, st.none() | st.integers(1, 9), st.none() | st.integers(0, 3)),
)
FRAMES_A_SEGMENT = 4
# Words the model would add after each segment; the model may also fall silent for a while.
talks = st.lists(st.integers(0, 5), max_size=12)


def run(policy, talk):
    """A session's loop over a model with `talk[i]` words to say after segment i."""
    available = written = 0
    previous: tuple[tuple[str, ...], ...] = ()
    trace = []
    for segment, words in enumerate([*talk, None], start=1):
        finished = words is None
        available += words or 0
        pending = available - written
        candidate = tuple("w" * pending) if policy.needs_draft else None
        heard = min(segment, len(talk)) * FRAMES_A_SEGMENT
        # Word i comes from frame 3 i, in two pieces, or from the last where that is not heard yet.
        places = [min(3 * word, heard - 1) for word in range(written, available)]
        view = View(
            segments_read=min(segment, len(talk)),
            words_written=written,
            source_finished=finished,
            candidate=candidate,
            previous=previous,
            attended=tuple((max(0, place - 1), place) for place in places),
            frames=heard,
        )
        action = policy.decide(view)
        assert action == policy.decide(view), "a policy is a function of the view"
        count = 0
        if isinstance(action, Write):
            count = pending if action.n is None else min(action.n, pending)
        written += count
        previous = drafts_after(candidate or (), previous, count)
        trace.append((view, action, written))
    return trace, available


@given(policies, talks)
def test_never_writes_before_something_was_heard(policy, talk):
    silent = View(0, 0, source_finished=True, candidate=("word",))
    assert policy.decide(silent) == Read()
    assert policy.decide(View(0, 0, candidate=("word",))) == Read()
    trace, _ = run(policy, talk)
    assert all(isinstance(action, Read) for view, action, _ in trace if view.segments_read == 0)


@given(policies, talks)
def test_always_ends_with_everything_written(policy, talk):
    trace, available = run(policy, talk)
    assert trace[-1][2] == available


@given(policies, talks)
def test_what_is_written_only_grows(policy, talk):
    trace, _ = run(policy, talk)
    written = [count for _, _, count in trace]
    assert written == sorted(written)


@pytest.mark.parametrize(
    "family",
    [
        lambda x: WaitK(k=x + 1),
        lambda x: HoldN(n=x),
        lambda x: LocalAgreement(n=x + 2),
        lambda x: AlignAtt(frames=2 * x + 1),
    ],
)
@given(talk=talks, patience=st.integers(0, 4))
def test_more_patience_never_writes_earlier(family, talk, patience):
    eager, _ = run(family(patience), talk)
    patient, _ = run(family(patience + 1), talk)
    assert all(late[2] <= early[2] for late, early in zip(patient, eager, strict=True))


@given(
    heard=st.integers(1, 30),
    attended=st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=4), max_size=8),
    frames=st.integers(1, 12),
)
def test_align_att_writes_nothing_that_attends_to_the_end(heard, attended, frames):
    """And the longest such beginning of a draft."""
    words = tuple(tuple(frame % heard for frame in pieces) for pieces in attended)
    view = View(1, 0, candidate=("w",) * len(words), attended=words, frames=heard)
    action = AlignAtt(frames).decide(view)
    count = action.n if isinstance(action, Write) else 0
    assert all(frame < heard - frames for pieces in words[:count] for frame in pieces)
    assert count == len(words) or any(frame >= heard - frames for frame in words[count])


@given(policies)
def test_policies_are_values(policy):
    assert hash(policy) == hash(type(policy)(**policy.__dict__))
