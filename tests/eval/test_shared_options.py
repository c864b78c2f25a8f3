"""`score`, `compare`, `report` and `regime` take the same options, and mean the same by them."""

import argparse
import importlib.util
import json

import pytest

import earvoice.cli.eval as command
from earvoice.cli import main
from tests.eval.made_runs import made_run

READING = {
    *("--log-format", "--references", "--segments", "--sources", "--segmenter-tokenizer"),
    *("--tgt-lang", "--src-lang", "--unit"),
}
EXTRAS = {
    *("--terms", "--words", "--chunks", "--judge-url", "--judge-model", "--comet-model"),
    *("--xcomet-model", "--comet-batch", "--normalise"),
    *("--speakers", "--speakers-role", "--collar"),
}


def options():
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    actions = parser._subparsers._group_actions[0].choices["eval"]._subparsers._group_actions[0]
    return {
        name: {one.option_strings[0]: one for one in action._actions if one.option_strings}
        for name, action in actions.choices.items()
    }


def test_the_options_are_the_same():
    found = options()
    for name in ("score", "compare", "report", "regime"):
        assert found[name].keys() >= READING, name
    for name in ("score", "compare", "report"):
        assert found[name].keys() >= EXTRAS, name
        for option in READING | EXTRAS:
            one, other = found[name][option], found["score"][option]
            assert (one.help, one.default, one.choices) == (
                other.help,
                other.default,
                other.choices,
            )


@pytest.fixture
def runs(tmp_path):
    names = [
        made_run(tmp_path / name, talks=8, errors=errors) for name, errors in (("a", 5), ("b", 9))
    ]
    (tmp_path / "terms.tsv").write_text("bridge\tBrücke\nwood\tHolz\nwinter\tWinter\n")
    return names


def said(capsys, *arguments):
    capsys.readouterr()
    assert main(["eval", *map(str, arguments), "--tgt-lang", "de", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_compare_and_score_give_the_same_figures(runs, tmp_path, capsys):
    names = ("--metrics", "term_recall,term_false_use,wer,long_yaal")
    given = (*names, "--terms", tmp_path / "terms.tsv", "--normalise", "basic")
    found = said(capsys, "compare", *runs, *given, "--samples", 100)
    for run, one in zip(runs, found["runs"], strict=True):
        alone = said(capsys, "score", run, *given)
        for name, figure in one["metrics"].items():
            assert figure["value"] == alone["metrics"][name], name
        assert one["signature"] == alone["signature"]
        recall = one["metrics"]["term_recall"]
        assert recall["low"] < recall["value"] < recall["high"]
    assert "norm:basic" in found["runs"][0]["signature"]["wer"]
    (row,) = [row for row in found["differences"] if row["metric"] == "term_recall"]
    assert 0 < row["p_randomisation"] <= 1


def test_a_report_takes_a_glossary(runs, tmp_path):
    out = tmp_path / "r.html"
    given = ("--terms", str(tmp_path / "terms.tsv"), "--metrics", "term_recall", "--out", str(out))
    assert main(["eval", "report", str(runs[0]), "--tgt-lang", "de", *given]) == 0
    page = out.read_text(encoding="utf-8")
    assert "term recall" in page
    assert "terms:3" in page


@pytest.mark.skipif(
    importlib.util.find_spec("sacremoses") is None, reason="sacremoses is not installed"
)
def test_every_action_cuts_by_the_tokenizer(runs, tmp_path, capsys):
    moses = ("--segmenter-tokenizer", "moses")
    names = ("--metrics", "long_yaal")
    alone = said(capsys, "score", runs[0], *names, *moses)
    assert "segmenter:soft+moses" in alone["signature"]["long_yaal"]
    (one,) = said(capsys, "compare", runs[0], *names, *moses)["runs"]
    assert one["signature"] == alone["signature"]
    assert one["metrics"]["long_yaal"]["value"] == alone["metrics"]["long_yaal"]
    out = tmp_path / "r.html"
    assert (
        main(["eval", "report", str(runs[0]), "--tgt-lang", "de", *moses, "--out", str(out)]) == 0
    )
    assert "segmenter:soft+moses" in out.read_text(encoding="utf-8")
    regimes = said(capsys, "regime", runs[0], *moses)["regimes"]
    assert regimes[0]["latency"]["value"] == pytest.approx(alone["metrics"]["long_yaal"] / 1000)


def test_moses_without_its_package_says_what_to_do(runs, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacremoses", None)
    for action in ("score", "compare", "regime"):
        code = main(
            ["eval", action, str(runs[0]), "--tgt-lang", "de", "--segmenter-tokenizer", "moses"]
        )
        assert (code, "needs the package sacremoses" in capsys.readouterr().err) == (2, True)
