"""The one training loop: a stage's objective over a stage's batches."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
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

from earvoice.errors import EarvoiceError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.examples import Examples
from earvoice.train.freeze import freeze
from earvoice.train.log import TrainLog
from earvoice.train.optim import learning_rate, optimiser, set_learning_rate
from earvoice.train.stage import StageConfig

MAX_NON_FINITE = 5
LOG_EVERY_STEPS = 10


class TrainingError(EarvoiceError):
    """Training cannot go on: non-finite losses, a folder in use."""

    exit_code = 6


@dataclass(frozen=True)
class StageRun:
    """Everything a stage needs to run."""

    stage: StageConfig
    examples: Examples
    folder: Path
    lineage: Mapping[str, Any]
    validate: Callable[[int], Mapping[str, float]] | None = None


def run_stage(system: Any, run: StageRun, *, resume: bool, quiet: bool = False) -> None:
    """Trains one stage to its end; with `resume`, from the newest whole checkpoint.

    On the CPU in float32 or bfloat16 with one thread, an interrupted and resumed run ends with
    the same bytes as an unbroken one: batches are a function of the step, saves happen between
    steps, and the only random state is the batch's.

    Raises: TrainingError after a few non-finite steps in a row (none is skipped silently).
    """
    stage = run.stage
    torch.set_flush_denormal(True)
    freeze(system, stage.trainable)
    optim = optimiser(system, stage)
    start = _resume(system, optim, run) if resume else 0
    log = TrainLog(run.folder)
    objective = system.objectives[stage.objective]
    system.train()
    bad = 0
    clock, audio_s, tokens = time.perf_counter(), 0.0, 0
    with _progress(quiet) as progress:
        task = progress.add_task(stage.name, total=stage.steps, completed=start, note="")
        for step in range(start, stage.steps):
            _ramp(run, step)
            set_learning_rate(optim, learning_rate(stage, step))
            losses, heard_s, seen = _step(system, objective, optim, run, step)
            audio_s, tokens = audio_s + heard_s, tokens + seen
            bad = 0 if losses["finite"] else bad + 1
            if bad >= MAX_NON_FINITE:
                raise TrainingError(
                    f"stage {stage.name!r}: {bad} non-finite losses in a row at step {step}; "
                    "lower lr or clip_norm, or look for empty words in the data"
                )
            done = step + 1
            if done % LOG_EVERY_STEPS == 0 or done == stage.steps:
                spent = time.perf_counter() - clock
                rates = {"audio_per_s": audio_s / spent, "tokens_per_s": tokens / spent}
                log.write(done, {**losses, **rates, "lr": learning_rate(stage, step)})
                clock, audio_s, tokens = time.perf_counter(), 0.0, 0
                note = " ".join(f"{k} {v:.3f}" for k, v in losses.items() if k != "finite")
                progress.update(task, note=f"{note} {rates['tokens_per_s']:.0f} tokens/s")
            progress.update(task, completed=done)
            if run.validate is not None and _due(done, stage.validate_every_steps, stage.steps):
                system.eval()
                log.write(done, run.validate(done))
                system.train()
                clock, audio_s, tokens = time.perf_counter(), 0.0, 0
            if _due(done, stage.save_every_steps, stage.steps):
                state = {**run.lineage, "stage": stage.name, "step": done}
                checkpoints.save(run.folder, system, optim, state)
    log.close()


def _step(
    system: nn.Module,
    objective: Callable[[Any], Mapping[str, Tensor]],
    optim: torch.optim.Optimizer,
    run: StageRun,
    step: int,
) -> tuple[dict[str, float], float, int]:
    """One optimiser step: accumulation, clipping, non-finite guard. Returns losses and sizes."""
    stage = run.stage
    optim.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    audio_s, tokens = 0.0, 0
    for part in range(stage.accumulate):
        batch = run.examples.batch(step * stage.accumulate + part)
        with torch.autocast("cpu", torch.bfloat16, enabled=stage.precision == "bfloat16"):
            losses = objective(batch)
        (losses["loss"] / stage.accumulate).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value) / stage.accumulate
        audio_s, tokens = audio_s + batch.audio_s, tokens + batch.tokens
    trainable = [p for group in optim.param_groups for p in group["params"]]
    norm = float(nn.utils.clip_grad_norm_(trainable, stage.clip_norm))
    finite = math.isfinite(norm) and math.isfinite(sums["loss"])
    if finite:
        optim.step()
    return {**sums, "grad_norm": norm, "finite": float(finite)}, audio_s, tokens


def _resume(system: nn.Module, optim: torch.optim.Optimizer, run: StageRun) -> int:
    found, problems = checkpoints.newest(run.folder)
    log = TrainLog(run.folder)
    for problem in problems:
        log.write(0, {"skipped_checkpoint": problem})
    log.close()
    if found is None:
        return 0
    for key in ("config_hash",):
        if found.state.get(key) != run.lineage.get(key):
            raise TrainingError(
                f"{found.path}: was made with another configuration "
                f"({found.state.get(key)!r}, now {run.lineage.get(key)!r}); "
                "resume with the same recipe and overrides, or choose another `out`"
            )
    found.restore(system, optim)
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
