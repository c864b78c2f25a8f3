"""Logs of SimulEval and simulstream, and what is wrong with wrong ones."""

import json

import pytest

from earvoice.cli import main
from earvoice.eval.hypotheses import DataError, by_name, clocks_from_totals
from earvoice.eval.interop import read_simuleval, read_simulstream

INSTANCE = {
    "index": 0,
    "prediction": "eins zwei drei vier fünf",
    "delays": [1000, 1000, 2000, 3700, 3700],
    "elapsed": [1100.5, 1100.5, 2150.5, 3950.5, 3950.5],
    "prediction_length": 5,
    "reference": "eins zwei drei vier fünf sechs\n",
    "source": ["talks/a.wav", "samplerate: 16000 Hz"],
    "source_length": 3700.0,
}


def log(tmp_path, *objects, encoding="utf-8", newline="\n"):
    path = tmp_path / "instances.log"
    text = "".join(json.dumps(item, ensure_ascii=False) + newline for item in objects)
    path.write_bytes(text.encode(encoding))
    return path


def test_simuleval(tmp_path):
    (found,) = read_simuleval(log(tmp_path, INSTANCE), "word")
    assert found.name == "a"
    assert found.delays_us == (1_000_000, 1_000_000, 2_000_000, 3_700_000, 3_700_000)
    assert found.source_us == 3_700_000
    assert found.reference == "eins zwei drei vier fünf sechs"
    assert found.source_type == "speech"
    # Computing in all: 100.5 ms after the first chunk, 150.5 after the second, 250.5 at the end.
    assert found.clocks["simuleval"][-1] == 3_950_500
    assert found.clocks["chunk"] == (1_100_500, 1_100_500, 2_050_000, 3_800_000, 3_800_000)
    assert found.clocks["queue"] == (1_100_500, 1_100_500, 2_050_000, 3_800_000, 3_800_000)


@pytest.mark.parametrize(("encoding", "newline"), [("utf-8-sig", "\n"), ("utf-8", "\r\n")])
def test_marks_and_line_ends_of_other_systems_do_not_matter(tmp_path, encoding, newline):
    (found,) = read_simuleval(log(tmp_path, INSTANCE, encoding=encoding, newline=newline), "word")
    assert found.units[-1] == "fünf"


def test_a_queue_grows_only_when_computing_is_slower_than_speech():
    clocks = clocks_from_totals([1000, 2000, 3000], [1500, 3000, 3100])
    assert clocks["queue"] == (2500, 4000, 4100)
    assert clocks["simuleval"] == (2500, 5000, 6100)
    assert clocks["chunk"] == (2500, 3500, 3100)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delays": [1000], "elapsed": []}, "5 words and 1 delays"),
        ({"delays": "now"}, "delays is str"),
        ({"delays": [1, 2, 3, 4, "5"]}, r"delays\[4\]"),
        ({"elapsed": [1, 2]}, "5 delays and 2 elapsed"),
        ({"prediction": 7}, "prediction is 7"),
        ({"source": None, "index": 3, "prediction": "a b"}, "2 words and 5 delays"),
    ],
)
def test_a_wrong_instance_is_named(tmp_path, change, words):
    path = log(tmp_path, INSTANCE, INSTANCE | change)
    with pytest.raises(DataError, match=rf"instances\.log line 2: .*{words}"):
        read_simuleval(path, "word")


def test_short_form_needs_the_length_of_the_source(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log(tmp_path, INSTANCE | {"source_length": None})
    command = ["eval", "score", "--log", "instances.log", "--log-format", "simuleval"]
    assert main([*command, "--tgt-lang", "de"]) == DataError.exit_code
    said = capsys.readouterr().err
    assert "instances.log line 1: the length of the source is not known; only long form" in said


def test_a_torn_last_line_is_named(tmp_path):
    path = log(tmp_path, INSTANCE)
    path.write_bytes(path.read_bytes() + b'{"index": 1, "predic')
    with pytest.raises(DataError, match="line 2: not JSON"):
        read_simuleval(path, "word")


def test_two_hypotheses_for_one_recording(tmp_path):
    twice = read_simuleval(log(tmp_path, INSTANCE, INSTANCE), "word")
    with pytest.raises(DataError, match=r"line 2: 'a' was already in .*line 1"):
        by_name(twice)


def chunk(audio_s, took_s, new=(), gone=(), key=0):
    return {
        "id": key,
        "total_audio_processed": audio_s,
        "computation_time": took_s,
        "generated_tokens": list(new),
        "deleted_tokens": list(gone),
    }


HEADER = [{"model_loading_time": 1.5}, {"id": 0, "metadata": {"wav_name": "x/talk.wav"}}]


def test_simulstream_with_a_withdrawn_word(tmp_path):
    path = log(
        tmp_path,
        *HEADER,
        chunk(1.0, 0.25, ["eins", "zwo"]),
        chunk(2.0, 1.5, ["zwei"], ["zwo"]),
        chunk(3.0, 0.25),
        chunk(4.0, 0.25, ["drei"]),
    )
    (found,) = read_simulstream(path, "word")
    assert (found.name, found.text) == ("talk", "eins zwei drei")
    assert found.delays_us == (1_000_000, 2_000_000, 4_000_000)
    assert found.source_us == 4_000_000
    assert found.clocks["chunk"] == (1_250_000, 3_500_000, 4_250_000)
    # The third chunk waits for the second, which ends at 3.5 s; the fourth waits for nothing.
    assert found.clocks["queue"] == (1_250_000, 3_500_000, 4_250_000)
    assert found.clocks["simuleval"] == (1_250_000, 3_750_000, 6_250_000)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([chunk(1.0, 0.1, ["a"])], "line 1: id 0 has no metadata"),
        ([*HEADER, chunk(1.0, 0.1, ["a"], ["b"])], r"line 3: deleted_tokens \['b'\]"),
        ([*HEADER, {"id": 0}], "line 3: total_audio_processed is None"),
        ([{"metadata": {}}], "line 1: id is missing"),
        ([{"id": 0, "metadata": {}}], "line 1: wav_name is None"),
    ],
)
def test_a_wrong_simulstream_line_is_named(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        read_simulstream(log(tmp_path, *lines), "word")
