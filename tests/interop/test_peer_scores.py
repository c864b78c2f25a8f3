"""Other tools find in our exports what we find in the run (tests/reference/peer_scores.py)."""

import json
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.eval.runlog import read_runlog
from tests.interop.made_run import make

PEERS = json.loads(Path(__file__).with_name("peer_scores.json").read_text(encoding="utf-8"))
LONG = ("al", "laal", "dal", "ap", "yaal")
SHORT = {
    "al": "AL",
    "laal": "LAAL",
    "ap": "AP",
    "dal": "DAL",
    "atd": "ATD",
    "start_offset": "StartOffset",
    "end_offset": "EndOffset",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / "run")


def scores(capsys, *arguments):
    capsys.readouterr()
    assert main(["eval", "score", *map(str, arguments), "--tgt-lang", "de", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["metrics"]


@pytest.mark.parametrize(
    ("tool", "clock"),
    [("omnisteval_of_simuleval", "simuleval"), ("omnisteval_of_simulstream", "chunk")],
)
def test_omnisteval(run, capsys, tool, clock):
    names = ["bleu", "chrf"]
    for name in LONG:
        names += [f"long_{name}", f"long_{name}_ca_{clock}"]
    found = scores(capsys, run, "--metrics", ",".join(names))
    for name, value in found.items():
        base, _, aware = name.partition("_ca_")
        want = PEERS[tool][f"ca_{base}" if aware else base]
        assert value == pytest.approx(want, abs=1e-6), name


def test_simuleval(run, tmp_path, capsys):
    main(["eval", "export", str(run), "--to", "simuleval", "--out", str(tmp_path)])
    log = ("--log", tmp_path / "instances.log", "--log-format", "simuleval")
    found = scores(capsys, *log)
    aware = ",".join(f"{name}_ca_simuleval" for name in ("al", "laal", "ap", "dal", "atd"))
    found |= scores(capsys, *log, "--metrics", aware)
    for ours, theirs in SHORT.items():
        assert found[ours] == pytest.approx(PEERS["simuleval"][theirs], abs=1e-6), ours
    for name in aware.split(","):
        theirs = f"{SHORT[name.partition('_ca_')[0]]}_CA"
        assert found[name] == pytest.approx(PEERS["simuleval"][theirs], abs=1e-6), name


def test_simulstream(run):
    for hypothesis in read_runlog(run / "log.jsonl"):
        text, delays_s, aware_s = PEERS["simulstream"]["written"][hypothesis.name]
        assert hypothesis.text == text
        assert [us / 1e6 for us in hypothesis.delays_us] == pytest.approx(delays_s, abs=1e-9)
        assert [us / 1e6 for us in hypothesis.clocks["chunk"]] == pytest.approx(aware_s, abs=1e-9)
    assert PEERS["simulstream"]["normalized_erasure"] == 0
