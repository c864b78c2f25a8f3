"""What the tasks of trained arms have in common: recipes, where a start lies, data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.models.files import MANIFEST
from earvoice.reproduce.corpora import by_direction, digest_of
from earvoice.reproduce.spec import ReproduceConfig
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
from earvoice.train import checkpoint as checkpoints
from earvoice.train.stage import RecipeConfig


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


class Shared:
    """The starts and the arms of a choice, as tasks."""

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
            "recipe": _said(plan),
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
            "recipe": _said(plan),
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
            "recipe": _said(plan.model_copy(update={"corpus": ()})),
            "base": self._given(arm),
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

    def _given(self, arm: str) -> dict[str, str]:
        """What an arm starts from in the given runs: by stage, the hash that seals its weights.

        Not the runs' names: another run of the same name is another start.
        """
        found: dict[str, str] = {}
        for stage in self.spec.take_of(arm).values():
            for run in self.choice.base:
                there, _ = checkpoints.newest(run / stage)
                if there is not None and stage not in found:
                    seal = (there.path / MANIFEST).read_bytes()
                    found[stage] = hashlib.sha256(seal).hexdigest()
        return found

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


def _said(recipe: RecipeConfig) -> dict[str, Any]:
    """What a recipe says; what it leaves open is left out, so that new fields change nothing."""
    found: dict[str, Any] = recipe.model_dump(mode="json", exclude_defaults=True)
    return found
