"""A room's languages of one model: the engine is told that they hear the same, and encodes once."""

import pytest

from earvoice.serve.cluster.replicas import Replicas, _Replica
from earvoice.serve.protocol import Start
from earvoice.serve.settings import EngineSettings
from earvoice.serve.wire import Message
from tests.serve.fake_engine import served
from tests.serve.here import TARGETS, captions, rooms, served_alone, speak, start
from tests.sessions.sharing import alone, text
from tests.sessions.test_encoded import SAMPLES, into_three
from tests.sessions.test_window import Listener


@pytest.fixture(scope="module")
def multi():
    return into_three()[0]


@pytest.fixture(scope="module")
def want(multi):
    texts = [text(alone(multi, request, SAMPLES)) for request in into_three()[1]]
    assert len(set(texts)) == 3, "the languages hardly differ"
    return texts


def test_a_room_with_such_a_model_encodes_each_window_once(multi, want):
    sessions, engine = rooms(served_alone(multi))
    multi.model, whole = Listener(multi.model), multi.model
    try:
        speaker = sessions.open(start())
        speak(engine, speaker, SAMPLES)
        speaker.finish()
        engine.run()
        heard = multi.model.heard
    finally:
        multi.model = whole
        engine.close()
    room = sessions.rooms.find("hall")
    assert [captions(room, target) for target in TARGETS] == want
    assert len(heard) == -(-len(SAMPLES) // multi.segment_samples)


def test_a_language_that_fails_leaves_the_room_to_the_others(multi, want, monkeypatch):
    """Rebuilt, alone until it has caught up, and then together again."""
    sessions, engine = rooms(served_alone(multi), snapshot_s=1.0)

    prefill, half = multi._prefill, len(SAMPLES) // 2

    def fails(session, *rest):
        if session.languages[1] == "es":
            raise RuntimeError("a decoder broke off")
        return prefill(session, *rest)

    speaker = sessions.open(start())
    at = speak(engine, speaker, SAMPLES[:half])
    with monkeypatch.context() as broken:
        broken.setattr(multi, "_prefill", fails)
        speak(engine, speaker, SAMPLES[half:], at)
        speaker.finish()
        engine.run()
    engine.close()
    room = sessions.rooms.find("hall")
    assert [captions(room, target) for target in ("de", "fr")] == [want[0], want[2]]
    failed = {c.language for c in room.channels.values() if c.session.fault is not None}
    assert failed == {"es"}


def test_after_an_engine_has_died_they_share_again(multi, want):
    sessions, engine = rooms(served_alone(multi), snapshot_s=1.0)
    half = len(SAMPLES) // 2
    speaker = sessions.open(start())
    at = speak(engine, speaker, SAMPLES[:half])
    engine.restart()
    sessions.engine_lost()
    sessions.engine_up()
    engine.run()
    multi.model, whole = Listener(multi.model), multi.model
    try:
        speak(engine, speaker, SAMPLES[half:], at)
        heard = multi.model.heard
    finally:
        multi.model = whole
    speaker.finish()
    engine.run()
    engine.close()
    room = sessions.rooms.find("hall")
    assert [captions(room, target) for target in TARGETS] == want
    steps = len(SAMPLES) // multi.segment_samples - half // multi.segment_samples
    assert len(heard) == steps


def test_only_sessions_of_one_model_have_a_speaker_in_common():
    """What models share nothing stays spread over replicas."""
    sessions, engine = rooms(served())
    for number in range(2):
        one = sessions.open(Start(model="plain", tgt_lang="de", room=f"r{number}"))
        assert one.speaker is None
    spoken = Start(model="places", tgt_lang="pl", more_tgt_langs=("de", "es"), room="mixed")
    first = sessions.open(spoken)
    second, third = first.followers
    assert (first.speaker, second.speaker, third.speaker) == (None, second.number, second.number)
    opened = [m.head["speaker"] for m in engine.sent if m.kind == "open"]
    assert opened == [None, None, None, second.number, second.number]
    engine.close()


def test_further_languages_go_to_the_speaker_s_model_where_it_has_them():
    sessions, engine = rooms(served())
    begun = Start(model="terms", tgt_lang="de", more_tgt_langs=("es", "pl"), room="terms")
    speaker = sessions.open(begun)
    assert [one.model for one in speaker.followers] == ["terms", "places"]
    engine.close()


def test_replicas_have_a_room_s_sessions_of_one_model_in_one_place():
    class Deaf:
        def send(self, message):
            pass

    replicas = Replicas(None, EngineSettings(), None)
    replicas._replicas = [_Replica(Deaf(), pid) for pid in range(3)]

    def home(number, speaker):
        replicas.send(Message("open", number, {"speaker": speaker}))
        return replicas._home[number].pid

    assert [home(number, None) for number in (1, 2)] == [0, 1]
    assert [home(number, 3) for number in (3, 4, 5)] == [2, 2, 2]
    replicas.send(Message("close", 3))
    assert home(6, 3) == 0
