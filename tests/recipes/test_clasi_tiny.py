"""CLASI's recipes: the tiny one runs to the end, the mini one fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earvoice import load, zoo
from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import stream_file
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.events import Finished
from earvoice.models.blank import blank_weights
from earvoice.models.files import read_safetensors
from earvoice.session import Request
from earvoice.sessions.agent import AgentInterpreter
from earvoice.systems import build
from earvoice.systems.clasi import Clasi, ClasiConfig
from earvoice.train.freeze import freeze
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig

RECIPES = Path(__file__).parents[2] / "recipes/clasi"
MINI_BYTES = 25e6
STAGES = ["text", "phones", "waco", "turns", "retriever"]


def test_the_mini_model_is_small_enough():
    recipe = load_yaml(RECIPES / "mini.yaml", RecipeConfig)
    with blank_weights():
        system = build(recipe.system)
    assert isinstance(system, Clasi)
    weights = {n: p for n, p in system.named_parameters() if not n.startswith("phone_head")}
    assert 2 * sum(parameter.numel() for parameter in weights.values()) < MINI_BYTES
    for stage in recipe.stages:
        assert stage.objective in system.objectives
        assert freeze(system, stage.trainable)


def test_the_mini_model_can_start_from_a_shipped_encoder():
    recipe = load_yaml(RECIPES / "mini.yaml", RecipeConfig)
    with blank_weights():
        system = build(recipe.system)
    shipped = read_safetensors(Path(zoo.__file__).parent / "fasst-mini-en-de/model.safetensors")
    wanted = {n: v.shape for n, v in system.state_dict().items() if n.startswith("encoder.")}
    assert wanted == {n: v.shape for n, v in shipped.items() if n.startswith("encoder.")}


def test_a_window_of_the_mini_retriever_ends_with_every_step():
    system = load_yaml(RECIPES / "mini.yaml", RecipeConfig).system
    assert isinstance(system, ClasiConfig)
    assert system.retriever is not None
    assert system.encoder.block_frames % system.retriever.hop_frames == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """The output folder of the whole tiny recipe."""
    out = tmp_path_factory.mktemp("clasi-tiny")
    overrides = [f"corpus=[{tiny_corpus}]", f"dev_corpus={tiny_corpus}", f"out={out}"]
    run_recipe(load_yaml(RECIPES / "tiny.yaml", RecipeConfig, overrides), Options(quiet=True))
    return out


@pytest.mark.parametrize("stage", STAGES)
def test_loss_falls_in_every_stage(trained: Path, stage: str) -> None:
    records = map(json.loads, (trained / stage / "log.jsonl").read_text().splitlines())
    losses = [record["loss"] for record in records if "loss" in record]
    part = max(1, len(losses) // 3)
    assert sum(losses[-part:]) < sum(losses[:part])


def test_validation_is_logged(trained: Path) -> None:
    assert '"bleu_live"' in (trained / "retriever" / "log.jsonl").read_text()


def test_the_model_folder_loads_and_translates(trained: Path, tiny_corpus: Path) -> None:
    talk = next(load_talks(tiny_corpus))
    assert talk.path is not None
    interpreter = load(trained / "model")
    assert isinstance(interpreter, AgentInterpreter)
    glossary = Glossary([Entry("house", "Haus")])
    session = interpreter.open(Request("en", "de", glossary=glossary, context="Houses."))
    events = [event for packet in stream_file(talk.path, 0.5) for event in session.push(packet)]
    events += session.finish()
    assert events[-1] == Finished()
