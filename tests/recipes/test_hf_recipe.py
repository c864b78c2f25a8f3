"""A recipe whose language model is a folder of transformers: trained, resumed, exported, used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from earvoice import load
from earvoice.audio import stream_file
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.events import Finished
from earvoice.nn.lora import is_lora
from earvoice.session import Request
from earvoice.text.tokenizer import Tokenizer
from earvoice.train import checkpoint as checkpoints
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig

transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

RECIPE = Path(__file__).parents[2] / "recipes/llast/tiny.yaml"
STAGE = {
    "name": "translate", "objective": "translate", "trainable": ["adapter.*", "*.lora_*"],
    "utterances": {"batch": 3}, "steps": 4, "warmup_steps": 1, "save_every_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma with a vocabulary, as it would be downloaded."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("gemma")
    texts = ["das ist ein Haus und ein Garten.", "we go to the house."] * 40
    own = ("<start_of_turn>", "<end_of_turn>")
    tokenizer = Tokenizer.train(texts, 330, extra_specials=own)
    tokenizer.save(place / "tokenizer.json")
    config = transformers.GemmaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=64, num_hidden_layers=1, head_dim=16,
        num_attention_heads=4, num_key_value_heads=4, intermediate_size=64,
    )  # fmt: skip
    transformers.GemmaForCausalLM(config).save_pretrained(place)
    return place


def recipe(corpus: Path, out: Path, folder: Path, **llm: bool) -> RecipeConfig:
    chosen = json.dumps({"folder": str(folder), **llm})
    places = [f"corpus=[{corpus}]", "dev_corpus=''", f"out={out}", f"stages={json.dumps([STAGE])}"]
    return load_yaml(RECIPE, RecipeConfig, [*places, f"system.llm={chosen}", "system.chat=gemma"])


@pytest.mark.slow
@pytest.mark.parametrize("nf4", [False, True])
def test_from_a_folder_to_a_model(nf4: bool, tiny_corpus: Path, folder: Path, tmp_path: Path):
    if nf4:
        pytest.importorskip("bitsandbytes")
    plan = recipe(tiny_corpus, tmp_path / "out", folder, nf4=nf4)
    run_recipe(plan, Options(quiet=True))
    stage = tmp_path / "out/translate"
    last, _ = checkpoints.newest(stage)
    assert last is not None
    step = {key for key in last.weights() if key.startswith("lm.")}
    assert all(is_lora(key) for key in step) == nf4  # four bits stay in their folder
    ends = {key: value.clone() for key, value in last.weights().items()}
    shutil.rmtree(stage / "step-00000004")
    run_recipe(plan, Options(quiet=True, resume=True))
    again, _ = checkpoints.newest(stage)
    assert again is not None
    assert all(torch.equal(value, ends[key]) for key, value in again.weights().items())

    model = load(tmp_path / "out/model")
    talk = next(load_talks(tiny_corpus))
    assert talk.path is not None
    session = model.open(Request("en", "de"))
    packets = [packet for _, packet in zip(range(4), stream_file(talk.path, 1.0), strict=False)]
    events = [event for packet in packets for event in session.push(packet)] + session.finish()
    assert events[-1] == Finished()
