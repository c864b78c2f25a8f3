"""`earvoice translate --glossary --context`: read before a model is loaded, marked when used."""

import argparse

import pytest

from earvoice.cli.knowledge import TermMarks, add_knowledge, knowledge_of
from earvoice.errors import DataError
from earvoice.events import Note


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
