"""Recipes: where a stage's weights come from, and that the documentation names every key."""

import json
import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from earvoice.config import load_yaml
from earvoice.data.augment import AugmentConfig
from earvoice.errors import CheckpointError, ConfigError, EarvoiceError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.agent_mixture import AgentMixture, RetrieveMixture
from earvoice.train.conversations import ConversationMixture
from earvoice.train.distributed import Alone
from earvoice.train.loop import TrainingError
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import MixtureConfig, RecipeConfig, StageConfig, TokenizerConfig
from earvoice.train.utterances import UtteranceMixture
from earvoice.train.vocabulary import phone_ids, vocabulary

ROOT = Path(__file__).parents[2]
TEXT = {
    "objective": "text_wait_k",
    "trainable": ["lm.*"],
    "data": {"source": "text", "batch_s": 6.0, "segments": [3, 4]},
    "steps": 2,
    "lr": 0.01,
    "save_every_steps": 2,
}


def recipe(out, *stages):
    """The tiny recipe with text stages only: (name, init) pairs."""
    base = load_yaml(
        ROOT / "recipes/fasst/tiny.yaml",
        RecipeConfig,
        ["corpus=[]", "dev_corpus=''", "tokenizer.sentences=100", f"out={out}"],
    )
    made = [StageConfig.model_validate_json(_json(name, init)) for name, init in stages]
    return base.model_copy(update={"stages": tuple(made)})


def _json(name, init):
    return json.dumps({**TEXT, "name": name, "init": init})


def weights(out, stage):
    found, problems = checkpoints.newest(out / stage)
    assert problems == []
    return found.weights()


def equal(a, b, prefix=""):
    names = [name for name in a if name.startswith(prefix)]
    assert names
    return all(torch.equal(a[name], b[name]) for name in names)


QUIET = Options(quiet=True)


def test_a_stage_without_sources_starts_from_random_weights(tmp_path):
    # Whatever ran before it in the same process.
    run_recipe(recipe(tmp_path / "two", ("a", {}), ("b", {})), QUIET)
    run_recipe(recipe(tmp_path / "one", ("b", {})), QUIET)
    assert equal(weights(tmp_path / "two", "b"), weights(tmp_path / "one", "b"))
    assert not equal(weights(tmp_path / "two", "a"), weights(tmp_path / "two", "b"), "lm.")


def test_by_default_a_stage_goes_on_from_the_one_before(tmp_path):
    run_recipe(recipe(tmp_path / "d", ("a", {}), ("b", None)), QUIET)
    run_recipe(recipe(tmp_path / "n", ("a", {}), ("b", {"*": "a"})), QUIET)
    assert equal(weights(tmp_path / "d", "b"), weights(tmp_path / "n", "b"))
    run_recipe(recipe(tmp_path / "r", ("b", {})), QUIET)
    assert not equal(weights(tmp_path / "d", "b"), weights(tmp_path / "r", "b"), "lm.")


def test_a_stage_may_come_from_another_run(tmp_path):
    run_recipe(recipe(tmp_path / "first", ("a", {})), QUIET)
    both = recipe(tmp_path / "second", ("a", {}), ("b", {"lm.*": "a"}))
    reuse = {"a": str(tmp_path / "first/a")}
    run_recipe(both, Options(quiet=True, reuse=reuse))
    assert not (tmp_path / "second/a").exists()  # it is not trained again
    with pytest.raises(ConfigError, match="nothing is left to train"):
        run_recipe(recipe(tmp_path / "third", ("a", {})), Options(quiet=True, reuse=reuse))
    run_recipe(recipe(tmp_path / "first", ("a", {}), ("b", {"lm.*": "a"})), QUIET)
    assert equal(weights(tmp_path / "first", "b"), weights(tmp_path / "second", "b"))


def test_weights_of_another_size_are_refused(tmp_path):
    run_recipe(recipe(tmp_path / "first", ("a", {})), QUIET)
    wider = recipe(tmp_path / "second", ("a", {}), ("b", {"lm.*": "a"}))
    llm = wider.system.llm.model_copy(update={"ffn_dim": 2 * wider.system.llm.ffn_dim})
    wider = wider.model_copy(update={"system": wider.system.model_copy(update={"llm": llm})})
    reuse = {"a": str(tmp_path / "first/a")}
    with pytest.raises(ConfigError, match=r"stage 'b': init: lm\.layers\.0\.\w+"):
        run_recipe(wider, Options(quiet=True, stages=("b",), reuse=reuse))


def test_the_whole_run_is_a_function_of_the_recipe(tmp_path):
    for out in ("x", "y"):
        run_recipe(recipe(tmp_path / out, ("a", {})), QUIET)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "manifest.json"):
        assert (tmp_path / "x/model" / name).read_bytes() == (
            tmp_path / "y/model" / name
        ).read_bytes()


def test_stage_names_must_differ(tmp_path):
    with pytest.raises(ConfigError, match="names must differ"):
        run_recipe(recipe(tmp_path, ("a", {}), ("a", {})), QUIET)


@pytest.mark.parametrize("name", ["model", "adaptation", "", "../a", "a/b", "a,b", ".", ".."])
def test_stages_have_folders_of_their_own(name):
    with pytest.raises(ValidationError, match="it names a folder of the run"):
        StageConfig(name=name, objective="translate")


@pytest.mark.parametrize(
    ("config", "begins"),
    [
        (RecipeConfig, "`--print-config`"),
        (TokenizerConfig, "| `tokenizer` |"),
        (StageConfig, "Of a stage:"),
        (AugmentConfig, "Of `augment`"),
        (MixtureConfig, "Of `data`"),
        (AgentMixture, "Of `agent`"),
        (RetrieveMixture, "Of `retrieve`"),
        (ConversationMixture, "Of `conversations`"),
        (UtteranceMixture, "Of `utterances`"),
    ],
)
def test_every_key_is_documented_where_it_belongs(config, begins):
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    section = re.split(r"\nOf |\n## ", text[text.index(begins) :].removeprefix("Of "))[0]
    assert [name for name in config.model_fields if f"`{name}`" not in section] == []


def test_the_model_of_an_earlier_stage_leaves_that_of_the_run_alone(tmp_path):
    both = recipe(tmp_path, ("a", None), ("b", None))
    assert run_recipe(both, QUIET) == tmp_path / "model"
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    alone = Options(quiet=True, stages=("a",))
    assert run_recipe(both, alone) == tmp_path / "a" / "model"
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_a_changed_corpus_is_not_gone_on_with(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "cuts.jsonl").write_text("")
    made = recipe(tmp_path / "out", ("a", None)).model_copy(update={"corpus": (str(corpus),)})
    run_recipe(made, QUIET)
    again = Options(quiet=True, resume=True)
    moved = corpus.rename(tmp_path / "moved")
    run_recipe(made.model_copy(update={"corpus": (str(moved),)}), again)  # the same talks
    (moved / "cuts.jsonl").write_text("\n")
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(made.model_copy(update={"corpus": (str(moved),)}), again)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 200, "schedule_steps": 100}, "it must be at least steps, 200"),
        ({"final_lr": -1.0}, "final_lr"),
        ({"final_lr": 1.5}, "final_lr"),
        ({"lr_scale": {"*": -1.0}}, "lr_scale"),
        ({"betas": (1.5, 0.9)}, "betas"),
        ({"trainable": ()}, "trainable"),
    ],
)
def test_what_would_learn_backwards_or_nothing_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        StageConfig(**{"name": "s", "objective": "o"} | changes)


@pytest.mark.parametrize(
    "changes", [{"noise": -3.0}, {"room": 1.5}, {"snr_db": (30.0, 5.0)}, {"noises": 0}]
)
def test_distortions_are_probabilities_and_ranges(changes):
    with pytest.raises(ValidationError, match=next(iter(changes))):
        AugmentConfig(**changes)


def test_a_vocabulary_is_not_taken_for_one_of_another_size(tmp_path):
    recipe = load_yaml(ROOT / "recipes/llast/tiny.yaml", RecipeConfig, ["tokenizer.sentences=60"])
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    first = vocabulary(recipe, tmp_path)
    assert vocabulary(recipe, tmp_path) == first
    larger = recipe.tokenizer.model_copy(update={"vocab_size": 900})
    changed = recipe.model_copy(update={"tokenizer": larger})
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size is 900, .* was learnt with"):
        vocabulary(changed, tmp_path)


@pytest.mark.parametrize("torn", ["", '{"tokenizer": {"voc', "[]", "null"])
def test_torn_files_of_a_run_are_named(tmp_path, torn):
    recipe = load_yaml(ROOT / "recipes/llast/tiny.yaml", RecipeConfig, ["tokenizer.sentences=60"])
    vocabulary(recipe, tmp_path)
    (tmp_path / "recipe.json").write_text(torn)
    with pytest.raises(CheckpointError, match=r"recipe\.json cannot be read"):
        vocabulary(recipe, tmp_path)
    (tmp_path / "phones.json").write_text(torn)
    with pytest.raises(CheckpointError, match=r"phones\.json cannot be read"):
        phone_ids([], tmp_path, 64, {})


def test_what_a_run_knows_is_never_half_written(tmp_path, monkeypatch):
    once = recipe(tmp_path, ("a", {}))
    run_recipe(once, QUIET)
    before = (tmp_path / "recipe.json").read_text()
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        if "w" in mode and self.name.startswith("recipe.json"):
            real(self, "w").close()
            raise OSError(28, "No space left on device")
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space"):
        run_recipe(once, QUIET)
    assert (tmp_path / "recipe.json").read_text() == before


def test_stages_that_processes_cannot_share_are_refused_before_the_first(tmp_path):
    class Two(Alone):
        world = 2

    both = recipe(tmp_path, ("a", None), ("b", None))
    even = both.stages[0].model_copy(update={"accumulate": 2})
    both = both.model_copy(update={"stages": (even, both.stages[1])})
    with pytest.raises(ConfigError, match="stage 'b': accumulate is 1, with 2 ranks"):
        run_recipe(both, Options(quiet=True, ranks=Two()))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainable": ("ml.*",)}, r"trainable: 'ml\.\*' matches no parameter"),
        ({"lr_scale": {"ml.*": 0.1}}, r"lr_scale: 'ml\.\*' matches no parameter"),
        ({"init": {"ml.*": "a"}}, r"stage 'b': init: 'ml\.\*' matches no parameter"),
        (
            {"init": {"*": "c"}},
            r"stage 'b' starts from 'c': no whole checkpoint in .*--reuse c=DIR",
        ),
        ({"validate_every_steps": 1}, "there is no corpus manifest at"),
    ],
)
def test_what_is_wrong_with_a_stage_is_said_before_the_first(tmp_path, change, message):
    both = recipe(tmp_path, ("a", None), ("b", None))
    wrong = both.stages[1].model_copy(update=change)
    both = both.model_copy(
        update={"stages": (both.stages[0], wrong), "dev_corpus": str(tmp_path / "none")}
    )
    with pytest.raises(EarvoiceError, match=message):
        run_recipe(both, QUIET)
    assert not (tmp_path / "a").exists()


def test_sizes_that_fit_no_network_are_named(tmp_path):
    once = recipe(tmp_path, ("a", {}))
    adapter = once.system.adapter.model_copy(update={"kernel": 1, "stride": 2})
    system = once.system.model_copy(update={"adapter": adapter})
    with pytest.raises(ConfigError, match="system: stride 2 must not exceed kernel 1"):
        run_recipe(once.model_copy(update={"system": system}), QUIET)
