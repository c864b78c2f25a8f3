"""LLaST's tiny recipe runs to the end: corpus, all stages, merged export, load, translate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from earvoice import load
from earvoice.audio import stream_file
from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.errors import CheckpointError, ConfigError, UsageError
from earvoice.events import Commit, Finished
from earvoice.loading import load_system
from earvoice.models.files import write_manifest
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


def convert_adaptation(adaptation: Path, base: Path | str, out: Path) -> int:
    """`earvoice convert adaptation`."""
    return main(["convert", "adaptation", str(adaptation), "--base", str(base), "--out", str(out)])


@pytest.fixture(scope="module")
def on_a_base(trained: Path, tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A run whose last stage starts from the exported model of the stage before: `base/model`."""
    out = tmp_path_factory.mktemp("on-a-base")
    shutil.copytree(trained, out, dirs_exist_ok=True)
    before = tuple(stage.name for stage in recipe(tiny_corpus, out).stages[:3])
    run_recipe(recipe(tiny_corpus, out), Options(quiet=True, resume=True, stages=before))
    init = "stages.3.init={encoder.*: base, lm.*: base}"
    run_recipe(
        recipe(tiny_corpus, out, init, "stages.3.validate_every_steps=0"),
        Options(quiet=True, reuse={"base": str(out / "base/model")}, stages=("translate",)),
    )
    return out


def test_an_adaptation_merged_into_its_base_is_the_exported_model(
    on_a_base: Path, tmp_path: Path, tiny_corpus: Path, capsys
) -> None:
    out = tmp_path / "model"
    assert convert_adaptation(on_a_base / "adaptation", on_a_base / "base/model", out) == 0
    assert "M parameters adapted" in capsys.readouterr().out
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (out / file).read_bytes() == (on_a_base / "model" / file).read_bytes()
    talk = next(load_talks(tiny_corpus))
    texts = []
    for model in (out, on_a_base / "model"):
        arguments = ["--model", str(model), "--tgt-lang", "de", "--clock", "ideal"]
        assert main(["translate", str(talk.path), *arguments]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != ""


def test_an_adaptation_merges_into_what_convert_pretrained_writes(
    on_a_base: Path, tmp_path: Path
) -> None:
    base, start = on_a_base / "base/model", tmp_path / "start"
    config = json.loads((base / "config.json").read_text())
    start.mkdir()
    (start / "config.json").write_text(json.dumps({key: config[key] for key in ("encoder", "llm")}))
    whole = load_file(base / "model.safetensors")
    parts = {key: value for key, value in whole.items() if key.startswith(("encoder.", "lm."))}
    save_file(parts, start / "model.safetensors")
    shutil.copy(base / "tokenizer.json", start)
    write_manifest(start)
    assert convert_adaptation(on_a_base / "adaptation", start, tmp_path / "model") == 0
    file = "model/model.safetensors"
    assert (tmp_path / file).read_bytes() == (on_a_base / file).read_bytes()


def test_an_adaptation_with_a_wrong_base_is_refused(
    on_a_base: Path, tmp_path: Path, capsys
) -> None:
    adaptation, base = on_a_base / "adaptation", on_a_base / "base/model"
    torn = tmp_path / "torn"
    shutil.copytree(adaptation, torn)
    file = torn / "adaptation.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    for folder, model, code, text in [
        (torn, base, 4, "does not match its SHA-256"),
        (tmp_path / "no", base, 2, "there is no folder"),
        (base, base, 4, "does not list adaptation.safetensors"),
        (adaptation, adaptation, 4, "does not list model.safetensors"),
        (adaptation, "llast-mini-multi", 4, "encoder.mels is 80, the adaptation was learnt beside"),
        (adaptation, "lst-mini-en-de", 4, "is of a llast model"),
        (adaptation, "llast-maxi", 2, "neither a folder nor in the zoo"),
        (adaptation, tmp_path, 4, "not a finished model"),
    ]:
        assert convert_adaptation(folder, model, tmp_path / "out") == code
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert convert_adaptation(adaptation, base, base) == 2
    assert "is there already" in capsys.readouterr().err
