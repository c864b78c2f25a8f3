"""A window session that is saved anywhere and goes on elsewhere says what it would have said."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.policies import AlignAtt, HoldN, LocalAgreement, WaitK
from earvoice.session import Request, Resumable
from tests.sessions.test_window import RATE, brief, noise
from tests.tiny import llast, lst

REQUEST = Request("en", "de")
SAMPLES = noise(4.1)
SAMPLES[RATE * 3 : RATE * 3 + 5000] = 0


def packets(size=4801):
    return [Audio(SAMPLES[None, at : at + size], RATE) for at in range(0, SAMPLES.size, size)]


@pytest.mark.parametrize(
    ("make", "policy"),
    [(lst, WaitK(k=1, n=2)), (lst, LocalAgreement()), (lst, AlignAtt(2, 1)), (llast, HoldN(n=1))],
)
def test_it_goes_on_in_another_interpreter(make, policy):
    system = make()
    one, other = (brief(system, policy, pause_after=3) for _ in range(2))
    assert isinstance(one, Resumable)
    session = one.open(REQUEST)
    want = [event for packet in packets() for event in session.push(packet)] + session.finish()
    for cut in (5, len(packets())):
        session = one.open(REQUEST)
        events = [event for packet in packets()[:cut] for event in session.push(packet)]
        session = other.restore(REQUEST, one.save(session))
        events += [event for packet in packets()[cut:] for event in session.push(packet)]
        assert events + session.finish() == want


def test_audio_that_waits_is_saved_too():
    one = brief(lst(), HoldN(n=1))
    want = one.open(REQUEST)
    want.feed(Audio(SAMPLES[None], RATE))
    again = one.restore(REQUEST, one.save(want))
    assert again.lag_s == want.lag_s > 4
    assert again.push(Audio(np.zeros((1, 0), np.float32), RATE)) == want.push(
        Audio(np.zeros((1, 0), np.float32), RATE)
    )


def test_a_saved_session_is_bounded():
    one = brief(lst(), WaitK(k=1, n=1))
    session, sizes = one.open(REQUEST), []
    for _ in range(3):
        for packet in packets():
            session.push(packet)
        sizes.append(len(one.save(session)))
    assert max(sizes) < 6 * RATE * 4 + 20_000  # a window of at most 3 s, what waits, and words


def test_what_cannot_be_saved_is_refused():
    one = brief(lst())
    session = one.open(REQUEST)
    session.finish()
    with pytest.raises(UsageError, match="unfinished"):
        one.save(session)
    session = one.open(REQUEST)
    session.push(Audio(noise(0.2)[None], 8000))
    with pytest.raises(UsageError, match="16 kHz"):
        one.save(session)

    class Remembers:
        def hear(self, segment, before):
            return None

    one.settings = dataclasses.replace(one.settings, pauses=Remembers)
    with pytest.raises(UsageError, match="Remembers"):
        one.save(one.open(REQUEST))


@settings(max_examples=12, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_other_bytes_are_refused(data, at):
    one = brief(lst())
    good = one.save(one.open(REQUEST))
    for bad in (data, good[:at], good[:at] + data):
        if bad.startswith(good):
            continue
        with pytest.raises(UsageError):
            one.restore(REQUEST, bad)
