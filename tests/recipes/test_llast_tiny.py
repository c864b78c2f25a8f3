"""LLaST's tiny recipe runs to the end: corpus, all stages, merged export, load, translate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from earvoice import load
from earvoice.audio import stream_file
from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.errors import CheckpointError, ConfigError, UsageError
from earvoice.events import Commit, Finished
from earvoice.loading import load_system
from earvoice.nn.lora import is_lora, merged_state
from earvoice.session import Request
from earvoice.systems import build
from earvoice.train import checkpoint as checkpoints
from earvoice.train.adaptation import apply_adaptation
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig

RECIPE = Path(__file__).parents[2] / "recipes/llast/tiny.yaml"


def recipe(corpus: Path, out: Path, *overrides: str) -> RecipeConfig:
    """The recipe on a corpus."""
    places = [f"corpus=[{corpus}]", f"dev_corpus={corpus}", f"out={out}"]
    return load_yaml(RECIPE, RecipeConfig, [*places, *overrides])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """The output folder of the whole recipe."""
    out = tmp_path_factory.mktemp("llast")
    run_recipe(recipe(tiny_corpus, out), Options(quiet=True))
    return out


@pytest.mark.parametrize("stage", ["text", "waco", "base", "translate"])
def test_loss_falls_in_every_stage(trained: Path, stage: str) -> None:
    records = [
        json.loads(line) for line in (trained / stage / "log.jsonl").read_text().split("\n")[:-1]
    ]
    losses = [record["loss"] for record in records if "loss" in record]
    half = len(losses) // 2
    assert sum(losses[half:]) / (len(losses) - half) < sum(losses[:half]) / half


def test_only_the_adaptation_was_learnt(trained: Path) -> None:
    base, _ = checkpoints.newest(trained / "base")
    last, _ = checkpoints.newest(trained / "translate")
    assert base is not None
    assert last is not None
    before, after = base.weights(), last.weights()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(is_lora(name) or name.startswith("adapter.") for name in changed)
    assert any("lm." in name for name in changed)
    assert any("encoder." in name for name in changed)


def test_the_exported_model_is_the_merged_one(trained: Path, tiny_corpus: Path) -> None:
    system, _ = load_system(trained / "model")
    assert not any(is_lora(name) for name in system.state_dict())
    resolved = RecipeConfig.model_validate_json((trained / "recipe.json").read_text(), strict=True)
    adapted = build(resolved.system)
    last, _ = checkpoints.newest(trained / "translate")
    assert last is not None
    adapted.load_state_dict(last.weights())
    for name, value in merged_state(adapted).items():
        if name.startswith("phone_head."):
            continue  # only training has it
        torch.testing.assert_close(system.state_dict()[name], value.bfloat16().float())


def test_the_adaptation_alone_restores_the_model_on_its_base(trained: Path) -> None:
    resolved = RecipeConfig.model_validate_json((trained / "recipe.json").read_text(), strict=True)
    base, _ = checkpoints.newest(trained / "base")
    last, _ = checkpoints.newest(trained / "translate")
    assert base is not None
    assert last is not None
    system = build(resolved.system)
    system.load_state_dict(base.weights())
    apply_adaptation(system, trained / "adaptation")
    assert all(torch.equal(system.state_dict()[n], value) for n, value in last.weights().items())
    own = load_file(trained / "translate" / "step-00000040" / "model.safetensors")
    assert own.keys() == load_file(trained / "adaptation" / "adaptation.safetensors").keys()


def test_a_damaged_adaptation_is_refused(trained: Path, tmp_path: Path) -> None:
    resolved = RecipeConfig.model_validate_json((trained / "recipe.json").read_text(), strict=True)
    system = build(resolved.system)
    folder = tmp_path / "adaptation"
    shutil.copytree(trained / "adaptation", folder)
    file = folder / "adaptation.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(CheckpointError, match="does not match its SHA-256"):
        apply_adaptation(system, folder)
    with pytest.raises(CheckpointError, match="not a finished adaptation"):
        apply_adaptation(system, tmp_path)


def test_the_model_folder_loads_and_translates(trained: Path, tiny_corpus: Path) -> None:
    talk = next(load_talks(tiny_corpus))
    assert talk.path is not None
    model = load(trained / "model")
    with pytest.raises(UsageError, match="'fr'"):
        model.open(Request("en", "fr"))
    texts = {}
    for packet_s in (0.5, 3.0):
        session = model.open(Request("en", "es"))
        events = [e for packet in stream_file(talk.path, packet_s) for e in session.push(packet)]
        events += session.finish()
        assert events[-1] == Finished()
        texts[packet_s] = "".join(e.text for e in events if isinstance(e, Commit))
    assert texts[0.5] == texts[3.0] != ""


def test_earvoice_translate(trained: Path, tiny_corpus: Path, capsys) -> None:
    talk = next(load_talks(tiny_corpus))
    arguments = ["--model", str(trained / "model"), "--tgt-lang", "de", "--clock", "ideal"]
    assert main(["translate", str(talk.path), *arguments]) == 0
    assert capsys.readouterr().out.strip()


def test_a_resumed_run_ends_with_the_same_bytes(tiny_corpus: Path, tmp_path: Path) -> None:
    short = [*(f"stages.{index}.steps=4" for index in range(4)),
             "stages.3.save_every_steps=2", "stages.3.validate_every_steps=0"]  # fmt: skip
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_recipe(recipe(tiny_corpus, whole, *short), Options(quiet=True))
    run_recipe(recipe(tiny_corpus, broken, *short), Options(quiet=True))
    shutil.rmtree(broken / "translate" / "step-00000004")
    run_recipe(
        recipe(tiny_corpus, broken, *short), Options(quiet=True, resume=True, stages=("translate",))
    )
    ends = [checkpoints.newest(out / "translate")[0] for out in (whole, broken)]
    first, second = (end.weights() for end in ends if end is not None)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_direction_without_a_corpus_is_named(tiny_corpus: Path, tmp_path: Path) -> None:
    wrong = recipe(tiny_corpus, tmp_path, f"stages.2.utterances.corpora={{fr-en: {tiny_corpus}}}")
    with pytest.raises(ConfigError, match=r"'fr-en' is not among system.directions, en-de, en-es"):
        run_recipe(wrong, Options(quiet=True))
