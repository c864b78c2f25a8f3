"""A model that decides by itself, simulated: without a policy, with a listener's terms."""

import json

import pytest

from earvoice.cli import main
from earvoice.train.export import export_model
from earvoice.train.stage import RecipeConfig
from tests.eval.made_corpus import arguments, corpus, simulated
from tests.exported import STAGES
from tests.systems.clasi_tiny import clasi, clasi_config, tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent") / "clasi-tiny"
    recipe = RecipeConfig(name="clasi-tiny", system=clasi_config(least_score=0.0), stages=STAGES)
    return export_model(clasi(least_score=0.0), tokenizer(), recipe, folder)


def test_it_decides_and_is_told_of_terms(model, tmp_path):
    data = corpus(tmp_path / "data", (3.0, 2.5))
    terms = tmp_path / "terms.csv"
    terms.write_text("source,target\nhouse,Haus\ngarden,Garten\n")
    own = simulated(data, tmp_path / "own", "--model", model)
    told = simulated(data, tmp_path / "told", "--model", model, "--glossary", terms)
    notes = [json.loads((run / "run.json").read_text()) for run in (own, told)]
    assert [note["policy"] for note in notes] == ["own", "own"]
    assert "glossary_sha256" not in notes[0]
    assert len(notes[1]["glossary_sha256"]) == 64
    logs = [(run / "log.jsonl").read_text() for run in (own, told)]
    assert '"terms"' in logs[1]
    assert '"terms"' not in logs[0]


def test_another_glossary_is_another_run(model, tmp_path, capsys):
    data = corpus(tmp_path / "data", (1.0,))
    terms = tmp_path / "terms.csv"
    terms.write_text("source,target\nhouse,Haus\n")
    simulated(data, tmp_path / "run", "--model", model, "--glossary", terms)
    terms.write_text("source,target\nhouse,Hütte\n")
    again = arguments(data, tmp_path / "run", "--model", model, "--glossary", terms)
    assert main(again) != 0
    assert "glossary_sha256" in capsys.readouterr().err


def test_in_place_of_its_decision(model, tmp_path, capsys):
    data = corpus(tmp_path / "data", (2.0,))
    run = simulated(data, tmp_path / "k", "--model", model, "--policy", "wait-k", "--k", 2)
    assert json.loads((run / "run.json").read_text())["policy"] == "wait-k:k=2,n=3"
    assert main(arguments(data, tmp_path / "bare", "--model", model, "--k", 2)) != 0
    assert "this model decides when to write" in capsys.readouterr().err
