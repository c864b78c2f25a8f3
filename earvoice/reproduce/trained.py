"""Arms that train a model: from the shared base through an arm's stages, then measured."""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench import conversations
from earvoice.bench.quality import Item, measure, sentence_items, shuffled, talk_items
from earvoice.config import load_yaml
from earvoice.data.conversations import load_conversations
from earvoice.data.manifest import load_talks
from earvoice.errors import UsageError
from earvoice.loading import load
from earvoice.policies import WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.reproduce.corpora import by_direction
from earvoice.reproduce.spec import PartConfig, ReproduceConfig, TestConfig
from earvoice.session import Request
from earvoice.sessions.frame import FrameInterpreter
from earvoice.text.tokenizer import FILE_NAME as TOKENIZER_FILE
from earvoice.train import checkpoint as checkpoints
from earvoice.train.recipe import Options, run_recipe
from earvoice.train.stage import RecipeConfig, StageConfig
from earvoice.train.start import asked_for
from earvoice.train.vocabulary import vocabulary

TEST_SEED = 1
"""Of the choice of test items: the same for all arms and seeds."""


@dataclass(frozen=True)
class Base:
    """The shared start. stages: folders by name. tokenizer: the run whose vocabulary it is."""

    stages: Mapping[str, Path]
    tokenizer: Path
    recipe: RecipeConfig


def base_recipe(
    spec: ReproduceConfig,
    spec_file: Path,
    corpus: Sequence[Path],
    out: Path,
    changes: Sequence[str] = (),
) -> RecipeConfig:
    """The recipe of the base with some changes, the corpus and where it goes."""
    recipe = load_yaml(spec_file.parent / spec.base.recipe, RecipeConfig, changes)
    folders = tuple(str(folder) for folder in corpus)
    return recipe.model_copy(
        update={"corpus": folders, "dev_corpus": "", "out": str(out)}, deep=True
    )


def train_base(spec: ReproduceConfig, recipe: RecipeConfig, whole: RecipeConfig) -> None:
    """Trains the base's stages, going on where they stopped.

    whole: the recipe without the base's changes, whose vocabulary serves everybody.
    """
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    vocabulary(whole, out, {})
    run_recipe(recipe, Options(resume=True, stages=spec.base.stages, quiet=True))


def part_recipe(part: PartConfig, recipe: RecipeConfig, scale: float) -> RecipeConfig:
    """The recipe with a part's stages instead of its own."""
    known = {stage.name: stage for stage in recipe.stages}
    missing = [stage for stage in part.like.values() if stage not in known]
    if missing:
        raise UsageError(f"parts: the recipe has no stage {missing[0]!r}, but {', '.join(known)}")
    like = [
        known[old].model_copy(update={"name": new, "init": {}}) for new, old in part.like.items()
    ]
    stages = tuple(scaled(stage, scale) for stage in (*like, *part.stages))
    return recipe.model_copy(update={"stages": stages})


def train_part(recipe: RecipeConfig, base: Base) -> None:
    """Trains a part with the base's vocabulary, going on where it stopped."""
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base.tokenizer / TOKENIZER_FILE, out / TOKENIZER_FILE)
    known = asked_for(recipe)
    reuse = {name: str(folder) for name, folder in base.stages.items() if name in known}
    run_recipe(recipe, Options(resume=True, reuse=reuse, quiet=True))


def find_base(
    spec: ReproduceConfig, recipe: RecipeConfig, runs: Sequence[Path], arm: str | None = None
) -> Base:
    """The stages that an arm takes, each from the first run that has a whole checkpoint of it.

    arm: None for what the base alone says.
    Raises: UsageError naming the stage that none has.
    """
    take = spec.base.take if arm is None else spec.take_of(arm)
    stages: dict[str, Path] = {}
    for name in dict.fromkeys([*spec.base.take.values(), *take.values()]):
        folders = [run / name for run in runs if checkpoints.newest(run / name)[0] is not None]
        if not folders:
            where = ", ".join(map(str, runs))
            raise UsageError(f"--base: there is no whole checkpoint of stage {name!r} in {where}")
        stages[name] = folders[0]
    for pattern, name in spec.base.take.items():
        if pattern == "*" or pattern.startswith("lm"):
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
        update: dict[str, Any] = {"init": spec.take_of(arm) if number == 0 else None}
        if config.segments is not None:
            update["data"] = stage.data.model_copy(update={"segments": config.segments})
        stages.append(stage.model_copy(update=update))
    # Where a run lies must not be part of what it is.
    return base.recipe.model_copy(
        update={"stages": tuple(stages), "seed": seed, "out": out, "name": f"{spec.name}-{arm}"}
    )


def with_corpora(recipe: RecipeConfig) -> RecipeConfig:
    """For systems with directions: each stage of speech gets its folder for each of them.

    Raises: UsageError for a direction that none of the recipe's folders serves.
    """
    directions = getattr(recipe.system, "directions", ())
    if not directions:
        return recipe
    corpora = by_direction([Path(folder) for folder in recipe.corpus], directions, "--corpus")

    def spoken(stage: StageConfig) -> StageConfig:
        mixture = stage.utterances
        if mixture is None or mixture.source == "text":
            return stage
        mixture = mixture.model_copy(update={"corpora": corpora})
        return stage.model_copy(update={"utterances": mixture})

    # Phonemes are numbered over all talks of `corpus`: those that serve, in the same order.
    folders = tuple(dict.fromkeys(corpora.values()))
    stages = tuple(spoken(stage) for stage in recipe.stages)
    return recipe.model_copy(update={"stages": stages, "corpus": folders})


def run_arm(
    recipe: RecipeConfig, base: Base, test: Sequence[Path], how: TestConfig, folder: Path
) -> Any:
    """Trains an arm in `folder`/run, measures it. Returns its rows.

    Going on where it stopped. Checkpoints are removed when the arm is done; the model stays.
    """
    run = folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base.tokenizer / TOKENIZER_FILE, run / TOKENIZER_FILE)
    first = sorted(base.stages, key=lambda name: base.stages[name].parent == base.tokenizer)
    known = asked_for(recipe)  # the encoder's run first: its phones
    reuse = {name: str(base.stages[name]) for name in first if name in known}
    recipe = with_corpora(recipe.model_copy(update={"out": str(run)}))
    model = run_recipe(recipe, Options(resume=True, reuse=reuse, quiet=True))
    rows = measured(model, test, recipe, how)
    for stage in recipe.stages:
        for weights in (*(run / stage.name).glob("step-*"), run / stage.name / "base"):
            shutil.rmtree(weights, ignore_errors=True)
    return {"rows": rows}


def measured(
    model: Path, test: Sequence[Path], recipe: RecipeConfig, how: TestConfig
) -> list[dict[str, Any]]:
    """BLEU and lag of a model at every k, on talks and on sentences, or on every direction's.

    A system with directions has a row `all` besides: the mean over them.
    """
    system: Any = recipe.system
    interpreter = load(model, rows=how.batch)
    if isinstance(interpreter, FrameInterpreter):
        return measured_conversations(interpreter, test, how)
    rows = []
    for on, request, items in _sets(system, test, how):
        for k in how.ks:
            found = measure(interpreter, items, request, WaitK(k, system.n), on, batch=how.batch)
            offline = k == OFFLINE_K
            # An utterance that is heard to its end has no lag; nor has one where nothing came.
            rows.append(
                {
                    "on": on,
                    "point": "offline" if offline else f"k={k}",
                    "bleu": found.bleu,
                    "bleu_low": found.bleu_low,
                    "bleu_high": found.bleu_high,
                    "laal_ms": None if offline else found.laal_ms or None,
                }
            )
    return rows + _over_directions(rows)


def measured_conversations(
    interpreter: FrameInterpreter, test: Sequence[Path], how: TestConfig
) -> list[dict[str, Any]]:
    """Words, translations and lag with two people: of all turns, with and without overlap."""
    found = [item for folder in test for item in load_conversations(folder)]
    random.Random(TEST_SEED).shuffle(found)
    heard = conversations.measure(interpreter, found[: how.talks or None], batch=how.batch)
    rows = [
        {"on": on, "point": "live", **conversations.figures(heard, on)} for on in conversations.SETS
    ]
    return [row for row in rows if row["turns"]]


def _sets(
    system: Any, test: Sequence[Path], how: TestConfig
) -> list[tuple[str, Request, list[Item]]]:
    """Name of the test set, what is asked for, what is heard."""
    directions = getattr(system, "directions", ())
    if directions:
        folders = by_direction(test, directions, "--test")
        found = []
        for (src, tgt), folder in zip(system.pairs, folders.values(), strict=True):
            talks = shuffled(load_talks(Path(folder)), TEST_SEED)
            items = sentence_items(talks, tgt, how.sentences)
            found.append((f"{src}-{tgt}", Request(src, tgt), items))
        return found
    talks = shuffled((talk for folder in test for talk in load_talks(folder)), TEST_SEED)
    request = Request(system.src_lang, system.tgt_lang)
    sets = []
    if how.talks:
        sets.append(("talks", request, talk_items(talks, system.tgt_lang, how.talks)))
    if how.sentences:
        sets.append(("sentences", request, sentence_items(talks, system.tgt_lang, how.sentences)))
    return sets


def _over_directions(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over directions at every point; none where there is only one, or none."""
    parts = [row for row in rows if "-" in row["on"]]
    if len({row["on"] for row in parts}) < 2:
        return []
    return [
        {
            "on": "all",
            "point": point,
            "bleu": statistics.fmean(row["bleu"] for row in parts if row["point"] == point),
        }
        for point in dict.fromkeys(row["point"] for row in parts)
    ]
