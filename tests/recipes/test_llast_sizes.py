"""LLaST's published sizes, counted to the last parameter, without the memory for one of them."""

from pathlib import Path

import pytest
import torch

from earvoice.config import load_yaml
from earvoice.models.blank import blank_weights
from earvoice.models.convert.llast import PUBLISHED_LLMS
from earvoice.nn.lora import lora_state
from earvoice.systems import build
from earvoice.train.freeze import freeze
from earvoice.train.stage import RecipeConfig

RECIPES = Path(__file__).parents[2] / "recipes/llast"
# Millions: encoder, adapter, language model, all of these, L-LoRA, S-LoRA.
PUBLISHED = {
    "full-2b": (636.8, 11.0, 1100.0, 1750, 403.7, 94.4),
    "full-8b": (636.8, 38.8, 6738.4, 7410, 1279.3, 94.4),
    "full-14b": (636.8, 59.0, 13015.9, 13710, 2002.8, 94.4),
}
TENSORS = {"full-2b": 308, "full-8b": 448, "full-14b": 560}  # of the LLM's LoRA, unfused


@pytest.fixture(scope="module", params=PUBLISHED)
def built(request):
    recipe = load_yaml(RECIPES / f"{request.param}.yaml", RecipeConfig)
    with blank_weights():
        return request.param, recipe, build(recipe.system)


def count(module, *, lora=False):
    state = lora_state(module)
    total = sum(parameter.numel() for parameter in module.parameters())
    learnt = sum(value.numel() for value in state.values())
    return learnt if lora else total - learnt


def test_counts_are_the_published_ones(built):
    name, _, system = built
    assert all(parameter.is_meta for parameter in system.parameters())
    encoder, adapter, lm, total, llm_lora, speech_lora = PUBLISHED[name]
    millions = pytest.approx
    assert count(system.encoder) / 1e6 == millions(encoder, abs=0.05)
    assert count(system.adapter) / 1e6 == millions(adapter, abs=0.05)
    assert count(system.lm) / 1e6 == millions(lm, abs=0.05)
    assert count(system) / 1e6 == millions(total, abs=5)
    assert count(system.lm, lora=True) / 1e6 == millions(llm_lora, abs=0.05)
    assert count(system.encoder, lora=True) / 1e6 == millions(speech_lora, abs=0.05)


def test_the_parts_to_the_last_parameter(built):
    name, recipe, system = built
    h = recipe.system.llm.dim
    assert count(system.adapter) == (1280 + 1) * h + 2 * (h + 1) * h
    assert recipe.system.llm == PUBLISHED_LLMS[h]
    if name == "full-8b":
        assert count(system.lm) == 6_738_415_616


def test_the_originals_have_as_many(built):
    transformers = pytest.importorskip("transformers")
    _, recipe, system = built
    llm = recipe.system.llm
    whisper = transformers.WhisperConfig(
        d_model=1280, encoder_layers=32, encoder_attention_heads=20, encoder_ffn_dim=5120,
        decoder_layers=1, decoder_attention_heads=20, decoder_ffn_dim=8,
    )  # fmt: skip
    llama = transformers.LlamaConfig(
        vocab_size=32000, hidden_size=llm.dim, num_hidden_layers=llm.layers,
        num_attention_heads=llm.heads, num_key_value_heads=llm.kv_heads,
        intermediate_size=llm.ffn_dim,
    )  # fmt: skip
    with torch.device("meta"):
        theirs = transformers.WhisperModel(whisper).encoder, transformers.LlamaForCausalLM(llama)
    for ours, other in zip((system.encoder, system.lm), theirs, strict=True):
        assert count(ours) == sum(parameter.numel() for parameter in other.parameters())


def test_what_trains(built):
    name, recipe, system = built
    (stage,) = recipe.stages
    assert stage.objective in system.objectives
    names = freeze(system, stage.trainable)
    learnt = set(lora_state(system)) | {f"adapter.layers.{n}.{leaf}" for n in range(3)
                                        for leaf in ("weight", "bias")}  # fmt: skip
    assert set(names) == learnt
    # Fused here: queries, keys and values in one, gate and up in one.
    assert len(lora_state(system.lm)) == TENSORS[name] * 8 // 14


def test_batches_are_the_papers(built):
    _, recipe, _ = built
    (stage,) = recipe.stages
    assert stage.utterances.batch * stage.accumulate == 32
    assert stage.utterances.transcripts
    assert set(stage.utterances.corpora) == set(recipe.system.directions)
