"""The one training loop: a stage's objective over a stage's batches."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from earvoice.errors import ConfigError
from earvoice.train.agent_turns import AgentExamples
from earvoice.train.batches import SUBSTITUTE, Ahead, Batches
from earvoice.train.blocks import recomputed
from earvoice.train.conversations import ConversationExamples
from earvoice.train.device import moved
from earvoice.train.distributed import Alone, Objective, Ranks, share_of
from earvoice.train.errors import TrainingError
from earvoice.train.examples import Examples
from earvoice.train.freeze import freeze
from earvoice.train.log import NoLog, TrainLog
from earvoice.train.optim import learning_rate, optimiser, set_learning_rate
from earvoice.train.progress import progress_display
from earvoice.train.retrieval import RetrieveExamples
from earvoice.train.saving import found_to_resume, frozen_digest, keep_frozen, save_step
from earvoice.train.speed import Speed
from earvoice.train.stage import StageConfig
from earvoice.train.utterances import TextExamples, UtteranceExamples

AnyExamples: TypeAlias = (
    Examples
    | UtteranceExamples
    | TextExamples
    | AgentExamples
    | RetrieveExamples
    | ConversationExamples
)

MAX_NON_FINITE = 5
LOG_EVERY_STEPS = 10

__all__ = ["StageRun", "TrainingError", "check_objective", "is_finite", "run_stage"]


@dataclass(frozen=True)
class StageRun:
    """Everything a stage needs to run."""

    stage: StageConfig
    examples: AnyExamples
    folder: Path
    lineage: Mapping[str, Any]
    validate: Callable[[int], Mapping[str, float]] | None = None


@dataclass(frozen=True)
class _Job:
    """A stage that is under way."""

    run: StageRun
    system: Any
    objective: Objective
    optim: torch.optim.Optimizer
    ranks: Ranks
    device: torch.device
    batches: Batches
    log: TrainLog | NoLog
    base: str | None


def run_stage(
    system: Any,
    run: StageRun,
    *,
    resume: bool,
    quiet: bool = False,
    ranks: Ranks | None = None,
    device: torch.device | None = None,
    ahead: int = 0,
) -> None:
    """Trains one stage to its end; with `resume`, from the newest whole checkpoint.

    On the CPU in float32 or bfloat16 with one thread, an interrupted and resumed run ends with
    the same bytes as an unbroken one of as many ranks: batches are a function of the step, saves
    happen between steps, and the only random state is the batch's. With sharding (`ranks.shard`)
    the system is left in shares: its whole weights are in the last checkpoint.
    ahead: batches that are made while others are learnt from; 0 makes each when it is needed.

    Raises: TrainingError after a few non-finite steps in a row (none is skipped silently), too
    many unreadable recordings, or when a checkpoint cannot be written; CheckpointError when there
    is something to resume and all of it is damaged.
    """
    ranks, device = ranks or Alone(), device or torch.device("cpu")
    check_objective(run.stage, system.objectives)
    check_ranks(run.stage, ranks)
    freeze(system, run.stage.trainable)
    recomputing = recomputed(system) if run.stage.recompute else contextlib.nullcontext()
    with contextlib.closing(_log(run, ranks, resume=resume)) as log:
        digest = ranks.lead(lambda: frozen_digest(system))
        found = ranks.lead(lambda: found_to_resume(run, digest, log)) if resume else None
        ranks.lead(lambda: keep_frozen(run, system, digest))
        with _flushed_denormals(), recomputing, progress_display(quiet or ranks.rank > 0) as shown:
            job = _job(system, run, ranks, device, log, digest)
            if found is not None:
                with ranks.together():
                    found.restore(system, job.optim)
            system.train()
            start = 0 if found is None else found.step
            with _batches(job, start, ahead):
                _train(job, start, shown)
        if not ranks.shard:
            system.cpu()


def _log(run: StageRun, ranks: Ranks, *, resume: bool) -> TrainLog | NoLog:
    return TrainLog(run.folder, over=not resume) if ranks.rank == 0 else NoLog()


def _job(
    system: Any,
    run: StageRun,
    ranks: Ranks,
    device: torch.device,
    log: TrainLog | NoLog,
    base: str | None,
) -> _Job:
    """Brings the system to its device, sharded where asked for, and makes the optimiser."""
    system.to(device)
    objective = ranks.wrap(system, system.objectives[run.stage.objective])
    optim = optimiser(system, run.stage)
    batches = Batches(run.stage.name, functools.partial(_made, run), log)
    return _Job(run, system, objective, optim, ranks, device, batches, log, base)


@contextlib.contextmanager
def _batches(job: _Job, start: int, ahead: int) -> Iterator[None]:
    """Makes batches ahead, from the step `start` on, where asked for."""
    if not ahead:
        yield
        return
    parts = job.run.stage.accumulate
    numbers = (
        step * parts + part
        for step in range(start, job.run.stage.steps)
        for part in share_of(parts, job.ranks, job.run.stage.name)
    )
    made = Ahead(functools.partial(_made, job.run), numbers, ahead)
    job.batches.make = made
    try:
        yield
    finally:
        made.close()


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


def check_ranks(stage: StageConfig, ranks: Ranks) -> None:
    """Raises: ConfigError for a stage that so many processes cannot share."""
    share_of(stage.accumulate, ranks, stage.name)
    if ranks.shard and stage.muon:
        raise ConfigError(
            f"stage {stage.name!r}: muon is {list(stage.muon)}, with --shard it must be []: it "
            "needs whole matrices"
        )


def _train(job: _Job, start: int, progress: Any) -> None:
    """The steps from `start` to the stage's end: learn, report, save, validate."""
    run, log, stage = job.run, job.log, job.run.stage
    task = progress.add_task(stage.name, total=stage.steps, completed=start, note="")
    guard, speed = _Guard(stage.name, log), Speed(job.ranks, job.device, stage.precision)
    for step in range(start, stage.steps):
        rate = learning_rate(stage, step)
        set_learning_rate(job.optim, rate)
        losses = _step(job, step, speed)
        done = step + 1
        guard.check(done, losses)
        if done % LOG_EVERY_STEPS == 0 or done == stage.steps:
            rates = speed.take()
            counts = {"skipped_steps": guard.skipped, **_bad(job)}
            log.write(done, {**losses, **rates, "lr": rate, **counts})
            note = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress.update(task, note=f"{note} {rates['tokens_per_s']:.0f} tokens/s")
        progress.update(task, completed=done)
        if _due(done, stage.save_every_steps, stage.steps):
            base = {} if job.base is None else {"base": job.base}
            state = {**run.lineage, **base, "stage": stage.name, "step": done}
            save_step(run, job.system, job.optim, state, job.ranks)
        if _due(done, stage.validate_every_steps, stage.steps):
            _validate(job, done)  # after saving: a validation that fails must cost no step


def _bad(job: _Job) -> dict[str, int]:
    """How many batches were replaced on all ranks."""
    return {"bad_batches": round(job.ranks.total({"bad": job.batches.bad})["bad"])}


def _validate(job: _Job, done: int) -> None:
    """Scores of the system as it stands, by rank 0, on the processor."""
    run, system = job.run, job.system
    if run.validate is None:
        return
    if job.ranks.shard:
        job.log.write(done, {"note": "no validation while the weights are sharded"})
        return
    with job.ranks.together():
        if job.ranks.rank == 0:
            system.eval().cpu()
            job.log.write(done, run.validate(done))
            system.train().to(job.device)


class _Guard:
    """Counts the steps that were skipped because a loss or gradient was not finite."""

    def __init__(self, stage: str, log: TrainLog | NoLog) -> None:
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


def _step(job: _Job, step: int, speed: Speed) -> dict[str, float]:
    """One optimiser step: accumulation, clipping, non-finite guard. Returns the mean losses."""
    stage, optim = job.run.stage, job.optim
    optim.zero_grad(set_to_none=True)
    means: dict[str, float] = {}
    for part in share_of(stage.accumulate, job.ranks, stage.name):
        with job.ranks.together():
            batch = job.batches[step * stage.accumulate + part]
        losses = _losses(job, batch, speed)
        (losses["loss"] / stage.accumulate).backward()
        for name, value in losses.items():
            means[name] = means.get(name, 0.0) + value.detach().item() / stage.accumulate
    trainable = [p for group in optim.param_groups for p in group["params"]]
    job.ranks.sum_gradients(trainable)
    means = job.ranks.total(means)
    norm = nn.utils.clip_grad_norm_(trainable, stage.clip_norm)
    means["grad_norm"] = _whole(norm).item()
    if is_finite(means):
        optim.step()
    return means


def _losses(job: _Job, batch: Any, speed: Speed) -> Mapping[str, Tensor]:
    """The forward pass of a batch, in the stage's precision."""
    kind, half = job.device.type, job.run.stage.precision == "bfloat16"
    # What an objective makes (positions, masks) is made where the weights are.
    where = contextlib.nullcontext() if kind == "cpu" else job.device
    with speed.batch(batch), where, torch.autocast(kind, torch.bfloat16, enabled=half):
        return job.objective(moved(batch, job.device))


def _whole(norm: Tensor) -> Tensor:
    """The number behind a norm that is spread over ranks."""
    found: Tensor = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # type: ignore[operator]
    return found


def _made(run: StageRun, number: int) -> Any:
    """A batch; the augmentation's strength grows over the first steps of a stage."""
    augment = run.examples.collator.augment
    if augment is not None and run.stage.augment_ramp_steps:
        step = number % SUBSTITUTE // run.stage.accumulate
        augment.strength = min(1.0, step / run.stage.augment_ramp_steps)
    return run.examples.batch(number)


def _due(done: int, every: int, last: int) -> bool:
    return bool(every) and (done % every == 0 or done == last)
