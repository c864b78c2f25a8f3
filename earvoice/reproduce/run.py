"""Runs a reproduction: base, parts, arms, live claims, each a task, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.reproduce.corpora import by_direction, digest_of
from earvoice.reproduce.live import run_policy, run_recompute
from earvoice.reproduce.spec import ArmsClaim, PolicyClaim, RecomputeClaim, ReproduceConfig
from earvoice.reproduce.tasks import Task
from earvoice.reproduce.trained import (
    Base,
    arm_recipe,
    base_recipe,
    find_base,
    part_recipe,
    run_arm,
    scaled,
    train_base,
    train_part,
    with_corpora,
)
from earvoice.reproduce.verdicts import Observation
from earvoice.train import checkpoint as checkpoints
from earvoice.train.stage import RecipeConfig

Say = Callable[[str], None]
WAIT_S = 5.0


@dataclass(frozen=True)
class Choice:
    """What to run, on what, where to.

    test, corpus: folders of talks; for systems with directions one for each, in any order. corpus:
    what arms are trained on; none where no claim needs one. base: finished runs to start from;
    none: train one.
    """

    claims: tuple[str, ...]
    seeds: tuple[int, ...]
    test: tuple[Path, ...]
    out: Path
    corpus: tuple[Path, ...] = ()
    base: tuple[Path, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True)
class Reproduction:
    """A reproduction that was chosen: its tasks, by what they are for."""

    spec: ReproduceConfig
    choice: Choice
    base: Task | None
    parts: tuple[Task, ...]
    arms: Mapping[tuple[str, int], Task]
    live: Mapping[tuple[str, int], Task]

    def tasks(self) -> Iterator[Task]:
        """All of them; a seed of everything before the next seed."""
        if self.base is not None:
            yield self.base
        yield from self.parts
        for seed in self.choice.seeds:
            for group in (self.arms, self.live):
                yield from (task for (_, of), task in group.items() if of == seed)

    def models(self, claim: str) -> list[str]:
        """The finished models that a claim was measured with; more than one is a mixture."""
        found = (self.live.get((claim, seed)) for seed in self.choice.seeds)
        results = (task.result() for task in found if task is not None)
        return sorted({str(result["model"]) for result in results if result is not None})

    def observations(self, claim: str) -> list[Observation]:
        """All that was measured for a claim so far."""
        config = self.spec.claims[claim]
        found = []
        if isinstance(config, ArmsClaim):
            for arm in config.arms:
                for seed in self.choice.seeds:
                    found += _observed(self.arms[arm, seed], seed, arm)
            return found
        for seed in self.choice.seeds:
            found += _observed(self.live[claim, seed], seed, None)
        return found


def prepare(spec: ReproduceConfig, spec_file: Path, choice: Choice) -> Reproduction:
    """The tasks of a choice; nothing is run.

    Raises: UsageError for a claim that is none, and for a base without the stages needed.
    """
    for name in choice.claims:
        if name not in spec.claims:
            raise UsageError(f"--claims: {name!r} is none of {', '.join(spec.claims)}")
    arms = spec.arms_of(choice.claims)
    if arms and not choice.corpus:
        raise UsageError("--corpus is missing: it is what the arms are trained on")
    shared = _Shared(spec, spec_file, choice, arms)
    return Reproduction(
        spec,
        choice,
        shared.base_task(),
        tuple(shared.part_task(name) for name in shared.parts),
        {(arm, seed): shared.arm_task(arm, seed) for seed in choice.seeds for arm in arms},
        {
            (name, seed): _live_task(spec, name, seed, choice, shared.data["test"])
            for seed in choice.seeds
            for name in choice.claims
            if not isinstance(spec.claims[name], ArmsClaim)
        },
    )


class _Shared:
    """What the tasks of trained arms have in common: recipes, where a start lies, data."""

    def __init__(
        self, spec: ReproduceConfig, file: Path, choice: Choice, arms: Sequence[str]
    ) -> None:
        self.spec, self.file, self.choice = spec, file, choice
        corpus = choice.corpus or choice.test
        self.data = {"test": digest_of(choice.test), "corpus": digest_of(corpus) if arms else ""}
        self.whole = self.recipe(choice.out / "base" / "run")
        own = self.recipe(choice.out / "base" / "run", spec.base.changes)
        stages = tuple(scaled(stage, choice.scale) for stage in own.stages)
        self.base = own.model_copy(update={"stages": stages})
        self.trains_base = bool(arms) and not choice.base
        self.runs = choice.base if choice.base else (Path(own.out),)
        if arms and choice.base:
            find_base(spec, own, self.runs)
        self.parts = tuple(name for name in spec.parts_of(tuple(arms)) if not self._there(name))
        self.runs += tuple(self._part_out(name) for name in self.parts)
        if arms:
            self._check_directions(arms)

    def recipe(self, out: Path, changes: Sequence[str] = ()) -> RecipeConfig:
        """The recipe with some changes, on the corpora."""
        corpus = self.choice.corpus or self.choice.test
        return base_recipe(self.spec, self.file, corpus, out, changes)

    def base_task(self) -> Task | None:
        """The shared start, where it is not given."""
        if not self.trains_base:
            return None
        own = self.recipe(Path(), self.spec.base.changes)
        plan = own.model_copy(update={"out": "", "corpus": ()})

        def work(folder: Path) -> Mapping[str, Any]:
            train_base(self.spec, with_corpora(self.base), self.whole)
            return {"rows": []}

        key = {
            "recipe": plan.model_dump(mode="json"),
            "stages": self.spec.base.stages,
            "scale": self.choice.scale,
            "corpus": self.data["corpus"],
        }
        return Task(self.choice.out / "base" / "shared", key, work)

    def part_task(self, name: str) -> Task:
        """Another start, with the base's vocabulary."""
        part, choice = self.spec.parts[name], self.choice
        recipe = self.recipe(self._part_out(name), part.changes)
        recipe = part_recipe(part, recipe, choice.scale)

        def work(folder: Path) -> Mapping[str, Any]:
            train_part(with_corpora(recipe), find_base(self.spec, self.base, self.runs))
            return {"rows": []}

        plan = recipe.model_copy(update={"out": "", "corpus": ()})
        key = {
            "says": part.what,
            "recipe": plan.model_dump(mode="json"),
            "corpus": self.data["corpus"],
        }
        return Task(choice.out / f"base-{name}" / "shared", key, work)

    def arm_task(self, arm: str, seed: int) -> Task:
        """One arm with one seed."""
        spec, choice = self.spec, self.choice
        recipe = self._arm_recipe(arm)
        plan = arm_recipe(spec, Base({}, Path(), recipe), arm, seed, choice.scale, out="")
        key = {
            **self.data,
            "recipe": plan.model_copy(update={"corpus": ()}).model_dump(mode="json"),
            "base": [run.name for run in choice.base],
            "scale": choice.scale,
            "how": spec.test.model_dump(mode="json"),
        }

        def work(folder: Path) -> Any:
            base = find_base(spec, recipe, self.runs, arm)
            return run_arm(plan, base, choice.test, spec.test, folder)

        return Task(choice.out / arm / f"seed-{seed}", key, work)

    def _arm_recipe(self, arm: str) -> RecipeConfig:
        changes = (*self.spec.changes, *self.spec.arms[arm].changes)
        return self.recipe(Path(self.base.out), changes)

    def _there(self, part: str) -> bool:
        """Whether the given runs have all of a part."""
        return all(
            any(checkpoints.newest(run / stage)[0] is not None for run in self.choice.base)
            for stage in self.spec.parts[part].names
        )

    def _part_out(self, name: str) -> Path:
        return self.choice.out / f"base-{name}" / "run"

    def _check_directions(self, arms: Sequence[str]) -> None:
        """That there is a corpus and a test set for every direction, before anything is run."""
        for recipe in (self.base, *map(self._arm_recipe, arms)):
            with_corpora(recipe)
            if recipe is not self.base:
                directions = getattr(recipe.system, "directions", ())
                by_direction(self.choice.test, directions, "--test")


def run(reproduction: Reproduction, say: Say) -> list[str]:
    """Does all that is not done. Returns what other processes still hold.

    `say` hears of each task as it begins and ends.
    """
    tasks = list(reproduction.tasks())
    busy = []
    for number, task in enumerate(tasks, 1):
        if task.result() is not None:
            continue
        say(f"{number} of {len(tasks)}: {task.name}")
        start_s = time.monotonic()
        while not task.run():
            if task is not reproduction.base and task not in reproduction.parts:
                busy.append(task.name)
                say(f"{task.name} is being done by another process")
                break
            time.sleep(WAIT_S)
        else:
            say(f"{task.name} done in {time.monotonic() - start_s:.0f} s")
    return busy


def describe(reproduction: Reproduction) -> list[str]:
    """One line per task: what it is and whether it is done."""
    lines = []
    spec, scale = reproduction.spec, reproduction.choice.scale
    for (arm, _), task in reproduction.arms.items():
        plan = [scaled(spec.stage(name), scale) for name in spec.arms[arm].stages]
        stages = [f"{stage.name} {stage.steps} steps" for stage in plan]
        lines.append(f"{task.name}: {', '.join(stages)}{_state(task)}")
    lines += [f"{task.name}: measured live{_state(task)}" for task in reproduction.live.values()]
    starts = [f"{task.name}: {task.key['says']}{_state(task)}" for task in reproduction.parts]
    if reproduction.base is not None:
        task = reproduction.base
        starts.insert(0, f"{task.name}: {', '.join(spec.base.stages)}{_state(task)}")
    return [*starts, *lines]


def _state(task: Task) -> str:
    return " (done)" if task.result() is not None else ""


def _live_task(spec: ReproduceConfig, name: str, seed: int, choice: Choice, test: str) -> Task:
    claim = spec.claims[name]

    def work(folder: Path) -> Mapping[str, Any]:
        if isinstance(claim, RecomputeClaim):
            return run_recompute(claim, seed, choice.test[0], folder)
        if isinstance(claim, PolicyClaim):
            return run_policy(claim, seed, choice.test[0], folder)
        raise TypeError(f"{name} is not measured live")

    how = claim.model_dump(mode="json", exclude={"paper", "statements", "title", "remarks"})
    key = {"how": how, "test": test, "seed": seed}
    return Task(choice.out / name / f"seed-{seed}", key, work)


def _observed(task: Task, seed: int, arm: str | None) -> list[Observation]:
    result = task.result()
    rows: Sequence[Mapping[str, Any]] = [] if result is None else result["rows"]
    return [
        Observation(
            arm or row["arm"],
            seed,
            row["on"],
            row["point"],
            {name: value for name, value in row.items() if isinstance(value, int | float)},
        )
        for row in rows
    ]
