"""`earvoice corpus import`: what it prints, and the way from a corpus on disk to scores."""

import json

import pytest

from earvoice.cli import main
from earvoice.cli.corpus_import import KINDS
from earvoice.data.corpora.readers import READERS
from tests.data.corpora.miniatures import must_c, realsi, realsi_segment, write_text


def run(*arguments):
    return main(["corpus", "import", *map(str, arguments)])


def test_it_says_what_it_made_and_what_it_left_out(tmp_path, capsys):
    folder = must_c(tmp_path / "m", rate=44100)
    write_text(folder / "txt" / "dev.de", "Guten Morgen.\n\nDanke.\n")
    out = tmp_path / "out"
    assert run("must-c", tmp_path / "m", "--tgt-lang", "de", "--split", "dev", "--out", out) == 0
    assert capsys.readouterr().out == (
        f"{out}/cuts.jsonl: 1 recordings, 2 segments, 0.00 h, short form\n"
        "converted 1: 1 44100 Hz (ted_1)\n"
        f"skipped 1: 1 empty translation ({folder}/txt/dev.yaml line 2)\n"
    )


def test_out_may_name_the_manifest(tmp_path, capsys):
    realsi(tmp_path / "r", [realsi_segment(0, 900, terms=[("load", "负载")])], ending=".wav")
    out = tmp_path / "sets" / "realsi.jsonl"
    assert run("realsi", tmp_path / "r", "--tgt-lang", "zh", "--form", "long", "--out", out) == 0
    assert "1 segments, 0.00 h, long form, 1 terms\n" in capsys.readouterr().out
    assert (tmp_path / "sets" / "terms.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("must-c", "nowhere", "--tgt-lang", "de"), 2, "there is no folder nowhere"),
        (("must-c", ".", "--tgt-lang", "de"), 2, "expected layout: DIR/en-de/data/SPLIT"),
        (("must-c", ".", "--tgt-lang", "de", "--split", "../x"), 2, "--split is '../x'"),
        (("realsi", ".", "--tgt-lang", "de", "--segments", "a.yaml"), 2, "--segments is for"),
        (("fleurs", ".", "--tgt-lang", "?"), 2, "not a language code"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "data" / "en_us" / "test.tsv", "")
    assert run(*arguments, "--out", "out") == code
    error = capsys.readouterr().err
    assert error.startswith("earvoice: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_wrong_data_is_exit_code_seven(tmp_path, capsys):
    folder = must_c(tmp_path / "m")
    write_text(folder / "txt" / "dev.de", "Guten Morgen.\n")
    arguments = ("must-c", tmp_path / "m", "--tgt-lang", "de", "--split", "dev")
    assert run(*arguments, "--out", tmp_path / "out") == 7
    assert "dev.yaml line 2 has no partner" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_help_shows_every_layout(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    text = capsys.readouterr().out
    assert all(f"\n  {kind} " in text for kind in KINDS)
    assert set(KINDS) == set(READERS)


def test_from_a_corpus_on_disk_to_scores(tmp_path, capsys):
    pytest.importorskip("torch")
    must_c(tmp_path / "m")
    out, log = tmp_path / "out", tmp_path / "run"
    arguments = ("must-c", tmp_path / "m", "--tgt-lang", "de", "--split", "dev", "--form", "long")
    assert run(*arguments, "--out", out) == 0
    simulate = ["eval", "simulate", "--model", "fasst-mini-en-de", "--data", str(out), "--k", "1"]
    assert main([*simulate, "--out", str(log)]) == 0
    for name in ("segments.yaml", "references.txt", "sources.txt"):
        said = (log / name).read_text(encoding="utf-8").replace('"', "")
        assert said == (out / name).read_text(encoding="utf-8").replace('"', "")
    capsys.readouterr()
    for beside in ([], ["--segments", str(out / "segments.yaml"),
                        "--references", str(out / "references.txt")]):  # fmt: skip
        score = ["eval", "score", str(log), "--tgt-lang", "de", "--json", *beside]
        assert main([*score, "--metrics", "bleu,long_yaal,empty_segments"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert set(found["metrics"]) == {"bleu", "long_yaal", "empty_segments"}
        assert len(found["per_item"]["bleu"]) == 3
