"""`earvoice translate --glossary --context`: read before a model is loaded, marked when used."""

import argparse

import numpy as np
import pytest

from earvoice.audio import Audio, write_wav
from earvoice.cli import main
from earvoice.cli.knowledge import TermMarks, add_knowledge, knowledge_of
from earvoice.errors import DataError
from earvoice.events import Note, loads
from earvoice.train.export import write_model
from tests.systems.clasi_tiny import clasi, tokenizer


def arguments(*options):
    parser = argparse.ArgumentParser()
    add_knowledge(parser)
    return parser.parse_args(options)


def test_files_become_fields_of_a_request(tmp_path, capsys):
    terms, notes = tmp_path / "terms.csv", tmp_path / "talk.txt"
    terms.write_text("house,Haus\nHouse,Heim\n", encoding="utf-8")
    notes.write_text("About houses.", encoding="utf-8")
    options = arguments("--glossary", str(terms), "--context", str(notes))
    found = knowledge_of(options, "en-GB", "de")
    assert found["glossary"].get("house").target == "Haus"
    assert found["context"] == "About houses."
    assert "line 2" in capsys.readouterr().err
    assert knowledge_of(arguments(), "en", "de") == {}


@pytest.mark.parametrize("codes", [("EN", "ZH"), ("en_GB", "zh_CN"), ("eng", "cmn")])
def test_columns_are_found_by_any_form_of_a_language(tmp_path, codes):
    terms = tmp_path / "terms.csv"
    terms.write_text("zh,en\n房子,house\n", encoding="utf-8")
    found = knowledge_of(arguments("--glossary", str(terms)), *codes)
    assert found["glossary"].get("house").target == "房子"


def test_a_context_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="as text"):
        knowledge_of(arguments("--context", str(path)), "en", "de")
    path.write_text("x" * 100_001)
    with pytest.raises(DataError, match="100001 characters"):
        knowledge_of(arguments("--context", str(path)), "en", "de")


def test_terms_that_were_used_are_underlined():
    marks = TermMarks()
    assert not marks.marked("Das Haus").spans
    marks.take(Note("terms_used", {"terms": [{"source": "house", "target": "Haus"}]}))
    (span,) = marks.marked("Das Haus").spans
    assert (span.start, span.end) == (4, 8)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("He said AI is here", [(8, 10)]),
        ("用AI做", [(1, 3)]),
        ("AIs, Mai, AI2", []),
        ("C++ c+++", [(0, 3), (4, 7)]),
    ],
)
def test_parts_of_other_words_are_not_underlined(text, places):
    marks = TermMarks()
    marks.take(Note("terms_used", {"terms": [{"target": "AI"}, {"target": "C++"}]}))
    assert [(span.start, span.end) for span in marks.marked(text).spans] == places


def test_a_glossary_on_the_command_line_gives_notes(tmp_path, capsys):
    system = clasi(least_score=0.0)
    folder = write_model(system, tokenizer(), system.config, "clasi-tiny", tmp_path / "model")
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 16000)).astype("f4")
    talk, terms = tmp_path / "talk.wav", tmp_path / "terms.tsv"
    write_wav(talk, Audio(noise))
    terms.write_text("house\tHaus\ngarden\tGarten\n", encoding="utf-8")
    options = ["--model", str(folder), "--format", "jsonl", "--clock", "ideal"]
    assert main(["translate", str(talk), *options, "--glossary", str(terms)]) == 0
    events = [loads(line).event for line in capsys.readouterr().out.splitlines()]
    (note,) = [e for e in events if isinstance(e, Note) and e.kind == "terms"]
    assert {term["target"] for term in note.data["terms"]} == {"Haus", "Garten"}
    terms.write_text("house\n" + "x" * 99, encoding="utf-8")
    assert main(["translate", str(talk), *options, "--glossary", str(terms)]) == 7
    assert "line 2" in capsys.readouterr().err
