"""`earvoice train`: overrides anywhere, the resolved recipe, and errors that teach."""

from pathlib import Path

import pytest
import yaml

from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.train import recipe as recipes
from earvoice.train.stage import RecipeConfig

ROOT = Path(__file__).parents[2] / "recipes"
TINY = ROOT / "fasst/tiny.yaml"


def train(*arguments):
    return main(["train", *map(str, arguments)])


@pytest.fixture
def started(monkeypatch):
    """What would be trained: the arguments of `run_recipe`."""
    calls = []

    def run_recipe(recipe, options):
        calls.append((recipe, options))
        return Path(recipe.out) / "model"

    monkeypatch.setattr(recipes, "run_recipe", run_recipe)
    return calls


@pytest.mark.parametrize(
    "arguments",
    [
        ["{r}", "out=x", "seed=7", "--resume", "--quiet", "--stages", "text,waco"],
        ["{r}", "--resume", "out=x", "--quiet", "seed=7", "--stages", "text,waco"],
        ["{r}", "--resume", "--quiet", "--stages", "text,waco", "out=x", "seed=7"],
        ["--resume", "{r}", "out=x", "--stages", "text,waco", "seed=7", "--quiet"],
        ["--stages=text,waco", "--resume", "--quiet", "{r}", "out=x", "seed=7"],
    ],
)
def test_overrides_stand_before_and_after_options(arguments, started, capsys):
    assert train(*(item.format(r=TINY) for item in arguments)) == 0
    ((recipe, options),) = started
    assert (recipe.out, recipe.seed) == ("x", 7)
    assert (options.resume, options.quiet, options.stages) == (True, True, ("text", "waco"))
    assert capsys.readouterr().out == "x/model\n"


def test_the_last_override_wins(started):
    assert train(TINY, "seed=1", "--quiet", "seed=2", "seed=3") == 0
    assert started[0][0].seed == 3


def test_reuse(started):
    assert train(TINY, "--reuse", "phones=a/b", "--reuse", "text=c", "seed=2") == 0
    assert started[0][1].reuse == {"phones": "a/b", "text": "c"}


RECIPES = sorted(path for path in ROOT.rglob("*.yaml") if path.parent.name != "reproduce")
"""Recipes of training; those of `earvoice reproduce` are of another kind."""


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_printed_recipe_reads_back_as_the_same_recipe(recipe, tmp_path, started, capsys):
    overrides = ["name=a-b", "seed=5", "stages.0.lr=3e-5"]
    assert train(recipe, *overrides, "--print-config", "out=no") == 0
    printed = capsys.readouterr().out
    assert started == [], "nothing is trained"
    file = tmp_path / "printed.yaml"
    file.write_text(printed)
    again = load_yaml(file, RecipeConfig)
    assert again == load_yaml(recipe, RecipeConfig, [*overrides, "out=no"])
    assert again.stages[0].lr == 3e-5
    assert "&" not in printed
    assert list(yaml.safe_load(printed))[:2] == ["name", "system"], "in the order of the schema"


def test_the_printed_recipe_has_the_defaults(capsys):
    assert train(TINY, "--print-config") == 0
    data = yaml.safe_load(capsys.readouterr().out)
    assert data["stages"][0]["clip_norm"] == 1.0
    assert data["system"]["encoder"]["frontend"]["kind"] == "log_mel"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{r}y"], 2, "there is no recipe {r}y; did you mean {r}?"),
        (["nowhere/tiny.yaml"], 2, "there is no recipe nowhere/tiny.yaml"),
        (["{d}"], 2, "is a folder; a recipe is a YAML file, here: full.yaml, mini.yaml, tiny.yaml"),
        (["{r}", "--threads", "0"], 2, "--threads is 0"),
        (["{r}", "--reuse", "phones"], 2, "--reuse is 'phones'; it must be STAGE=DIR"),
        (["{r}", "--reuse", "=runs"], 2, "--reuse is '=runs'"),
        (["{r}", "sed=3"], 5, "sed is unknown; did you mean 'seed'?"),
        (["{r}", "seed"], 5, "override 'seed' must be key=value"),
        (["{r}", "--quiet", "system.encodr.dim=3"], 5, "encodr is unknown; did you mean 'encoder'"),
        (["{r}", "system.kind=whisper"], 5, "system.kind is 'whisper'"),
        (["{r}", "stages.9.lr=1"], 5, "'9' must be 0 to 3"),
        (["{r}", "stages.0.lr=fast"], 5, "stages.0.lr is 'fast'"),
        (["{r}", "stages.0.accumulate=0"], 5, "stages.0.accumulate is 0"),
        (["{r}", "stages.0.data.segments=[5,3]"], 5, "the least must not be more than the most"),
        (["{r}", "stages.0.data.text_forms=[0.0,0.0,0.0]"], 5, "not all shares may be 0"),
        (["{r}", "stages.0.data={{utterance: 0.0, fresh: 0.0, slid: 0.0}}"], 5, "may not all be 0"),
        (["{r}", "stages.0.data.ks=[7]"], 5, "it must hold some of [1, 2, 3, 4, 5, 100]"),
    ],
)
def test_wrong_arguments(arguments, code, message, started, capsys):
    filled = [item.format(r=TINY, d=TINY.parent) for item in arguments]
    assert train(*filled) == code
    error = capsys.readouterr().err
    assert error.startswith("earvoice: error: ")
    assert message.format(r=TINY) in error
    assert error.count("\n") == 1
    assert started == []


@pytest.mark.parametrize("rest", [["--resum3"], ["--quiet", "seed"], ["--quiet", "-x=3"]])
def test_unknown_options_are_wrong_usage(rest, started, capsys):
    with pytest.raises(SystemExit) as caught:
        train(TINY, *rest)
    assert caught.value.code == 2
    assert f"unrecognized arguments: {rest[-1]}" in capsys.readouterr().err


TEXT_ONLY = ("corpus=[]", "dev_corpus=''", "tokenizer.sentences=100", "--quiet")
TEXT_ONLY = (*TEXT_ONLY, "stages.3.validate_every_steps=0")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--stages", "txt"], 5, "stages: no stage 'txt'; the recipe has ['text', 'phones',"),
        (["stages.2.objective=wako"], 5, "stage 'waco': objective is 'wako', it must be one of "),
        (["stages.0.trainable=['ml.*']", "--stages", "text"], 5, "trainable: 'ml.*' matches no"),
        (["stages.0.lr_scale={'ml.*': 0.5}", "--stages", "text"], 5, "lr_scale: 'ml.*' matches"),
        (["stages.1.init={'encodr.*': text}", "--stages", "phones"], 5, "init: 'encodr.*' matches"),
        (["--stages", "waco"], 5, "stage 'waco' starts from 'text': no whole checkpoint in"),
        (["--stages", "phones"], 5, "stage 'phones' trains on audio: name a corpus"),
        (["corpus=[nowhere]"], 2, "there is no corpus manifest at nowhere"),
    ],
)
def test_recipes_that_cannot_run(arguments, code, message, tmp_path, capsys):
    assert train(TINY, *TEXT_ONLY, f"out={tmp_path}", *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_two_jobs_in_one_folder(tmp_path, capsys):
    from earvoice.data.lock import FolderLock

    with FolderLock(tmp_path):
        assert train(TINY, *TEXT_ONLY, f"out={tmp_path}") == 5
    assert "is in use by another job" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == [".lock"], "nothing was changed"


def test_training_that_cannot_go_on_is_6(tmp_path, capsys):
    short = (*TEXT_ONLY, f"out={tmp_path}", "--stages", "text", "stages.0.data.batch_s=4")
    short = (*short, "stages.0.steps=2", "stages.0.save_every_steps=1")
    assert train(TINY, *short) == 0
    assert train(TINY, *short, "--resume", "seed=2") == 6
    assert "was made with another configuration" in capsys.readouterr().err
    assert train(TINY, *short, "--resume") == 0
