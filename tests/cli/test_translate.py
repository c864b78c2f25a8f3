import io
import json
import re
import sys
import types

import numpy as np
import pytest
from rich.console import Console

from earvoice.audio import Audio, write_wav
from earvoice.cli import main
from earvoice.cli.terminal import LiveView, clock_text, printable
from earvoice.driver import IdealClock, drive
from earvoice.events import Commit, Finished, loads
from earvoice.session import Request
from earvoice.testing import FakeInterpreter, scripted

WORDS = [(0.1, "Guten"), (0.5, "Tag,"), (0.9, "meine"), (1.3, "Damen\x1b[2J"), (1.8, "und")]
TEXT = "Guten Tag, meine Damen[2J und"


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model folder whose loading gives a scripted interpreter: what is tested is the command."""
    folder = tmp_path / "model"
    folder.mkdir()
    card = {"name": "fake", "system": "fake", "src_langs": ["en"], "tgt_langs": ["de", "es"]}
    (folder / "model.json").write_text(json.dumps(card | {"params": 0}))
    loaded = types.ModuleType("earvoice.loading")
    loaded.asked = []

    def load(path, *, policy=None, settings=None):
        assert path == folder
        loaded.settings = settings
        interpreter = FakeInterpreter(scripted(WORDS))

        class Watched:
            def open(self, request):
                loaded.asked.append(request)
                return interpreter.open(request)

        return Watched()

    loaded.load = load
    monkeypatch.setitem(sys.modules, "earvoice.loading", loaded)
    return folder


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    write_wav(path, Audio(np.zeros((1, 32000), np.float32)))
    return path


def translate(*arguments):
    return main(["translate", *map(str, arguments)])


def test_text(model, talk, capsys):
    assert translate(talk, "--model", model) == 0
    assert capsys.readouterr().out == TEXT + "\n"


def test_jsonl_is_every_event(model, talk, capsys):
    assert translate(talk, "--model", model, "--format", "jsonl") == 0
    stamped = [loads(line) for line in capsys.readouterr().out.splitlines()]
    commits = [item.event for item in stamped if isinstance(item.event, Commit)]
    assert "".join(commit.text for commit in commits).startswith("Guten Tag,")
    assert stamped[-1].event == Finished()
    assert [item.seq for item in stamped] == list(range(len(stamped)))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.srt", "1\n00:00:00,"),
        ("a.vtt", "WEBVTT\n\n"),
        ("a.jsonl", '{"seq": 0'),
        ("a.txt", "Guten"),
    ],
)
def test_the_suffix_of_the_output_is_its_format(model, talk, tmp_path, capsys, name, start):
    assert translate(talk, "--model", model, "--output", tmp_path / name) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    assert capsys.readouterr().out == ""


def test_the_wall_clock_takes_as_long_as_the_talk(model, talk, capsys):
    import time

    start_s = time.monotonic()
    assert translate(talk, "--model", model, "--clock", "wall") == 0
    assert time.monotonic() - start_s >= 1.9


def test_raw_audio_from_standard_input(model, monkeypatch, capsys):
    stdin = types.SimpleNamespace(buffer=io.BytesIO(bytes(2 * 32000)))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert translate("-", "--model", model) == 0
    assert capsys.readouterr().out == TEXT + "\n"


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ([], None),
        (["--policy", "wait-k"], "WaitK(k=3, n=3)"),
        (["--k", "2"], "WaitK(k=2, n=3)"),
        (["--policy", "wait-k", "--k", "1", "--n", "2"], "WaitK(k=1, n=2)"),
        (["--policy", "hold-n:n=1"], "HoldN(n=1)"),
        (["--policy", "offline"], "WaitK(k=100, n=3)"),
        (["--policy", "local-agreement"], "LocalAgreement(n=2)"),
    ],
)
def test_options_become_the_request(model, talk, capsys, options, policy):
    assert translate(talk, "--model", model, "--tgt-lang", "es-MX", *options) == 0
    (request,) = sys.modules["earvoice.loading"].asked
    assert (request.src_lang, request.tgt_lang) == ("en", "es")
    assert repr(request.policy) == repr(policy).strip("'")


def test_pauses_are_a_setting_of_models_that_read_windows(model, talk, capsys):
    assert translate(talk, "--model", model, "--pauses", "webrtc") == 2
    assert "--pauses is for models that read windows" in capsys.readouterr().err
    card = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(card | {"system": "lst"}))
    assert translate(talk, "--model", model, "--pauses", "webrtc") == 0
    assert sys.modules["earvoice.loading"].settings == {"pauses": "webrtc"}


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ([], "AlignAtt(frames=None, layer=None)"),
        (["--frames", "4", "--layer", "2"], "AlignAtt(frames=4, layer=2)"),
    ],
)
def test_attention_is_asked_for(model, talk, capsys, options, policy):
    """A scripted interpreter has none, and says so before it starts."""
    assert translate(talk, "--model", model, "--policy", "align-att", *options) == 2
    (request,) = sys.modules["earvoice.loading"].asked
    assert repr(request.policy) == policy
    assert "needs the attention of a model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--tgt-lang", "German"], 2, "did you mean 'de'"),
        (["--tgt-lang", "fr"], 2, "--tgt-lang is 'fr', fake has de, es"),
        (["--src-lang", "de"], 2, "--src-lang is 'de', fake has en"),
        (["--policy", "wait"], 2, "must be one of wait-k, hold-n"),
        (["--k", "0"], 2, "k is 0"),
        (["--policy", "hold-n", "--k", "1"], 2, "no option 'k'"),
        (["--output", "/nowhere/x.srt"], 1, "nowhere"),
    ],
)
def test_wrong_options(model, talk, capsys, options, code, message):
    assert translate(talk, "--model", model, *options) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_bad_audio(model, tmp_path, capsys):
    assert translate(tmp_path / "none.wav", "--model", model) == 3
    (tmp_path / "text.wav").write_text("hello " * 100)
    assert translate(tmp_path / "text.wav", "--model", model) == 3
    assert capsys.readouterr().err.count("earvoice: error: ") == 2


def test_an_unknown_model(talk, capsys):
    assert translate(talk, "--model", "no-such-model") == 2
    assert "the zoo has" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_the_words_are_shown(model, talk, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    assert translate(talk, "--model", model, "--clock", "ideal") == 0
    shown = screen.getvalue()
    assert TEXT in shown
    assert "\x1b[2J" not in shown, "text of a model must not command the terminal"
    assert "fake en → de" in shown
    assert re.search(r"of 0:02\.0.*━.*%", shown)


def test_where_words_go_to_a_file_a_bar_shows_how_far_it_is(model, talk, tmp_path, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    assert translate(talk, "--model", model, "--output", tmp_path / "a.srt") == 0
    shown = screen.getvalue()
    assert "talk.wav" in shown
    assert "0:02.0 of 0:02.0" in shown
    assert "100%" in shown
    assert "Guten Tag" in (tmp_path / "a.srt").read_text()


def test_without_a_terminal_there_is_no_bar(model, talk, tmp_path, capsys):
    assert translate(talk, "--model", model, "--output", tmp_path / "a.srt") == 0
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_talk_keeps_what_was_said(model, talk, tmp_path, monkeypatch):
    import earvoice.cli.translate as command

    def interrupted(session, packets, clock):
        for stamped in drive(session, packets, clock):
            yield stamped
            if stamped.seq == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(command, "drive", interrupted)
    assert translate(talk, "--model", model, "--output", tmp_path / "a.srt") == 130
    assert "Guten Tag, meine" in (tmp_path / "a.srt").read_text()


def test_long_talks_scroll():
    words = [(index * 0.01, f"Wort{index}") for index in range(400)]
    session = FakeInterpreter(scripted(words)).open(Request("en", "de"))
    console = Console(file=io.StringIO(), force_terminal=True, width=50, height=10)
    clock = IdealClock()
    packets = [Audio(np.zeros((1, 1600), np.float32))] * 40
    with LiveView(console, session, clock, "m", 4.0) as view:
        for stamped in drive(session, packets, clock):
            view.show(stamped)
    with console.capture() as capture:
        console.print("")
    assert capture.get().strip() == ""
    lines = [line for line in console.file.getvalue().split("\n") if "Wort" in line]
    shown = " ".join(lines)
    assert all(f"Wort{index}" in shown for index in range(400))


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(0, "0:00.0"), (12.34, "0:12.3"), (59.96, "1:00.0"), (3723.5, "1:02:03.5")],
)
def test_clock_text(time_s, text):
    assert clock_text(time_s) == text


def test_printable():
    assert printable("a\x1b[31m\u202eb\x07\x9b\r\n\té👋") == "a[31mb\n\té👋"


@pytest.mark.parametrize("which", ["audio", "glossary", "context"])
def test_what_is_read_is_not_written_over(model, talk, tmp_path, capsys, which):
    terms, about = tmp_path / "terms.csv", tmp_path / "about.txt"
    terms.write_text("house,Haus\n")
    about.write_text("Houses.\n")
    read = {"audio": talk, "glossary": terms, "context": about}
    link = tmp_path / "link.txt"
    link.symlink_to(read[which])
    before = read[which].read_bytes()
    options = ["--glossary", terms, "--context", about] if which != "audio" else []
    for output in (read[which], link):
        assert translate(talk, "--model", model, *options, "--output", output) == 2
        assert "which is read: it would be lost" in capsys.readouterr().err
    assert read[which].read_bytes() == before


def test_options_of_the_model_are_not_for_a_server(talk, capsys):
    for option, value in (("--pauses", "fixed"), ("--threads", "2")):
        command = [talk, "--server", "http://127.0.0.1:1", option, value]
        assert translate(*command) == 2
        assert f"{option} is chosen where the model runs" in capsys.readouterr().err
