"""What comes out of training: a sealed folder that loads, in half the size, without its heads."""

import json

import pytest
import torch
from safetensors.torch import load_file

from earvoice.loading import load_system, read_config
from earvoice.models.files import verify_manifest
from earvoice.policies import WaitK
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.export import export_model
from earvoice.train.stage import RecipeConfig
from earvoice.zoo import read_card
from tests.exported import STAGES
from tests.tiny import fasst, fasst_config, tokenizer

FILES = {"config.json", "manifest.json", "model.json", "model.safetensors", "tokenizer.json"}


@pytest.fixture(scope="module")
def system():
    return fasst(phones=8, phone_weight=0.3)


@pytest.fixture(scope="module")
def folder(system, tmp_path_factory):
    recipe = RecipeConfig(
        name="fasst-tiny-en-de", system=fasst_config(phones=8, phone_weight=0.3), stages=STAGES
    )
    return export_model(system, tokenizer(), recipe, tmp_path_factory.mktemp("out") / "model")


def test_the_folder_is_whole_and_sealed(folder):
    assert {file.name for file in folder.iterdir()} == FILES
    verify_manifest(folder, required=FILES - {"manifest.json"})


def test_the_card_has_the_policy_it_was_trained_for(folder):
    assert read_card(folder).policy == WaitK(3, 3)


def test_weights_are_bfloat16_and_the_systems(folder, system):
    weights = load_file(folder / "model.safetensors")
    own = system.state_dict()
    assert own.keys() - weights.keys() == {"phone_head.weight", "phone_head.bias"}
    assert weights.keys() <= own.keys()
    for name, value in weights.items():
        assert value.dtype == torch.bfloat16
        assert torch.equal(value, own[name].bfloat16())


def test_the_configuration_has_no_phone_head(folder):
    config = read_config(folder / "config.json")
    assert (config.phones, config.phone_weight) == (0, 0.0)
    assert config == fasst_config()


def test_it_loads_as_it_was(folder, system):
    loaded, vocabulary = load_system(folder)
    assert vocabulary == tokenizer() == Tokenizer.load(folder)
    samples = 0.1 * torch.randn(1, 2 * 15360)
    with torch.no_grad():
        expected, found = system(samples), loaded(samples)
    assert (expected - found).abs().max() < 0.05 * expected.abs().max()


def test_the_card_counts(folder):
    card = read_card(folder)
    assert (card.name, card.system) == ("fasst-tiny-en-de", "fasst")
    assert (card.src_langs, card.tgt_langs) == (("en",), ("de",))
    loaded, _ = load_system(folder)
    assert card.params == sum(parameter.numel() for parameter in loaded.parameters())
    assert json.loads((folder / "model.json").read_text())["params"] == card.params


def test_exporting_again_replaces_and_gives_the_same_bytes(folder, system):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "left-over.txt").write_text("of an older version")
    config = fasst_config(phones=8, phone_weight=0.3)
    recipe = RecipeConfig(name="fasst-tiny-en-de", system=config, stages=STAGES)
    export_model(system, tokenizer(), recipe, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
