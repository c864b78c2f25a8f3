"""The speaker metrics by name, and `earvoice eval score --speakers`."""

import json

import pytest

from earvoice.cli import main
from earvoice.eval.runlog import Logged, RecordingHead, RunLog
from earvoice.eval.score import METRICS, compute
from earvoice.eval.scored import Scored
from earvoice.eval.speakers.metrics import EXTRA, SPEAKERS, Conversations
from earvoice.eval.speakers.utterances import paired
from earvoice.events import Commit, Stamped, Stream
from tests.eval.speakers.talk import said, turns

NAMES = ",".join(SPEAKERS)
REFERENCE = """\
talk 1 Anna 0 2 Guten Morgen, Herr Berg!
talk 1 Berg 2 3 Guten Morgen.
talk 1 Anna 3 5 Der Zug fährt um acht.
"""


def scored(*sides):
    return Scored((), "short", "de", extras={EXTRA: Conversations(paired(*sides))})


def test_they_are_in_the_table():
    assert set(SPEAKERS) <= set(METRICS)


@pytest.mark.parametrize("name", SPEAKERS)
def test_undefined_says_why(name):
    nothing = compute(Scored((), "short", "de"), [name])
    assert nothing.metrics[name] is None
    assert "--speakers" in nothing.undefined[name]
    no_words = compute(scored([said("A", "")], [said("1", "a b")]), [name])
    assert no_words.metrics[name] is None
    assert "words" in no_words.undefined[name]
    assert compute(scored([], []), [name]).undefined[name] == "there are no sessions"


def test_sessions_are_pooled():
    reference = [*turns(("A", "a b c")), said("A", "d", session="two"), said("A", "", session="3")]
    hypothesis = [*turns(("1", "a b c")), said("1", "x y", session="two")]
    found = compute(scored(reference, hypothesis), ["cp_wer"])
    assert found.metrics["cp_wer"] == 0.5  # 0 of 3 and 2 of 1 and 0 of none
    assert found.per_item["cp_wer"] == [0, 2, None]
    assert found.signature["cp_wer"].startswith("sessions:3 (1 without output)|errors:2|words:4|")


def run(*arguments, capsys):
    code = main(["eval", "score", *map(str, arguments), "--tgt-lang", "de", "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if code == 0 else err


@pytest.fixture
def folder(tmp_path):
    """A run in which B's label is given to A's last turn."""
    log = RunLog(tmp_path / "log.jsonl")
    streams = {name: Stream("translation", "de", name) for name in "AB"}
    lines = [
        (2.0, "A", "Guten Morgen, Herr Berg!", (0.0, 2.0)),
        (3.0, "B", "Guten Morgen.", (2.0, 3.0)),
        (5.0, "B", " Der Zug fährt um acht.", (3.0, 5.0)),
    ]
    events = [
        Logged(Stamped(seq, heard_s, heard_s, Commit(streams[who], text, span)), 0, 0)
        for seq, (heard_s, who, text, span) in enumerate(lines)
    ]
    log.write(RecordingHead("talk", 5_000_000, "word"), events, 0)
    (tmp_path / "references.txt").write_text("Guten Morgen, Herr Berg! Guten Morgen.\n")
    (tmp_path / "ref.stm").write_text(REFERENCE)
    return tmp_path


def test_a_run_with_speakers(folder, capsys):
    arguments = (folder, "--speakers", folder / "ref.stm", "--metrics", NAMES + ",bleu")
    code, found = run(*arguments, "--normalise", "basic", capsys=capsys)
    assert code == 0
    figures = found["metrics"]
    assert figures["orc_wer"] == 0
    assert figures["cp_wer"] == figures["tcp_wer"] == pytest.approx(4 / 11)
    assert figures["wder"] == pytest.approx(5 / 11)  # A is Anna, B is Berg
    assert figures["sag_bleu"] == pytest.approx(100)
    assert 0 < figures["sat_bleu"] < 70
    assert figures["bleu"] is not None
    assert "norm:basic" in found["signature"]["cp_wer"]
    assert "collar:5s" in found["signature"]["tcp_wer"]


def test_without_speakers_there_is_a_reason(folder, capsys):
    code, found = run(folder, "--metrics", "cp_wer", capsys=capsys)
    assert code == 0
    assert found["metrics"]["cp_wer"] is None
    assert "--speakers" in found["undefined"]["cp_wer"]


def test_two_files_are_enough(folder, capsys):
    path = folder / "ref.stm"
    arguments = ("--speakers", path, "--speakers-output", path, "--metrics", NAMES)
    code, found = run(*arguments, "--collar", "0.5", capsys=capsys)
    assert code == 0
    rates = {name: value for name, value in found["metrics"].items() if "bleu" not in name}
    assert set(rates.values()) == {0}
    assert found["metrics"]["sat_bleu"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--speakers-output", "ref.stm"), 2, "--speakers-output needs --speakers"),
        (("--speakers", "ref.stm", "--collar", "-1"), 2, "--collar is -1"),
        (("--speakers", "none.stm"), 7, "cannot read none.stm"),
        (
            ("--speakers", "other.stm", "--references", "one.txt"),
            7,
            "'talk' has no references with speakers; there are else",
        ),
    ],
)
def test_wrong_arguments(folder, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(folder)
    (folder / "other.stm").write_text("else 1 A 0 1 a\n")
    (folder / "one.txt").write_text("ja\n")
    found, message = run("--log", "log.jsonl", *arguments, capsys=capsys)
    assert found == code
    assert words in message


def test_a_log_of_another_tool_has_no_speakers(folder, capsys):
    log = folder / "instances.log"
    instance = {"index": 0, "prediction": "a", "delays": [1.0], "elapsed": [0], "source": ["x.wav"]}
    log.write_text(json.dumps(instance | {"source_length": 2.0, "reference": "a"}) + "\n")
    arguments = ("--log", log, "--log-format", "simuleval", "--speakers", folder / "ref.stm")
    code, message = run(*arguments, capsys=capsys)
    assert code == 2
    assert "--speakers-output" in message
