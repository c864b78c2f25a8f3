"""Sessions that hear one speaker: encoded once, independent in everything else."""

import gc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Finished
from earvoice.policies import HoldN, WaitK
from earvoice.session import Request, Sharing
from tests.sessions.sharing import advance_all, alone, counting, packets, speech, text, told
from tests.sessions.test_append import interpreter

REQUESTS = [Request("en", "de", policy) for policy in (WaitK(1, 1), WaitK(3, 2), HoldN(1))]


@pytest.fixture(scope="module")
def made():
    return interpreter(6)


@pytest.fixture(scope="module")
def size(made):
    return made.segment_samples


@pytest.fixture(scope="module")
def samples(size):
    return speech(5.4 * size / 16_000)


@pytest.fixture(scope="module")
def want(made, samples):
    said = [alone(made, request, samples) for request in REQUESTS]
    assert len({text(events) for events in said}) == 3, "the streams hardly differ"
    return said


def shared(made):
    sessions = [made.open(request) for request in REQUESTS]
    made.share(sessions)
    return sessions


def test_every_whole_step_is_encoded_once(made, size, samples, want):
    assert isinstance(made, Sharing)
    count = counting(made)
    sessions, said = shared(made), [[] for _ in REQUESTS]
    for packet in packets(samples):
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions, said)
    assert count.samples == 5 * size
    for session, events in zip(sessions, said, strict=True):
        events += session.finish()
    assert [told(events) for events in said] == want
    # The end is each one's own: the last, begun step, and for k = 3 two silent ones.
    assert count.samples == (5 + 3 + 2) * size


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whoever_lags_and_whoever_ends(made, samples, want, data):
    """Any order of feeding and advancing; one is dropped, and one saved and restored, anywhere."""
    sessions = dict(enumerate(shared(made)))
    said = {number: [] for number in sessions}
    left = {number: packets(samples, 9000) for number in sessions}
    dropped, restored = data.draw(st.permutations(range(3)))[:2]
    while left:
        number = data.draw(st.sampled_from(sorted(left)))
        if number == dropped and data.draw(st.integers(0, 9)) == 0:
            del sessions[number], left[number]
            gc.collect()
            continue
        if left[number]:
            sessions[number].feed(left[number].pop(0))
        else:
            said[number] += sessions[number].finish()
            del left[number]
        if number == restored and number in left and data.draw(st.booleans()):
            saved = made.save(sessions[number])
            sessions[number] = made.restore(REQUESTS[number], saved)
            if data.draw(st.booleans()):
                made.share([sessions[n] for n in left])
        these = [n for n in sorted(left) if data.draw(st.booleans())]
        for n, new in zip(these, made.advance([sessions[n] for n in these]), strict=True):
            said[n] += new
    for number, session in sessions.items():
        assert session.finish() == []
        assert told(said[number]) == want[number]


def test_one_that_ends_early_leaves_the_others_as_they_were(made, size, samples, want):
    first, second, third = shared(made)
    said = [[], [], []]
    half = int(2.3 * size)
    for session in (first, second, third):
        session.feed(Audio.of(samples[:half]))
    advance_all(made, [first, second, third], said)
    said[0] += first.finish()
    assert told(said[0]) == alone(made, REQUESTS[0], samples[:half])
    for session in (second, third):
        session.feed(Audio.of(samples[half:]))
    advance_all(made, [second, third], said[1:])
    assert told(said[1], second.finish()) == want[1]
    assert told(said[2], third.finish()) == want[2]


def test_an_encoder_that_breaks_off_hurts_nobody_else(made, samples, want):
    count = counting(made)
    first, second, third = shared(made)
    said = [[], [], []]
    for session in (first, second, third):
        session.feed(Audio.of(samples))
    for events, new in zip(said, made.advance([first, second, third]), strict=True):
        events += new
    count.failing = True
    with pytest.raises(RuntimeError):
        made.advance([first])
    del first
    advance_all(made, [second, third], said[1:])
    assert told(said[1], second.finish()) == want[1]
    assert told(said[2], third.finish()) == want[2]


def test_what_is_kept_is_what_the_slowest_has_not_taken(made, size, samples):
    quick, slow, gone = shared(made)
    for session in (quick, slow, gone):
        session.feed(Audio.of(samples))
    for _ in range(4):
        made.advance([quick])
    hearing = quick.listener.hearing
    assert len(hearing.kept) == 4
    made.advance([slow])
    assert len(hearing.kept) == 4  # `gone` has none of them
    del gone, session
    gc.collect()
    made.advance([slow])
    assert len(hearing.kept) == 2
    advance_all(made, [slow, quick], [[], []])
    assert not hearing.kept


def test_rows_come_back(made, samples):
    def in_use():
        gc.collect()
        pool = made.hearings._pool
        return pool.rows - len(pool._free)

    before = in_use()
    sessions = shared(made)
    assert in_use() == before + 1
    for session in sessions:
        session.push(Audio.of(samples))
    assert [session.finish()[-1] for session in sessions] == [Finished()] * 3
    assert in_use() == before
    sessions = shared(made)
    del sessions
    assert in_use() == before


def test_those_that_stand_apart_share_from_where_they_meet(made, size, samples, want):
    """As after an engine has died: one is restored in the middle, one heard from the beginning."""
    first = made.open(REQUESTS[0])
    said = [first.push(Audio.of(samples[: 3 * size])), []]
    first = made.restore(REQUESTS[0], made.save(first))
    second = made.open(REQUESTS[1])
    made.share([first, second])
    count = counting(made)
    said[1] += second.push(Audio.of(samples[: 3 * size]))
    assert count.samples == 3 * size
    for session in (first, second):
        session.feed(Audio.of(samples[3 * size :]))
    advance_all(made, [first, second], said)
    assert count.samples == 5 * size
    assert first.listener.hearing is second.listener.hearing
    assert told(said[0], first.finish()) == want[0]
    assert told(said[1], second.finish()) == want[1]


def test_an_end_meets_nobody(made, size, samples, want):
    """The second ends at the step where the first stands, but in silence."""
    first = made.open(REQUESTS[0])
    said = first.push(Audio.of(samples[: 3 * size]))
    second = made.open(REQUESTS[1])
    made.share([first, second])
    hearing = first.listener.hearing
    ended = second.push(Audio.of(samples[: 5 * size // 2])) + second.finish()
    assert told(ended) == alone(made, REQUESTS[1], samples[: 5 * size // 2])
    assert first.listener.hearing is hearing
    said += first.push(Audio.of(samples[3 * size :]))
    assert told(said, first.finish()) == want[0]


def test_other_samples_than_promised_are_an_error(made, size):
    first, second, _ = shared(made)
    first.push(Audio.of(speech(1.1 * size / 16_000, seed=1)))
    with pytest.raises(UsageError, match="different samples"):
        second.push(Audio.of(speech(1.1 * size / 16_000, seed=2)))


def test_only_own_sessions_are_shared(made):
    stranger = interpreter(6).open(REQUESTS[0])
    with pytest.raises(UsageError, match="another interpreter"):
        made.share([made.open(REQUESTS[0]), stranger])


def test_a_snapshot_holds_what_was_encoded_and_not_taken(made, size, samples, want):
    quick, slow, _ = shared(made)
    slow.feed(Audio.of(samples))
    quick.push(Audio.of(samples))
    said = made.advance([slow])[0]
    assert len(slow.listener.waiting) == 4
    other = interpreter(6)
    again = other.restore(REQUESTS[1], made.save(slow))
    count = counting(other)
    advance_all(other, [again], [said])
    assert count.samples == 0
    assert told(said, again.finish()) == want[1]
