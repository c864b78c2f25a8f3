"""LST's recipes: the tiny one runs to the end, the paper's sizes are counted, the mini one fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earvoice import load
from earvoice.audio import stream_file
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.events import Finished
from earvoice.models.blank import blank_weights
from earvoice.session import Request
from earvoice.sessions.window import WindowInterpreter
from earvoice.systems import build
from earvoice.systems.lst import Lst
from earvoice.train.freeze import freeze
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig

RECIPES = Path(__file__).parents[2] / "recipes/lst"

WAV2VEC2_LARGE = 315_438_720  # in transformers, of which our encoder does not hold
MASKED_SPEC_EMBED, WEIGHT_NORM_G = 1024, 128  # see tests/recipes/test_full_size.py
LLAMA2 = {"full-7b": 6_738_415_616, "full-13b": 13_015_864_320}  # with 32000 tokens
ADDED_TOKENS = 3
MINI_BYTES = 20e6


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def blank(name):
    recipe = load_yaml(RECIPES / f"{name}.yaml", RecipeConfig)
    with blank_weights():
        system = build(recipe.system)
    assert isinstance(system, Lst)
    return recipe, system


@pytest.mark.parametrize("name", LLAMA2)
def test_the_paper_sizes(name):
    recipe, system = blank(name)
    assert all(parameter.is_meta for parameter in system.parameters())
    dim = recipe.system.llm.dim
    assert count(system.encoder) == WAV2VEC2_LARGE - MASKED_SPEC_EMBED - WEIGHT_NORM_G
    assert count(system.lm) == LLAMA2[name] + 2 * ADDED_TOKENS * dim  # in and out
    convs = (1024 * 1024 * 3 + 1024) + (512 * 2048 * 3 + 2048)
    assert count(system.adapter) == convs + 1024 * dim + dim
    parts = (system.encoder, system.adapter, system.lm)
    assert count(system) == sum(map(count, parts)) + 2 * dim  # and the markers


def test_the_figures_of_llama2_are_the_original_networks():
    transformers = pytest.importorskip("transformers")
    import torch

    for name, figure in LLAMA2.items():
        llm = load_yaml(RECIPES / f"{name}.yaml", RecipeConfig).system.llm
        config = transformers.LlamaConfig(
            vocab_size=32000,
            hidden_size=llm.dim,
            num_hidden_layers=llm.layers,
            num_attention_heads=llm.heads,
            intermediate_size=llm.ffn_dim,
        )
        with torch.device("meta"):
            assert count(transformers.LlamaForCausalLM(config)) == figure


@pytest.mark.parametrize(
    "name", ["full-7b", "full-13b", "full-7b-one-stage", "full-7b-adapter-only"]
)
def test_what_trains(name):
    recipe, system = blank(name)
    parts = {
        stage.name: {n.split(".")[0] for n in freeze(system, stage.trainable)}
        for stage in recipe.stages
    }
    expected = {"adapter": {"adapter", "markers"}, "llm": {"adapter", "markers", "lm"}}
    wanted = {"full-7b-one-stage": ["llm"], "full-7b-adapter-only": ["adapter"]}
    names = wanted.get(name, ["adapter", "llm"])
    assert parts == {stage: expected[stage] for stage in names}
    assert all(stage.objective in system.objectives for stage in recipe.stages)


@pytest.mark.parametrize("name", ["mini", "mini-one-stage", "mini-adapter-only"])
def test_the_mini_model_is_small_enough(name):
    recipe, system = blank(name)
    weights = {n: p for n, p in system.named_parameters() if not n.startswith("phone_head")}
    assert 2 * sum(parameter.numel() for parameter in weights.values()) < MINI_BYTES
    for stage in recipe.stages:
        assert stage.objective in system.objectives
        assert freeze(system, stage.trainable)
    assert system.rate.stride == 1280


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """The output folder of the whole tiny recipe."""
    out = tmp_path_factory.mktemp("lst-tiny")
    overrides = [f"corpus=[{tiny_corpus}]", f"dev_corpus={tiny_corpus}", f"out={out}"]
    run_recipe(load_yaml(RECIPES / "tiny.yaml", RecipeConfig, overrides), Options(quiet=True))
    return out


@pytest.mark.parametrize("stage", ["text", "phones", "ctc", "adapter", "llm"])
def test_loss_falls_in_every_stage(trained: Path, stage: str) -> None:
    records = map(json.loads, (trained / stage / "log.jsonl").read_text().splitlines())
    first, *_, last = (record["loss"] for record in records if "loss" in record)
    assert last < first


def test_validation_is_logged(trained: Path) -> None:
    assert '"bleu_offline"' in (trained / "llm" / "log.jsonl").read_text()


def test_the_model_folder_loads_and_translates(trained: Path, tiny_corpus: Path) -> None:
    talk = next(load_talks(tiny_corpus))
    assert talk.path is not None
    interpreter = load(trained / "model")
    assert isinstance(interpreter, WindowInterpreter)
    session = interpreter.open(Request("en", "de"))
    events = [event for packet in stream_file(talk.path, 0.5) for event in session.push(packet)]
    events += session.finish()
    assert events[-1] == Finished()
