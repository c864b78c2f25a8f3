"""The paper's sizes, counted to the last parameter, without the memory for one of them."""

from pathlib import Path

import pytest
import torch

from earvoice.config import load_yaml
from earvoice.models.blank import blank_weights
from earvoice.policies.schedule import OFFLINE_K
from earvoice.systems import build
from earvoice.train.freeze import freeze
from earvoice.train.stage import RecipeConfig

RECIPE = Path(__file__).parents[2] / "recipes/fasst/full.yaml"

# wav2vec 2.0 Large in transformers, and what of it our encoder does not hold.
WAV2VEC2_LARGE = 315_438_720
MASKED_SPEC_EMBED = 1024  # replaces masked frames in pre-training
WEIGHT_NORM_G = 128  # one magnitude per tap of the positional kernel: folded into its weight
LLAMA2_7B = 6_738_415_616  # with 32000 tokens
ADDED_TOKENS = 3


@pytest.fixture(scope="module")
def recipe():
    return load_yaml(RECIPE, RecipeConfig)


@pytest.fixture(scope="module")
def system(recipe):
    with blank_weights():
        return build(recipe.system)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_nothing_is_allocated(system):
    assert all(parameter.is_meta for parameter in system.parameters())


def test_the_encoder_is_wav2vec2_large(system):
    assert count(system.encoder) == WAV2VEC2_LARGE - MASKED_SPEC_EMBED - WEIGHT_NORM_G


def test_the_figure_for_wav2vec2_large_is_the_original_networks():
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=True,
    )
    with torch.device("meta"):
        theirs = transformers.Wav2Vec2Model(config)
    assert count(theirs) == WAV2VEC2_LARGE
    assert theirs.masked_spec_embed.numel() == MASKED_SPEC_EMBED
    weight = theirs.encoder.pos_conv_embed.conv.parametrizations.weight
    assert weight.original0.numel() == WEIGHT_NORM_G


def test_the_language_model_is_llama2_7b_and_three_tokens(system, recipe):
    rows = 2 * ADDED_TOKENS * recipe.system.llm.dim  # in and out: embeddings are not tied
    assert count(system.lm) == LLAMA2_7B + rows


def test_the_adapter(system):
    first = 1024 * 1024 * 3 + 1024  # to 1024, gated to 512
    second = 512 * 2048 * 3 + 2048  # to 2048, gated to 1024
    assert count(system.adapter) == first + second + 1024 * 4096 + 4096


def test_that_is_all(system):
    parts = (system.encoder, system.adapter, system.lm)
    assert count(system) == sum(count(part) for part in parts) == 7_064_370_688


@pytest.mark.parametrize(
    ("stage", "parts"),
    [("waco", ["encoder", "adapter"]), ("wait_k", ["encoder", "adapter", "lm"])],
)
def test_what_trains(system, recipe, stage, parts):
    config = next(item for item in recipe.stages if item.name == stage)
    assert config.objective in system.objectives
    names = freeze(system, config.trainable)
    assert sorted({name.split(".")[0] for name in names}) == sorted(parts)
    still = {name for name, _ in system.named_parameters()} - set(names)
    frozen = {"encoder.frontend", "encoder.project"}
    assert frozen <= {".".join(name.split(".")[:2]) for name in still}


def test_one_second_is_fifty_frames_and_twelve_and_a_half_embeddings(system):
    assert system.segment_samples == 16000
    assert system.rate.stride == 1280
    segments = system.segment_of(125)
    assert [int((segments == second).sum()) for second in range(1, 11)] == [12, 13] * 5


def test_batches_are_the_papers(recipe):
    waco, wait_k = recipe.stages
    assert waco.data.batch_s * waco.accumulate / 60 == pytest.approx(16.7, abs=0.05)
    assert wait_k.data.batch_s * wait_k.accumulate / 60 == pytest.approx(14, abs=0.05)
    assert wait_k.data.ks == (1, 2, 3, 4, 5, OFFLINE_K)
    assert recipe.system.faithful
