"""`earvoice translate` with a real, tiny, untrained model: every output is what it claims."""

import io
import re
import sys
import types

import numpy as np
import pytest
import soundfile
import torch

from earvoice.audio import Audio, write_wav
from earvoice.cli import main
from earvoice.events import Boundary, Commit, Finished, Note, loads
from tests.exported import export_tiny

SECONDS = 4.0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export_tiny(tmp_path_factory.mktemp("model") / "fasst-tiny", seed=2)


@pytest.fixture(scope="module")
def samples():
    generator = np.random.default_rng(5)
    return (0.1 * generator.standard_normal(round(SECONDS * 16000))).astype(np.float32)


@pytest.fixture(scope="module")
def talk(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    write_wav(path, Audio.of(samples))
    return path


@pytest.fixture
def translate(model, talk, capsys):
    """Runs the command on the talk; gives what it printed. Nothing may go to standard error."""

    def run(*arguments, audio=talk):
        assert main(["translate", str(audio), "--model", str(model), *map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return run


@pytest.fixture
def text(translate):
    """What the model says of the talk."""
    said = translate()
    assert len(said.split()) > 5, "a silent model would prove nothing"
    return said


def seconds(stamp):
    hours, minutes, rest = stamp.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def check_cues(cues, text):
    """Subtitles in order of time, of at most two lines of 42, with all the words."""
    end_s = 0.0
    words = []
    for stamps, lines in cues:
        first, last = (seconds(stamp) for stamp in stamps)
        assert end_s <= first < last <= first + 7.0
        end_s = last
        assert 1 <= len(lines) <= 2
        assert all(len(line) <= 42 for line in lines)
        words += " ".join(lines).split()
    assert "".join(words) == "".join(text.split())


def test_text(text):
    assert text.endswith("\n")
    assert text.count("\n") == 1


def test_jsonl_is_the_whole_stream(translate, text):
    stamped = [loads(line) for line in translate("--format", "jsonl").splitlines()]
    commits = [item for item in stamped if isinstance(item.event, Commit)]
    assert "".join(item.event.text for item in commits) == text[:-1]
    assert [item.seq for item in stamped] == list(range(len(stamped)))
    assert stamped[-1].event == Finished()
    kinds = {type(item.event) for item in stamped}
    assert kinds <= {Commit, Boundary, Finished, Note}
    heard = [item.heard_s for item in stamped]
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(SECONDS)
    assert all(item.event.stream.language == "de" for item in commits)
    assert all(0 <= a <= b <= SECONDS + 1 for a, b in (item.event.span for item in commits))


def test_srt(translate, text):
    blocks = translate("--format", "srt").strip().split("\n\n")
    cues = []
    for number, block in enumerate(blocks, start=1):
        index, stamps, *lines = block.split("\n")
        assert index == str(number)
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", stamps)
        cues.append((stamps.split(" --> "), lines))
    check_cues(cues, text)


def test_vtt(translate, text):
    head, *blocks = translate("--format", "vtt").strip().split("\n\n")
    assert head.startswith("WEBVTT")
    cues = []
    for block in blocks:
        stamps, *lines = block.split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", stamps)
        cues.append((stamps.split(" --> "), lines))
    unescaped = [
        (stamps, [re.sub("&(amp|lt|gt);", "x", line) for line in lines]) for stamps, lines in cues
    ]
    check_cues(unescaped, re.sub("[&<>]", "x", text))


@pytest.mark.parametrize(("name", "form"), [("a.srt", "srt"), ("b.jsonl", "jsonl"), ("c", "text")])
def test_output_is_what_would_be_printed(translate, tmp_path, name, form):
    printed = translate("--format", form)
    assert translate("--output", tmp_path / name) == ""
    assert (tmp_path / name).read_text(encoding="utf-8") == printed


def test_the_format_beats_the_suffix(translate, tmp_path, text):
    translate("--output", tmp_path / "a.srt", "--format", "text")
    assert (tmp_path / "a.srt").read_text(encoding="utf-8") == text


def pipe_in(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))


def test_a_wav_and_raw_samples_from_a_pipe(translate, talk, text, monkeypatch):
    data = talk.read_bytes()
    pipe_in(monkeypatch, data)
    assert translate(audio="-") == text
    pipe_in(monkeypatch, data[44:])
    assert translate(audio="-") == text


def test_the_ideal_clock_stamps_audio_time(translate):
    lines = translate("--clock", "ideal", "--format", "jsonl").splitlines()
    for line in lines:
        item = loads(line)
        assert item.wall_s == item.heard_s


def test_other_rates_and_channels_say_something(translate, samples, tmp_path):
    for rate_hz, channels in ((8000, 1), (44100, 2), (48000, 8)):
        path = tmp_path / f"{rate_hz}.wav"
        count = round(3.0 * rate_hz)
        wave = np.resize(samples, (channels, count)).astype(np.float32)
        write_wav(path, Audio(wave, rate_hz))
        stamped = [loads(line) for line in translate("--format", "jsonl", audio=path).splitlines()]
        assert stamped[-1].event == Finished()
        assert stamped[-1].heard_s == pytest.approx(3.0)


def first_commit_s(out):
    items = [loads(line) for line in out.splitlines()]
    return next(item.heard_s for item in items if isinstance(item.event, Commit))


def test_policies_decide_when_the_first_word_comes(translate):
    segment_s = 0.96
    for k in (1, 2, 4):
        out = translate("--format", "jsonl", "--k", k)
        assert first_commit_s(out) >= k * segment_s - 1e-9
    assert first_commit_s(translate("--format", "jsonl", "--k", 100)) == pytest.approx(SECONDS)
    for policy in ("wait-k:k=2,n=1", "hold-n:n=2"):
        assert translate("--policy", policy)


def test_the_same_words_every_time(translate, text):
    assert translate() == text
    assert translate("--clock", "ideal") == text


def test_threads_small_models_run_on_one(translate, monkeypatch):
    before = torch.get_num_threads()
    try:
        for options, variable, threads in (
            ([], None, 1),
            (["--threads", "2"], None, 2),
            ([], "3", 3),  # whoever sets the variable has decided
        ):
            torch.set_num_threads(3)
            if variable is None:
                monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            else:
                monkeypatch.setenv("OMP_NUM_THREADS", variable)
            translate("--k", "1", "--n", "1", *options)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_run_that_says_nothing_leaves_an_earlier_file(model, tmp_path, capsys):
    bad, out = tmp_path / "bad.wav", tmp_path / "old.srt"
    soundfile.write(bad, np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    out.write_text("of before", encoding="utf-8")
    assert main(["translate", str(bad), "--model", str(model), "--output", str(out)]) == 3
    assert "bad.wav" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "of before"
