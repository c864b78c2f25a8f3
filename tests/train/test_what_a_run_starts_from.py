"""What a run starts from and goes on from is what its recipe means, or it is refused at once."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from earvoice.config import load_yaml
from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.files import read_safetensors, write_manifest
from earvoice.text.tokenizer import Tokenizer
from earvoice.train import checkpoint as checkpoints
from earvoice.train.distributed import join
from earvoice.train.errors import TrainingError
from earvoice.train.fit import check_fit
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig, StageConfig
from earvoice.train.start import providing
from earvoice.train.vocabulary import vocabulary
from tests.exported import export_tiny
from tests.tiny import fasst, tokenizer
from tests.train.ranks import Run, fail, stage

RECIPES = Path(__file__).parents[2] / "recipes"
TEXT = {
    "objective": "text_wait_k",
    "trainable": ["lm.*"],
    "data": {"source": "text", "batch_s": 6.0, "segments": [3, 4]},
    "steps": 2,
    "lr": 0.01,
    "warmup_steps": 0,
    "save_every_steps": 2,
}
QUIET = Options(quiet=True)
AGAIN = Options(quiet=True, resume=True)


def read(name, *overrides):
    small = ["corpus=[]", "dev_corpus=''", "tokenizer.sentences=60", *overrides]
    return load_yaml(RECIPES / name, RecipeConfig, small)


def recipe(out, *stages, changes=()):
    """FASST's tiny recipe with other stages: names, or changes to a stage of text."""
    made = [{"name": item} if isinstance(item, str) else item for item in stages]
    values = [StageConfig.model_validate_json(json.dumps({**TEXT, **item})) for item in made]
    base = read("fasst/tiny.yaml", f"out={out}", *changes)
    return base.model_copy(update={"stages": tuple(values)})


def reusing(**folders):
    return Options(quiet=True, reuse={name: str(folder) for name, folder in folders.items()})


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run of a stage `a`, with a vocabulary that no other recipe here learns."""
    out = tmp_path_factory.mktemp("first")
    run_recipe(recipe(out, "a", changes=["tokenizer.vocab_size=450"]), QUIET)
    return out


def copy(folder, to):
    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


# ------------------------------------------------------------------ vocabularies


def test_a_reused_stage_brings_the_vocabulary_of_its_run(first, tmp_path):
    both = recipe(tmp_path / "out", "a", {"name": "b", "init": {"lm.*": "a"}})
    run_recipe(both, reusing(a=first / "a"))
    assert Tokenizer.load(tmp_path / "out") == Tokenizer.load(first)
    own = tmp_path / "own"
    own.mkdir()
    vocabulary(both, own)
    with pytest.raises(ConfigError, match=r"own/tokenizer\.json is not the vocabulary of"):
        vocabulary(both, own, {"a": str(first / "a")})


def test_how_a_vocabulary_is_laid_out_does_not_matter(first, tmp_path):
    both = recipe(tmp_path, "a", "b")
    data = json.loads((first / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(data, indent=3))
    found = vocabulary(both, tmp_path, {"a": str(first / "a")})
    assert found.vocab_size == 450


def test_weights_without_their_vocabulary_are_refused(first, tmp_path):
    bare = copy(first, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    both = recipe(tmp_path / "out", "a", {"name": "b", "init": {"lm.*": "a"}})
    with pytest.raises(CheckpointError, match=r"there is no .*bare/tokenizer\.json"):
        run_recipe(both, reusing(a=bare / "a"))
    hears = recipe(tmp_path, "a", {"name": "b", "init": {"encoder.*": "a"}})
    assert vocabulary(hears, tmp_path, {"a": str(bare / "a")}).vocab_size == 500


@pytest.mark.parametrize("taken", ["st.*", "asr.out.*", "source.*", "*"])
def test_a_transducer_brings_its_vocabulary(taken, tmp_path):
    model = export_tiny(tmp_path / "model")  # of another system: only its vocabulary is looked at
    found = read("jstar/tiny.yaml", f"stages.0.init={{'{taken}': mini}}")
    assert vocabulary(found, tmp_path, {"mini": str(model)}) == tokenizer()


def test_a_cascade_alone_brings_none(tmp_path):
    model = export_tiny(tmp_path / "model")
    found = read("jstar/tiny.yaml", "stages.0.init={'cascade.*': mini}")
    assert vocabulary(found, tmp_path, {"mini": str(model)}) != tokenizer()


def test_later_patterns_take_the_vocabulary_elsewhere(tmp_path):
    found = recipe(tmp_path, {"name": "b", "init": {"*": "one", "lm.*": "two"}})
    both = {"one": "x", "two": "y"}
    assert providing(found, "lm.embedding.weight", both) == {"two": "y"}
    assert providing(found, "adapter.bias", both) == {"one": "x"}


def test_languages_that_a_vocabulary_was_not_learnt_from(tmp_path):
    both = read("llast/tiny.yaml", "system.directions=[en-de, en-es]")
    learnt = vocabulary(both, tmp_path)
    fewer = read("llast/tiny.yaml", "system.directions=[en-de]")
    assert vocabulary(fewer, tmp_path) == learnt
    other = read("llast/tiny.yaml", "system.directions=[en-fr]")
    with pytest.raises(ConfigError, match="languages are en, fr, .* was learnt from en, de, es al"):
        vocabulary(other, tmp_path)
    (tmp_path / "vocabulary.json").unlink()  # a run from before there was one
    assert vocabulary(other, tmp_path) == learnt


# ------------------------------------------------------------------ what is reused


def test_a_stage_without_the_tensors_that_are_asked_for(first, tmp_path):
    foreign = tmp_path / "foreign" / "a"
    module = nn.Linear(3, 3)
    checkpoints.save(foreign, module, torch.optim.AdamW(module.parameters()), {"step": 5})
    shutil.copy(first / "tokenizer.json", foreign.parent)
    with pytest.raises(CheckpointError, match=r"has no 'encoder\..* that '\*' asks for are miss"):
        run_recipe(recipe(tmp_path / "out", "a", "b"), reusing(a=foreign))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (reusing(c="x"), "--reuse c=DIR: no stage is called 'c' .* must be one of a, b, base"),
        (
            Options(quiet=True, reuse={"a": "x"}, stages=("a", "b")),
            "--reuse a=DIR takes stage 'a' from another run, --stages trains it",
        ),
    ],
)
def test_reused_folders_that_are_of_no_use(options, message, tmp_path):
    both = recipe(tmp_path, "a", {"name": "b", "init": {"lm.*": "a", "encoder.*": "base"}})
    with pytest.raises(ConfigError, match=message):
        run_recipe(both, options)
    assert not (tmp_path / "tokenizer.json").exists()


# ------------------------------------------------------------------ what is no number


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    with pytest.raises(TrainingError, match=r"stage 'a': lm\..* is not finite after step 2"):
        run_recipe(recipe(tmp_path, {"name": "a", "lr": 1e39}), QUIET)
    assert not list(tmp_path.glob("*/step-*"))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("shard", [False, True], ids=["whole", "sharded"])
def test_processes_agree_that_weights_are_no_numbers(shard, tmp_path):
    messages = fail(Run(tmp_path, world=2, shard=shard, stage=stage(lr=1e39)))
    assert all("is not finite after step 3" in message for message in messages)
    assert not list(tmp_path.glob("step-*"))


def test_a_model_that_is_no_numbers_replaces_none(tmp_path):
    folder = export_tiny(tmp_path / "model")
    before = read_safetensors(folder / "model.safetensors")
    system = fasst()
    with torch.no_grad():
        system.lm.embedding.weight[0, 0] = float("nan")
    from earvoice.train.export import write_model

    with pytest.raises(TrainingError, match=r"lm\.embedding\.weight is not finite; no model"):
        write_model(system, tokenizer(), system.config, "x", folder)
    assert read_safetensors(folder / "model.safetensors").keys() == before.keys()


# ------------------------------------------------------------------ going on


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run of two stages."""
    out = tmp_path_factory.mktemp("done")
    run_recipe(recipe(out, "a", "b"), QUIET)
    return out


def edit_state(step, edit):
    state = json.loads((step / "state.json").read_text())
    edit(state)
    (step / "state.json").write_text(json.dumps(state))
    write_manifest(step)


def retrain(out):
    """As if stage `a` had been trained again with another result."""
    step = next((out / "a").glob("step-*"))
    file = step / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    write_manifest(step)


def test_a_stage_whose_start_was_trained_again_is_not_done(done, tmp_path):
    out = copy(done, tmp_path / "out")
    run_recipe(recipe(out, "a", "b"), AGAIN)
    retrain(out)
    with pytest.raises(TrainingError, match="it started from other weights than those that 'a' h"):
        run_recipe(recipe(out, "a", "b"), AGAIN)


def test_what_old_checkpoints_do_not_say_is_not_compared(done, tmp_path):
    out = copy(done, tmp_path / "out")
    for step in out.glob("*/step-*"):
        edit_state(step, lambda state: [state.pop(key) for key in ("start", "files")])
    retrain(out)
    run_recipe(recipe(out, "a", "b"), AGAIN)


def test_another_vocabulary_of_the_same_size_is_not_gone_on_with(done, tmp_path):
    out = copy(done, tmp_path / "out")
    text = (out / "tokenizer.json").read_text()
    (out / "tokenizer.json").write_text(json.dumps(json.loads(text), indent=2))
    with pytest.raises(TrainingError, match=r"was made with another tokenizer\.json than the one"):
        run_recipe(recipe(out, "a", "b"), AGAIN)


def test_another_glossary_is_not_gone_on_with(tmp_path):
    terms = tmp_path / "terms.tsv"
    terms.write_text("house\tHaus\n")
    agent = f"{{source: text, batch: 2, glossaries: ['{terms}']}}"
    short = [f"out={tmp_path / 'out'}", f"stages.0.agent={agent}", "stages.0.steps=1"]
    options = Options(quiet=True, stages=("text",))
    run_recipe(read("clasi/tiny.yaml", *short), options)
    terms.write_text("house\tHeim\n")
    options = Options(quiet=True, stages=("text",), resume=True)
    with pytest.raises(TrainingError, match=r"was made with another .*terms\.tsv than the one"):
        run_recipe(read("clasi/tiny.yaml", *short), options)


# ------------------------------------------------------------------ before the first stage

SOUND = {"objective": "phones", "init": {}, "trainable": ["encoder.*"], "name": "b"}
SPOKEN = {**SOUND, "data": {"batch_s": 8.0, "segments": [3, 4]}}


def test_a_refused_run_leaves_the_recipe_of_the_run_before(done, tmp_path):
    out = copy(done, tmp_path / "out")
    before = (out / "recipe.json").read_bytes()
    for wrong in ({"name": "b", "objective": "nonsense"}, SPOKEN):
        with pytest.raises(ConfigError):
            run_recipe(recipe(out, "a", wrong), QUIET)
    assert (out / "recipe.json").read_bytes() == before


def without(corpus, to, edit):
    """A copy of a corpus without its sound, its records edited."""
    to.mkdir()
    lines = [json.loads(line) for line in (corpus / "cuts.jsonl").read_text().splitlines()]
    for line in lines:
        for sentence in line["supervisions"]:
            edit(sentence)
    (to / "cuts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return to


@pytest.mark.parametrize(
    ("later", "edit", "message"),
    [
        (SPOKEN, None, "stage 'b' trains on audio: name a corpus"),
        (SPOKEN, lambda s: s["alignment"].pop("phone"), "has no phoneme times"),
        (
            {**SPOKEN, "objective": "waco"},
            lambda s: s["alignment"].pop("word"),
            "has no word times, which 'waco' learns from",
        ),
        (
            {**SPOKEN, "objective": "wait_k"},
            lambda s: s["custom"]["targets"].pop("de"),
            "has no 'de' side",
        ),
    ],
)
def test_what_a_later_stage_lacks_is_said_first(later, edit, message, tiny_corpus, tmp_path):
    both = recipe(tmp_path / "out", "a", later)
    if edit is not None:
        corpus = without(tiny_corpus, tmp_path / "corpus", edit)
        both = both.model_copy(update={"corpus": (str(corpus),)})
    with pytest.raises(ConfigError, match=message):
        run_recipe(both, QUIET)
    assert not (tmp_path / "out/a").exists()


def test_directions_that_a_later_stage_does_not_have(tmp_path):
    changes = [f"out={tmp_path}", "stages.1.utterances.directions=[fr-en]"]
    with pytest.raises(ConfigError, match="stage 'waco': directions: 'fr-en' is not among"):
        run_recipe(read("llast/tiny.yaml", *changes, "stages.3.validate_every_steps=0"), QUIET)
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("fasst", {"conversations": {}}, "learns from `data`, the stage has `conversations`"),
        ("llast", {"objective": "translate"}, "from `utterances`, the stage has `data`"),
        ("clasi", {"objective": "agent_turn"}, "from `agent`, the stage has `data`"),
        ("clasi", {"objective": "waco", "agent": {}}, "from `data`, the stage has `agent`"),
        ("jstar", {"objective": "transducer"}, "from `conversations`, the stage has `data`"),
        ("fasst", {"objective": "waco", "data": {"source": "text"}}, "must be 'audio'"),
        ("lst", {"objective": "ctc", "data": {"source": "text"}}, "must be 'audio'"),
        (
            "llast",
            {"objective": "phones", "utterances": {"source": "text"}},
            "utterances.source is 'text', with objective 'phones' it must be 'audio'",
        ),
    ],
)
def test_stages_that_do_not_fit_their_system(name, changes, message):
    values = {"name": "s", "objective": "wait_k", **changes}
    wrong = StageConfig.model_validate_json(json.dumps(values))
    with pytest.raises(ConfigError, match=message):
        check_fit(wrong, read(f"{name}/tiny.yaml").system)


@pytest.mark.parametrize(
    ("name", "changes", "objective"),
    [
        ("fasst", "system.phones=0", "phones"),
        ("lst", "system.phones=0", "ctc"),
        ("clasi", "system.retriever=null", "retrieve"),
        ("jstar", "system.text_source=false", "mt_transducer"),
    ],
)
def test_objectives_whose_part_the_system_lacks(name, changes, objective):
    found = read(f"{name}/tiny.yaml", changes)
    (one,) = (one for one in found.stages if one.objective == objective)
    with pytest.raises(ConfigError, match=rf"{changes.split('=')[0]} is .*{objective}' needs"):
        check_fit(one, found.system)


def test_a_stage_that_does_not_fit_ends_a_run_before_it_begins(tmp_path):
    with pytest.raises(ConfigError, match="stage 'b': .* the stage has `conversations`"):
        run_recipe(recipe(tmp_path, "a", {"name": "b", "conversations": {}}), QUIET)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("[!r]*/*.yaml")), ids=str)
def test_the_recipes_that_come_along_fit(path):
    found = load_yaml(path, RecipeConfig)
    for one in found.stages:
        check_fit(one, found.system)


def test_a_stage_learns_from_one_thing():
    with pytest.raises(ConfigError, match="it has utterances and conversations"):
        read("llast/tiny.yaml", "stages.1.conversations={source: text}")


# ------------------------------------------------------------------ numbers of the surroundings


def test_a_seed_that_no_generator_takes():
    with pytest.raises(ConfigError, match="seed is 99999999999999999999: "):
        read("fasst/tiny.yaml", "seed=99999999999999999999")
    assert read("fasst/tiny.yaml", "seed=9223372036854775807").seed == 2**63 - 1


GROUP = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": None}, "RANK is not set: start by torchrun"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR is not set"),
        ({"MASTER_PORT": None}, "MASTER_PORT is not set"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT is 'http', it must be 0 to 65535"),
        ({"RANK": "2"}, "RANK is '2', it must be 0 to 1"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', it must be 1 or more"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0', it must be 1 or more"),
    ],
)
def test_half_an_environment_of_torchrun(changes, message, monkeypatch):
    for name, value in {**GROUP, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        join()
