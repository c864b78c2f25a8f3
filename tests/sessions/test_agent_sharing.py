"""An agent that translates one speaker into three languages encodes the speech once."""

import pytest

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.session import Request, Sharing
from tests.serve.here import captions, rooms, served_alone, speak, start
from tests.sessions.sharing import advance_all, alone, counting, packets, speech, text, told
from tests.systems.clasi_tiny import tiny_clasi

TARGETS = ("de", "es", "fr")
SEED = 7
TERMS = Glossary([Entry("garden", "Garten"), Entry("house", "casa")])
REQUESTS = [
    Request("en", target, transcript=target == "es", glossary=None if target == "de" else TERMS)
    for target in TARGETS
]


def several(seed=SEED):
    """A tiny untrained CLASI with three targets."""
    directions = tuple(f"en-{target}" for target in TARGETS)
    changes = {"directions": directions, "least_score": 0.0}
    return tiny_clasi(languages=("en", *TARGETS), seed=seed, **changes)


@pytest.fixture(scope="module")
def made():
    return several()


SAMPLES = speech(7.0, seed=3)


@pytest.fixture(scope="module")
def want(made):
    said = [alone(made, request, SAMPLES) for request in REQUESTS]
    assert len({text(events) for events in said}) == 3, "the languages hardly differ"
    return said


def test_each_step_is_encoded_once_for_all_languages(made, want):
    assert isinstance(made, Sharing)
    step = made.model.step_samples
    count = counting(made)
    sessions, said = [made.open(request) for request in REQUESTS], [[], [], []]
    made.share(sessions)
    for packet in packets(SAMPLES):
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions, said)
    assert count.samples == len(SAMPLES) // step * step
    for session, events in zip(sessions, said, strict=True):
        events += session.finish()
    assert [told(events) for events in said] == want
    assert count.samples == (len(SAMPLES) // step + 3) * step  # the begun step at the end


def test_a_language_that_fails_takes_no_other_with_it(made, want, monkeypatch):
    sessions = [made.open(request) for request in REQUESTS]
    made.share(sessions)
    said = [[], [], []]
    cut = packets(SAMPLES)
    for packet in cut[:12]:
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions, said)

    def fails(sessions):
        raise RuntimeError("a decoder broke off")

    with monkeypatch.context() as broken:
        broken.setattr(made, "_turns", fails)
        for packet in cut[12:]:
            sessions[0].feed(packet)
        with pytest.raises(RuntimeError):
            sessions[0].push(Audio.of(SAMPLES[:0]))
    del sessions[0], said[0]
    for packet in cut[12:]:
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions, said)
    for session, events, whole in zip(sessions, said, want[1:], strict=True):
        assert told(events, session.finish()) == whole


def test_a_room_encodes_each_step_once(made):
    """Over sessions and engine of the server, also when the engine has died in the middle."""
    requests = [Request("en", target) for target in TARGETS]
    want = [text(alone(made, request, SAMPLES)) for request in requests]
    sessions, engine = rooms(served_alone(made))
    step, half = made.model.step_samples, len(SAMPLES) // 2
    count = counting(made)
    speaker = sessions.open(start())
    at = speak(engine, speaker, SAMPLES[:half])
    assert count.samples == half // step * step
    engine.restart()
    sessions.engine_lost()
    sessions.engine_up()
    engine.run()
    count.samples = 0
    speak(engine, speaker, SAMPLES[half:], at)
    assert count.samples == (len(SAMPLES) // step - half // step) * step
    speaker.finish()
    engine.run()
    engine.close()
    assert [captions(sessions.rooms.find("hall"), target) for target in TARGETS] == want


def test_one_of_them_can_be_saved_while_it_is_behind(made, want):
    other = several()
    sessions, said = [made.open(request) for request in REQUESTS], [[], [], []]
    made.share(sessions)
    cut = packets(SAMPLES)
    for packet in cut[:9]:
        for session in sessions:
            session.feed(packet)
        advance_all(made, sessions[:2], said[:2])
    assert sessions[2].listener.waiting
    restored = other.restore(REQUESTS[2], made.save(sessions[2]))
    said[2] += restored.push(Audio.of(SAMPLES[:0]))
    for packet in cut[9:]:
        said[2] += restored.push(packet)
    assert told(said[2], restored.finish()) == want[2]
