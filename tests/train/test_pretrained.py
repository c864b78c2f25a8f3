"""Full recipes start from an encoder and a language model on disk, and take its vocabulary."""

import json

import pytest
import torch

from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.convert.pretrained import fitted
from earvoice.models.files import read_safetensors
from earvoice.systems import build
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig
from earvoice.train.start import pretrained_vocabulary, providing, start_of
from tests.exported import flip_bit

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A Whisper and a Llama with its vocabulary, in transformers' layout."""
    root = tmp_path_factory.mktemp("originals")
    texts = ["we go to the house", "das ist ein Haus"] * 30
    tokenizer = Tokenizer.train(texts, 320)
    torch.manual_seed(0)
    whisper = transformers.WhisperModel(transformers.WhisperConfig(
        vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24,
        max_source_positions=100,
    ))  # fmt: skip
    llm = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size + 8, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, intermediate_size=24,
    ))  # fmt: skip
    whisper.save_pretrained(root / "whisper")
    llm.save_pretrained(root / "llm")
    tokenizer.save(root / "llm")
    return root


@pytest.fixture(scope="module")
def start(originals):
    """The folder of `earvoice convert pretrained`."""
    out = originals / "start"
    parts = ["--encoder", str(originals / "whisper"), "--llm", str(originals / "llm")]
    assert main(["convert", "pretrained", *parts, "--out", str(out)]) == 0
    return out


def recipe(request, corpus, out, *more):
    sizes = (
        "system.encoder={mels: 80, dim: 16, layers: 1, heads: 2, ffn_dim: 24, frames: 100}",
        "system.llm={vocab_size: 9, dim: 16, layers: 1, heads: 2, kv_heads: 2, ffn_dim: 24}",
        "system.directions=[en-de]",
        "system.phones=0",
        "stages.3.init={'encoder.*': pretrained, 'lm.*': pretrained}",
        "stages.3.steps=1",
        "stages.3.validate_every_steps=0",
    )
    path = request.config.rootpath / "recipes/llast/tiny.yaml"
    return load_yaml(path, RecipeConfig, [f"corpus=[{corpus}]", f"out={out}", *sizes, *more])


def test_a_recipe_takes_the_weights_and_the_vocabulary(request, start, tiny_corpus, tmp_path):
    reuse = {"pretrained": str(start)}
    run_recipe(
        recipe(request, tiny_corpus, tmp_path),
        Options(quiet=True, stages=("translate",), reuse=reuse),
    )
    assert Tokenizer.load(tmp_path) == Tokenizer.load(start)
    given = read_safetensors(start / "model.safetensors")
    frozen = read_safetensors(tmp_path / "translate/base/model.safetensors")
    assert all(torch.equal(frozen[name], given[name].float()) for name in frozen)
    assert {"lm.embedding.weight", "encoder.positions"} <= frozen.keys()
    other = start.parent / "other"
    other.mkdir()
    for name in ("model.safetensors", "manifest.json"):
        (other / name).write_bytes((start / name).read_bytes())
    Tokenizer.train(["other words"] * 9, 300).save(other)
    again = Options(quiet=True, stages=("translate",), reuse={"pretrained": str(other)})
    with pytest.raises(ConfigError, match="is not the vocabulary of"):
        run_recipe(recipe(request, tiny_corpus, tmp_path), again)


def test_rows_of_embeddings_fit_the_vocabulary(originals, start):
    tokenizer = Tokenizer.load(start)
    given = read_safetensors(start / "model.safetensors")
    assert len(given["lm.embedding.weight"]) == tokenizer.vocab_size
    assert len(given["lm.head.weight"]) == tokenizer.vocab_size
    assert json.loads((start / "config.json").read_text())["llm"]["vocab_size"] == (
        tokenizer.vocab_size
    )
    rows = torch.arange(12.0).view(4, 3)
    more = fitted(rows, 3, 2, "x")
    assert torch.equal(more[:3], rows[:3])
    assert torch.equal(more[3], rows[:3].mean(0))
    assert torch.equal(more[3], more[4])
    with pytest.raises(CheckpointError, match="4 embeddings for a vocabulary of 5"):
        fitted(rows, 5, 0, "x")


def test_control_tokens_are_added_and_no_text_reaches_them(originals, tmp_path):
    parts = ["--encoder", str(originals / "whisper"), "--llm", str(originals / "llm")]
    names = ["--add-tokens", "<sp_patch>,<other>"]
    assert main(["convert", "pretrained", *parts, *names, "--out", str(tmp_path / "a")]) == 0
    tokenizer = Tokenizer.load(tmp_path / "a")
    known = Tokenizer.load(originals / "llm")
    assert tokenizer.special_id("<other>") == known.vocab_size + 1
    assert tokenizer.special_id("<other>") not in tokenizer.encode("<other>")
    given = read_safetensors(tmp_path / "a/model.safetensors")
    mean = given["lm.embedding.weight"][: known.vocab_size].mean(0)
    torch.testing.assert_close(given["lm.embedding.weight"][-1], mean)
    torch.testing.assert_close(given["markers"], mean.expand(2, -1))


def test_a_token_that_is_there_is_no_new_one(originals, tmp_path, capsys):
    parts = ["--encoder", str(originals / "whisper"), "--llm", str(originals / "llm")]
    names = ["--add-tokens", "<sp_start>", "--out", str(tmp_path / "a")]
    assert main(["convert", "pretrained", *parts, *names]) == 4
    assert "has '<sp_start>' already" in capsys.readouterr().err


def test_what_a_folder_lacks_or_has_damaged_is_named(request, start, tiny_corpus, tmp_path):
    found = recipe(request, tiny_corpus, tmp_path, "stages.3.init={'*': pretrained}")
    vocabulary = Tokenizer.load(start).vocab_size
    llm = found.system.llm.model_copy(update={"vocab_size": vocabulary})
    system = build(found.system.model_copy(update={"llm": llm}))
    fresh = dict(system.state_dict())
    reuse = {"pretrained": str(start)}
    with pytest.raises(CheckpointError, match=r"has no 'adapter\.layers\.0\.weight' \(6 of"):
        start_of(fresh, found, 3, tmp_path, reuse)
    parts = recipe(request, tiny_corpus, tmp_path)
    assert start_of(fresh, parts, 3, tmp_path, reuse).weights.keys() == fresh.keys()
    nowhere = {"pretrained": str(tmp_path / "nowhere")}
    with pytest.raises(ConfigError, match="--reuse pretrained=DIR names another folder"):
        start_of(fresh, parts, 3, tmp_path, nowhere)
    hurt = tmp_path / "hurt"
    hurt.mkdir()
    for file in start.iterdir():
        (hurt / file.name).write_bytes(file.read_bytes())
    flip_bit(hurt / "model.safetensors")
    with pytest.raises(CheckpointError, match="does not match its SHA-256"):
        start_of(fresh, parts, 3, tmp_path, {"pretrained": str(hurt)})


def test_the_vocabulary_of_another_run_is_not_taken(tmp_path):
    (tmp_path / "run/phones").mkdir(parents=True)
    (tmp_path / "run/tokenizer.json").write_text("{}")
    assert pretrained_vocabulary({"phones": str(tmp_path / "run/phones")}) is None


@pytest.mark.parametrize(
    ("init", "gives"),
    [
        ("{'encoder.*': pretrained}", False),
        ("{'encoder.*': pretrained, 'lm.*': pretrained}", True),
        ("{'*': pretrained}", True),
        ("{'*': base}", False),
    ],
)
def test_a_vocabulary_comes_with_the_language_model_only(init, gives, request, tmp_path):
    found = recipe(request, tmp_path, tmp_path, f"stages.3.init={init}")
    reuse = {"pretrained": "somewhere"}
    assert providing(found, "lm.embedding.weight", reuse) == (reuse if gives else {})
    assert providing(found, "lm.embedding.weight", {"base": "x"}) == (
        {"base": "x"} if "base" in init else {}
    )


def test_the_stage_before_is_what_a_stage_takes_by_default(request, tmp_path):
    found = recipe(request, tmp_path, tmp_path)
    assert providing(found, "phone_head.weight", {"text": "x", "nothing": "y"}) == {"text": "x"}
