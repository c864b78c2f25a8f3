"""The one training loop: a stage's objective over a stage's batches."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

from earvoice.errors import CheckpointError, ConfigError, EarvoiceError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.examples import Examples
from earvoice.train.freeze import freeze
from earvoice.train.log import TrainLog
from earvoice.train.optim import learning_rate, optimiser, set_learning_rate
from earvoice.train.stage import StageConfig
from earvoice.train.utterances import UtteranceExamples

_log = logging.getLogger("earvoice.train")

MAX_NON_FINITE = 5
LOG_EVERY_STEPS = 10


class TrainingError(EarvoiceError):
    """Training cannot go on: non-finite losses, a folder in use."""

    exit_code = 6


@dataclass(frozen=True)
class StageRun:
    """Everything a stage needs to run."""

    stage: StageConfig
    examples: Examples | UtteranceExamples
    folder: Path
    lineage: Mapping[str, Any]
    validate: Callable[[int], Mapping[str, float]] | None = None


def run_stage(system: Any, run: StageRun, *, resume: bool, quiet: bool = False) -> None:
    """Trains one stage to its end; with `resume`, from the newest whole checkpoint.

    On the CPU in float32 or bfloat16 with one thread, an interrupted and resumed run ends with
    the same bytes as an unbroken one: batches are a function of the step, saves happen between
    steps, and the only random state is the batch's.

    Raises: TrainingError after a few non-finite steps in a row (none is skipped silently);
    CheckpointError when there is something to resume and all of it is damaged.
    """
    stage = run.stage
    check_objective(stage, system.objectives)
    freeze(system, stage.trainable)
    optim = optimiser(system, stage)
    with _flushed_denormals(), contextlib.closing(TrainLog(run.folder)) as log:
        start = _resume(system, optim, run, log) if resume else 0
        system.train()
        with _progress(quiet) as progress:
            _train(system, optim, run, start, log, progress)


@contextlib.contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Denormals are zero while training (vanishing gradients are slow otherwise), not after."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def check_objective(stage: StageConfig, objectives: Collection[str]) -> None:
    """Raises: ConfigError for an objective the system does not have."""
    if stage.objective not in objectives:
        raise ConfigError(
            f"stage {stage.name!r}: objective is {stage.objective!r}, "
            f"it must be one of {', '.join(sorted(objectives))}"
        )


def _train(
    system: Any,
    optim: torch.optim.Optimizer,
    run: StageRun,
    start: int,
    log: TrainLog,
    progress: Any,
) -> None:
    """The steps from `start` to the stage's end: learn, report, validate, save."""
    stage, objective = run.stage, system.objectives[run.stage.objective]
    task = progress.add_task(stage.name, total=stage.steps, completed=start, note="")
    guard, speed = _Guard(stage.name, log), _Speed()
    for step in range(start, stage.steps):
        _ramp(run, step)
        rate = learning_rate(stage, step)
        set_learning_rate(optim, rate)
        losses = _step(system, objective, optim, run, step, speed)
        done = step + 1
        guard.check(done, losses)
        if done % LOG_EVERY_STEPS == 0 or done == stage.steps:
            rates = speed.take()
            log.write(done, {**losses, **rates, "lr": rate, "skipped_steps": guard.skipped})
            note = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress.update(task, note=f"{note} {rates['tokens_per_s']:.0f} tokens/s")
        progress.update(task, completed=done)
        if run.validate is not None and _due(done, stage.validate_every_steps, stage.steps):
            system.eval()
            log.write(done, run.validate(done))
            system.train()
            speed.take()
        if _due(done, stage.save_every_steps, stage.steps):
            state = {**run.lineage, "stage": stage.name, "step": done}
            checkpoints.save(run.folder, system, optim, state)


class _Speed:
    """How much was learnt from per second since the last report."""

    def __init__(self) -> None:
        self.audio_s, self.tokens = 0.0, 0
        self._since = time.perf_counter()

    def take(self) -> dict[str, float]:
        """The rates, and begins anew."""
        now = time.perf_counter()
        spent_s = now - self._since
        rates = {"audio_per_s": self.audio_s / spent_s, "tokens_per_s": self.tokens / spent_s}
        self.audio_s, self.tokens, self._since = 0.0, 0, now
        return rates


class _Guard:
    """Counts the steps that were skipped because a loss or gradient was not finite."""

    def __init__(self, stage: str, log: TrainLog) -> None:
        self._stage, self._log = stage, log
        self.skipped = 0
        self._in_a_row = 0

    def check(self, done: int, losses: Mapping[str, float]) -> None:
        """Raises: TrainingError after too many in a row."""
        if is_finite(losses):
            self._in_a_row = 0
            return
        self.skipped += 1
        self._in_a_row += 1
        self._log.write(done, {"skipped": "not finite", "skipped_steps": self.skipped, **losses})
        if self._in_a_row >= MAX_NON_FINITE:
            raise TrainingError(
                f"stage {self._stage!r}: {self._in_a_row} non-finite losses in a row at step "
                f"{done}; lower lr or clip_norm, or look for empty words in the data"
            )


def is_finite(losses: Mapping[str, float]) -> bool:
    """Whether a step's loss and gradient norm may change the weights."""
    return math.isfinite(losses["grad_norm"]) and math.isfinite(losses["loss"])


def _step(
    system: nn.Module,
    objective: Callable[[Any], Mapping[str, Tensor]],
    optim: torch.optim.Optimizer,
    run: StageRun,
    step: int,
    speed: _Speed,
) -> dict[str, float]:
    """One optimiser step: accumulation, clipping, non-finite guard. Returns the mean losses."""
    stage = run.stage
    optim.zero_grad(set_to_none=True)
    means: dict[str, float] = {}
    for part in range(stage.accumulate):
        batch = run.examples.batch(step * stage.accumulate + part)
        with torch.autocast("cpu", torch.bfloat16, enabled=stage.precision == "bfloat16"):
            losses = objective(batch)
        (losses["loss"] / stage.accumulate).backward()
        for name, value in losses.items():
            means[name] = means.get(name, 0.0) + value.detach().item() / stage.accumulate
        speed.audio_s, speed.tokens = speed.audio_s + batch.audio_s, speed.tokens + batch.tokens
    trainable = [p for group in optim.param_groups for p in group["params"]]
    means["grad_norm"] = nn.utils.clip_grad_norm_(trainable, stage.clip_norm).item()
    if is_finite(means):
        optim.step()
    return means


def _resume(system: nn.Module, optim: torch.optim.Optimizer, run: StageRun, log: TrainLog) -> int:
    """Puts the newest whole checkpoint in place. Returns the steps already done."""
    found, problems = checkpoints.newest(run.folder)
    for problem in problems:
        log.write(0, {"skipped_checkpoint": problem})
        _log.warning("stage %s: skipped a checkpoint: %s", run.stage.name, problem)
    if found is None and problems:
        raise CheckpointError(
            f"{run.folder}: no checkpoint is whole ({problems[0]}); train without resuming to "
            "start over"
        )
    if found is None:
        log.write(0, {"note": "nothing to resume: starting from step 0"})
        return 0
    if found.state.get("config_hash") != run.lineage.get("config_hash"):
        raise TrainingError(
            f"{found.path}: was made with another configuration "
            f"({found.state.get('config_hash')!r}, now {run.lineage.get('config_hash')!r}); "
            "resume with the same recipe and overrides, or choose another `out`"
        )
    found.restore(system, optim)
    log.write(found.step, {"note": f"resumed from {found.path.name}"})
    return found.step


def _ramp(run: StageRun, step: int) -> None:
    """Grows the augmentation's strength over the first steps of a stage."""
    augment = run.examples.collator.augment
    if augment is not None and run.stage.augment_ramp_steps:
        augment.strength = min(1.0, step / run.stage.augment_ramp_steps)


def _due(done: int, every: int, last: int) -> bool:
    return bool(every) and (done % every == 0 or done == last)


def _progress(quiet: bool) -> Any:
    if quiet:
        return contextlib.nullcontext(_Silent())
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        refresh_per_second=1,
    )


class _Silent:
    """A progress display that shows nothing."""

    def add_task(self, *args: Any, **kwargs: Any) -> int:
        return 0

    def update(self, *args: Any, **kwargs: Any) -> None:
        return None
