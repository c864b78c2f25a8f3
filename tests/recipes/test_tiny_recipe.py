"""The tiny recipe runs to the end: corpus, all stages, export, load, translate; loss falls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earvoice import load
from earvoice.audio import stream_file
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.events import Finished
from earvoice.session import Request
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig

RECIPE = Path(__file__).parents[2] / "recipes/fasst/tiny.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """The output folder of the whole recipe."""
    out = tmp_path_factory.mktemp("tiny")
    overrides = [f"corpus=[{tiny_corpus}]", f"dev_corpus={tiny_corpus}", f"out={out}"]
    run_recipe(load_yaml(RECIPE, RecipeConfig, overrides), Options(quiet=True))
    return out


def losses(out: Path, stage: str) -> list[float]:
    """The logged losses of a stage."""
    records = [json.loads(line) for line in (out / stage / "log.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if "loss" in record]


@pytest.mark.parametrize("stage", ["text", "phones", "waco", "wait_k"])
def test_loss_falls_in_every_stage(trained: Path, stage: str) -> None:
    first, *_, last = losses(trained, stage)
    assert last < first


def test_validation_is_logged(trained: Path) -> None:
    text = (trained / "wait_k" / "log.jsonl").read_text()
    assert '"bleu_k3"' in text


def test_model_folder_loads_and_translates(trained: Path, tiny_corpus: Path) -> None:
    talk = next(load_talks(tiny_corpus))
    assert talk.path is not None
    session = load(trained / "model").open(Request("en", "de"))
    events = [event for packet in stream_file(talk.path, 0.5) for event in session.push(packet)]
    events += session.finish()
    assert events[-1] == Finished()
