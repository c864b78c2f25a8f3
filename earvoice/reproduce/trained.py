"""Arms that train a model: from the shared base through an arm's stages, then measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.quality import measure, sentence_items, shuffled, talk_items
from earvoice.config import load_yaml
from earvoice.data.manifest import load_talks
from earvoice.errors import UsageError
from earvoice.loading import load
from earvoice.policies import WaitK
from earvoice.reproduce.spec import ReproduceConfig, TestConfig
from earvoice.session import Request
from earvoice.train import checkpoint as checkpoints
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig, StageConfig

TEST_SEED = 1
"""Of the choice of test items: the same for all arms and seeds."""


@dataclass(frozen=True)
class Base:
    """The shared start. stages: folders by name. tokenizer: the run whose vocabulary it is."""

    stages: Mapping[str, Path]
    tokenizer: Path
    recipe: RecipeConfig


def base_recipe(spec: ReproduceConfig, spec_file: Path, corpus: Path, out: Path) -> RecipeConfig:
    """The recipe of the base, with the corpus and where it goes."""
    recipe = load_yaml(spec_file.parent / spec.base.recipe, RecipeConfig)
    return recipe.model_copy(
        update={"corpus": (str(corpus),), "dev_corpus": "", "out": str(out)}, deep=True
    )


def train_base(spec: ReproduceConfig, recipe: RecipeConfig, scale: float, *, quiet: bool) -> None:
    """Trains the base's stages, going on where they stopped."""
    stages = tuple(scaled(stage, scale) for stage in recipe.stages)
    chosen = recipe.model_copy(update={"stages": stages})
    run_recipe(chosen, Options(resume=True, stages=spec.base.stages, quiet=quiet))


def find_base(spec: ReproduceConfig, recipe: RecipeConfig, runs: Sequence[Path]) -> Base:
    """The stages that arms take, each from the first run that has a whole checkpoint of it.

    Raises: UsageError naming the stage that none has.
    """
    stages: dict[str, Path] = {}
    for name in dict.fromkeys(spec.base.take.values()):
        folders = [run / name for run in runs if checkpoints.newest(run / name)[0] is not None]
        if not folders:
            where = ", ".join(map(str, runs))
            raise UsageError(f"--base: there is no whole checkpoint of stage {name!r} in {where}")
        stages[name] = folders[0]
    for pattern, name in spec.base.take.items():
        if pattern.startswith("lm"):
            return Base(stages, stages[name].parent, recipe)
    raise UsageError(f"base.take must say where lm.* comes from, it has {list(spec.base.take)}")


def scaled(stage: StageConfig, scale: float) -> StageConfig:
    """A stage with so much more or fewer steps."""
    changes = {
        "steps": max(1, round(stage.steps * scale)),
        "warmup_steps": round(stage.warmup_steps * scale),
    }
    if stage.schedule_steps is not None:
        changes["schedule_steps"] = max(1, round(stage.schedule_steps * scale))
    return stage.model_copy(update=changes)


def arm_recipe(
    spec: ReproduceConfig, base: Base, arm: str, seed: int, scale: float, out: str
) -> RecipeConfig:
    """The training recipe of an arm: its first stage starts from the base, others go on."""
    config = spec.arms[arm]
    stages = []
    for number, name in enumerate(config.stages):
        stage = scaled(spec.stage(name), scale)
        update: dict[str, Any] = {"init": dict(spec.base.take) if number == 0 else None}
        if config.segments is not None:
            update["data"] = stage.data.model_copy(update={"segments": config.segments})
        stages.append(stage.model_copy(update=update))
    # Where a run lies must not be part of what it is.
    return base.recipe.model_copy(
        update={"stages": tuple(stages), "seed": seed, "out": out, "name": f"{spec.name}-{arm}"}
    )


def run_arm(recipe: RecipeConfig, base: Base, test: Path, how: TestConfig, folder: Path) -> Any:
    """Trains an arm in `folder`/run, measures it. Returns its rows.

    Going on where it stopped. Checkpoints are removed when the arm is done; the model stays.
    """
    run = folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base.tokenizer / "tokenizer.json", run / "tokenizer.json")
    first = sorted(base.stages, key=lambda name: base.stages[name].parent == base.tokenizer)
    reuse = {name: str(base.stages[name]) for name in first}  # the encoder's run first: its phones
    model = run_recipe(
        recipe.model_copy(update={"out": str(run)}), Options(resume=True, reuse=reuse, quiet=True)
    )
    rows = measured(model, test, recipe, how)
    for stage in recipe.stages:
        for checkpoint in (run / stage.name).glob("step-*"):
            shutil.rmtree(checkpoint)
    return {"rows": rows}


def measured(
    model: Path, test: Path, recipe: RecipeConfig, how: TestConfig
) -> list[dict[str, Any]]:
    """BLEU and lag of a model at every k, on talks and on sentences."""
    system = recipe.system
    talks = shuffled(load_talks(test), TEST_SEED)
    interpreter = load(model, rows=how.batch)
    request = Request(system.src_lang, system.tgt_lang)
    sets = {
        "talks": talk_items(talks, system.tgt_lang, how.talks),
        "sentences": sentence_items(talks, system.tgt_lang, how.sentences),
    }
    rows = []
    for on, items in sets.items():
        for k in how.ks:
            found = measure(interpreter, items, request, WaitK(k, system.n), on, batch=how.batch)
            lag_ms = found.laal_ms or None  # 0 where nothing was written
            rows.append({"on": on, "point": f"k={k}", "bleu": found.bleu, "laal_ms": lag_ms})
    return rows
