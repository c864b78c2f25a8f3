"""`earvoice bench retrieve` on a few terms."""

import json

import pytest

from earvoice.bench.retrieve import made_up_glossary
from earvoice.cli import main


def test_it_prints_its_figures(capsys):
    options = ["--entries", "50", "--seconds", "2", "--rounds", "1", "--json"]
    assert main(["bench", "retrieve", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["entries"] == 50
    assert found["index"] == "PlainIndex"
    assert found["ms_per_audio_s"] > 0


@pytest.mark.parametrize("options", [["--entries", "0"], ["--entries", "100001"]])
def test_illegal_numbers_are_refused(options, capsys):
    assert main(["bench", "retrieve", *options]) == 2
    assert "it must be 1 to 100000" in capsys.readouterr().err


def test_all_terms_differ():
    assert len(made_up_glossary(300, 1)) == 300
    assert list(made_up_glossary(9, 1)) == list(made_up_glossary(9, 1))
