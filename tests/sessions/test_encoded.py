"""A window that several sessions hear is encoded once in every step."""

import dataclasses

import pytest

from earvoice.audio import Audio
from earvoice.policies import AlignAtt, HoldN, LocalAgreement, WaitK
from earvoice.session import Request, Sharing
from tests.sessions.sharing import advance_all, alone, packets, speech, text, told
from tests.sessions.test_window import Listener, brief
from tests.tiny import llast, lst

TARGETS = ("de", "es", "fr")
SAMPLES = speech(6.3, seed=2)


def into_three(seed=2):
    system = llast(directions=tuple(f"en-{target}" for target in TARGETS), seed=seed)
    return brief(system, HoldN(1)), [Request("en", target) for target in TARGETS]


def by_three_policies():
    policies = (WaitK(1, 2), LocalAgreement(), AlignAtt(2, 1))
    return brief(lst()), [Request("en", "de", policy) for policy in policies]


@pytest.mark.parametrize("case", [into_three, by_three_policies])
def test_a_step_of_all_sessions_encodes_one_window(case):
    made, requests = case()
    assert isinstance(made, Sharing)
    want = [alone(made, request, SAMPLES) for request in requests]
    assert len({text(events) for events in want}) == 3, "the streams hardly differ"
    sessions, said = [made.open(request) for request in requests], [[] for _ in requests]
    made.share(sessions)
    made.model = heard = Listener(made.model)
    for packet in packets(SAMPLES):
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions, said)
    for session, events in zip(sessions, said, strict=True):
        events += session.finish()
    assert [told(events) for events in said] == want
    steps = -(-len(SAMPLES) // made.segment_samples)
    assert len(heard.heard) == steps
    assert len({window.tobytes() for window in heard.heard}) == steps


def test_whoever_lags_or_ends_early_is_encoded_for_itself():
    made, requests = into_three()
    half = 3 * 16_000 + 1234
    want = [
        alone(made, request, samples)
        for request, samples in zip(requests, (SAMPLES[:half], SAMPLES, SAMPLES), strict=True)
    ]
    sessions, said = [made.open(request) for request in requests], [[], [], []]
    made.share(sessions)
    for session in sessions:
        session.feed(Audio.of(SAMPLES[:half]))
    advance_all(made, sessions[:2], said[:2])
    said[0] += sessions[0].finish()
    sessions[1].feed(Audio.of(SAMPLES[half:]))
    advance_all(made, sessions[1:2], said[1:2])
    sessions[2] = made.restore(requests[2], made.save(sessions[2]))
    made.share(sessions[1:])
    sessions[2].feed(Audio.of(SAMPLES[half:]))
    advance_all(made, sessions[2:], said[2:])
    for session, events in zip(sessions[1:], said[1:], strict=True):
        events += session.finish()
    assert [told(events) for events in said] == want


def test_an_encoder_that_breaks_off_leaves_nothing_half_done():
    made, requests = into_three()
    want = alone(made, requests[1], SAMPLES)
    first, second = (made.open(request) for request in requests[:2])
    made.share([first, second])

    class Breaks:
        def __getattr__(self, name):
            return getattr(whole, name)

        def encode(self, audio):
            raise RuntimeError("the encoder broke off")

    whole, made.model = made.model, Breaks()
    with pytest.raises(RuntimeError):
        first.push(Audio.of(SAMPLES))
    made.model = whole
    assert told(second.push(Audio.of(SAMPLES)), second.finish()) == want


def test_strangers_with_the_same_audio_share_nothing():
    made, requests = into_three()
    made.settings = dataclasses.replace(made.settings, policy=WaitK(1, 1))
    made.model = heard = Listener(made.model)
    sessions = [made.open(request) for request in requests]
    for session in sessions:
        session.feed(Audio.of(SAMPLES[:8000]))
    made.advance(sessions)
    assert len(heard.heard) == 3
