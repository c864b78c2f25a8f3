"""Imports that were killed and are made again, two at once, and files that are no table."""

import json
import os
import signal
import subprocess
import sys

import pytest

from earvoice.cli import main
from earvoice.data.corpora import write
from earvoice.data.lock import FolderLock
from earvoice.data.manifest import load_talks
from tests.data.corpora.miniatures import covost2, must_c, realsi, realsi_segment, write_text

KILLED = """
import os, signal, sys
import earvoice.data.corpora.write as write
put = write._write_lines
def killed(path, lines):
    if path.name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    put(path, lines)
write._write_lines = killed
from earvoice.cli import main
main(["corpus", "import", *sys.argv[2:]])
"""
KEPT = ("cuts.jsonl", "import.json", "references.txt", "segments.yaml", "sources.txt")


def command(root, out, split="dev", form="short"):
    """Of a MuST-C."""
    places = ["must-c", str(root), "--out", str(out)]
    return [*places, "--tgt-lang", "de", "--split", split, "--form", form]


def run(arguments):
    return main(["corpus", "import", *arguments])


def kill_before(name, arguments):
    done = subprocess.run([sys.executable, "-c", KILLED, name, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


def texts(folder):
    return {name: (folder / name).read_bytes() for name in KEPT}


@pytest.fixture
def corpus(tmp_path):
    must_c(tmp_path / "m", rate=44100)
    return tmp_path / "m"


@pytest.mark.parametrize("name", ["references.txt", "cuts.jsonl"])
def test_an_import_that_was_killed_can_be_repeated(corpus, tmp_path, name):
    out, again = tmp_path / "out", tmp_path / "again"
    kill_before(name, command(corpus, out))
    assert not (out / "cuts.jsonl").exists()
    assert run(command(corpus, out)) == 0
    assert run(command(corpus, again)) == 0
    assert texts(out) == texts(again)
    assert len(list(load_talks(out))) == 3
    assert not (out / "unfinished.json").exists()


def test_what_only_the_killed_one_had_is_gone(tmp_path):
    root, out = tmp_path / "r", tmp_path / "out"
    realsi(root, [realsi_segment(0, 900, terms=[("load", "负载")])], ending=".wav")
    arguments = ["realsi", str(root), "--tgt-lang", "zh", "--out", str(out)]
    kill_before("cuts.jsonl", arguments)
    assert (out / "terms.jsonl").exists()
    realsi(root, [realsi_segment(0, 900)], ending=".wav")
    assert run(arguments) == 0
    assert not (out / "terms.jsonl").exists()


def test_another_import_is_not_mixed_with_one_that_was_killed(corpus, tmp_path, capsys):
    out = tmp_path / "out"
    kill_before("cuts.jsonl", command(corpus, out))
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert run(command(corpus, out, form="long")) == 2
    assert capsys.readouterr().err == (
        f"earvoice: error: {out} holds an import that did not end, of form 'short', not 'long'; "
        "repeat that one, or name another folder\n"
    )
    other = tmp_path / "other"
    must_c(other)
    assert run(command(other, out)) == 2
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("note", ["", "[]", "{}", "[" * 100_000])
def test_a_damaged_note_is_refused(corpus, tmp_path, capsys, note):
    write_text(tmp_path / "out" / "unfinished.json", note)
    assert run(command(corpus, tmp_path / "out")) == 2
    assert "name another folder" in capsys.readouterr().err


def test_a_whole_corpus_is_still_not_overwritten(corpus, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(command(corpus, out)) == 0
    for place in (out, out / "other.jsonl"):
        assert run(command(corpus, place)) == 2
        assert "there is a corpus already" in capsys.readouterr().err


def test_wrong_data_leaves_the_folder_free_for_another_try(corpus, tmp_path, capsys):
    out = tmp_path / "out"
    german = corpus / "en-de/data/dev/txt/dev.de"
    right = german.read_bytes()
    german.write_text("\n\n\n")
    assert run(command(corpus, out)) == 7
    assert "no segment is left to import" in capsys.readouterr().err
    german.write_bytes(right)
    assert run(command(corpus, out, form="long")) == 0


def test_two_at_once_are_refused(corpus, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with FolderLock(out):
        assert run(command(corpus, out)) == 5
    assert capsys.readouterr().err == (
        f"earvoice: error: out: {out} is in use by another job; choose another folder\n"
    )
    assert os.listdir(out) == [".lock"]


def test_one_that_ended_while_the_other_read_is_not_overwritten(corpus, tmp_path, monkeypatch):
    out = tmp_path / "out"
    names = write._check_names

    def slow(takes):
        monkeypatch.setattr(write, "_check_names", names)
        assert run(command(corpus, out)) == 0
        names(takes)

    monkeypatch.setattr(write, "_check_names", slow)
    assert run(command(corpus, out, form="long")) == 2
    assert json.loads((out / "import.json").read_text())["form"] == "short"
    assert len(list(load_talks(out))) == 3


@pytest.mark.parametrize("stray", ["backup_old", "old_x", "a_b_c", "en_de_old", "x_y"])
def test_a_stray_file_beside_the_tables_of_covost(tmp_path, stray):
    folder = covost2(tmp_path / "c", [("a.mp3", "Good day.", "Guten Tag.", "c1")])
    write_text(folder / f"covost_v2.{stray}.tsv", "x\n")
    out = tmp_path / "out"
    arguments = ["covost2", str(tmp_path / "c"), "--tgt-lang", "de", "--out", str(out)]
    assert run(arguments) == 0
    (talk,) = load_talks(out)
    assert talk.id == "a"
