import math

import numpy as np
import pytest

from earvoice.audio import Audio, write_wav
from earvoice.bench.batch import BatchSettings, _streams, _together, run
from earvoice.bench.model import pinned

SMALL = BatchSettings(streams=(1, 3), seconds=24.0, rounds=2)


@pytest.fixture(scope="module")
def result(subject):
    return run(subject, SMALL)


def test_every_batch_has_its_row(result):
    assert [row["streams"] for row in result["batches"]] == [1, 3]
    for row in result["batches"]:
        assert row["speedup"] > 0
        assert len(row["speedup_rounds"]) == SMALL.rounds
        assert row["rtf_per_stream"] > 0
        assert row["streams_per_core"] > 0
    assert math.isfinite(result["rtf"])


def test_streams_say_the_same_together_and_alone(result):
    assert result["identical_text"] is True
    assert result["characters"] > 20, "streams that say nothing prove nothing"


def test_random_weights_say_what_depends_on_the_audio(subject):
    interpreter = pinned(subject.interpreter, 4, rows=3)
    texts = _together(interpreter, _streams(SMALL, 3, interpreter.segment_samples)).texts
    assert len(set(texts)) == 3


def test_headlines_need_their_batches(result, subject):
    assert result["speedup_8"] is None
    assert result["speedup_16"] is None
    found = run(subject, BatchSettings(streams=(8,), seconds=3.0, rounds=1))
    assert found["speedup_8"] == found["batches"][0]["speedup"]


def test_it_notices_streams_that_say_something_else(subject, monkeypatch):
    interpreter = subject.interpreter
    monkeypatch.setattr(type(interpreter), "advance", _confused(type(interpreter).advance))
    assert run(subject, SMALL)["identical_text"] is False


def _confused(advance):
    """A batch in which the streams of two listeners are exchanged."""

    def wrong(self, sessions):
        events = advance(self, sessions)
        return events if len(events) < 2 else [events[1], events[0], *events[2:]]

    return wrong


def test_streams_hear_different_parts_of_a_talk(tmp_path):
    talk = tmp_path / "talk.wav"
    samples = np.linspace(-0.5, 0.5, 48000, dtype=np.float32)
    write_wav(talk, Audio.of(samples))
    streams = _streams(BatchSettings(seconds=4.0, talk=talk), 3, 16000)
    assert [len(stream) for stream in streams] == [4, 4, 4]
    starts = [float(stream[0][0]) for stream in streams]
    assert starts == pytest.approx([-0.5, -0.1667, 0.1667], abs=1e-3)
    np.testing.assert_array_equal(streams[0][3], streams[0][0])  # a short talk begins again


def test_a_talk_is_heard_with_pinned_tokens_by_random_weights(subject, tmp_path):
    talk = tmp_path / "talk.wav"
    write_wav(talk, Audio.of(np.zeros(20000, np.float32)))
    found = run(subject, BatchSettings(streams=(1,), seconds=3.0, rounds=1, talk=talk))
    assert found["audio"] == "talk.wav"
    assert found["tokens_per_s"] > 0
