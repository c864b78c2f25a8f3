"""Runs a reproduction: base, parts, arms, live claims, each a task, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.reproduce.agent_claims import run_agent
from earvoice.reproduce.live import run_policy, run_recompute
from earvoice.reproduce.shared import Choice, Shared
from earvoice.reproduce.spec import (
    AgentClaim,
    ArmsClaim,
    PolicyClaim,
    RecomputeClaim,
    ReproduceConfig,
)
from earvoice.reproduce.tasks import Task
from earvoice.reproduce.trained import scaled
from earvoice.reproduce.verdicts import Observation

Say = Callable[[str], None]
WAIT_S = 5.0


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
    shared = Shared(spec, spec_file, choice, arms)
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
        if isinstance(claim, AgentClaim):
            return run_agent(claim, seed)
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
