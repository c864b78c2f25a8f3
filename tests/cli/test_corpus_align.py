"""`earvoice corpus align`: what it prints, and how it refuses."""

import pytest

from earvoice.cli import main
from earvoice.data.corpora.textgrid import Interval, TextGrid, Tier, textgrid_text
from tests.data.corpora.miniatures import must_c, write_text


@pytest.fixture
def corpus(tmp_path, capsys):
    """Three sentences at 0.05, 1.05 and 2.05 s of a talk."""
    must_c(tmp_path / "m")
    arguments = ["must-c", str(tmp_path / "m"), "--tgt-lang", "de", "--split", "dev"]
    assert main(["corpus", "import", *arguments, "--out", str(tmp_path / "corpus")]) == 0
    capsys.readouterr()
    return tmp_path / "corpus"


def run(*arguments):
    return main(["corpus", "align", *map(str, arguments)])


def grid(path, *words):
    """Words of 0.2 s from 0.1 s on."""
    rows = [Interval(n * 200_000 + 100_000, n * 200_000 + 300_000, w) for n, w in enumerate(words)]
    return write_text(path, textgrid_text(TextGrid(0, 4_000_000, (Tier("words", tuple(rows)),))))


def test_export_names_the_next_commands(corpus, tmp_path, capsys):
    assert run(corpus, "--export", tmp_path / "mfa") == 0
    assert capsys.readouterr().out == (
        f"{tmp_path}/mfa: 1 recordings, 3 utterances, 0.00 h\n"
        f"next: mfa align {tmp_path}/mfa DICTIONARY ACOUSTIC_MODEL GRIDS   (english_mfa, twice)\n"
        f"      earvoice corpus align {corpus} --textgrids GRIDS --out ALIGNED\n"
    )


@pytest.mark.parametrize(
    ("options", "cuts", "word"),
    [((), 3, "without word times"), (("--drop-unaligned",), 1, "left out")],
)
def test_it_says_what_has_no_word_times(corpus, tmp_path, capsys, options, cuts, word):
    path = grid(tmp_path / "g" / "ted_1.TextGrid", "good", "morning", "", "", "", "a", "train")
    out = tmp_path / "out"
    assert run(corpus, "--textgrids", tmp_path / "g", "--out", out, *options) == 0
    assert capsys.readouterr().out == (
        f"{out}: {cuts} cuts, 1 sentences with 2 words and 0 phonemes\n"
        f"{word} 2: 1 with other words ({path} line 36: 'a' for 'The'), "
        f"1 not aligned ({path} line 10)\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--textgrids", "g"), 2, "--textgrids needs --out"),
        (("--export", "e", "--out", "o"), 2, "--out goes with --textgrids"),
        (("--textgrids", "nowhere", "--out", "o"), 2, "there is no folder nowhere"),
        (("--textgrids", "g", "--out", "o", "--tier", "ORT"), 7, "no tier 'ORT'; there are: '"),
        (("--textgrids", "bad", "--out", "o"), 7, "bad/ted_1.TextGrid line 1: the end of the file"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(corpus, tmp_path, monkeypatch, capsys, options, code, message):
    monkeypatch.chdir(tmp_path)
    grid(tmp_path / "g" / "ted_1.TextGrid", "good", "morning")
    write_text(tmp_path / "bad" / "ted_1.TextGrid", "")
    assert run(corpus, *options) == code
    error = capsys.readouterr().err
    assert error.startswith("earvoice: error: ")
    assert message in error
    assert error.count("\n") == 1
