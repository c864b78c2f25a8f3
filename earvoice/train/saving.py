"""A stage's checkpoints: where it goes on, what it starts from, and saving on a full disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from earvoice.errors import CheckpointError
from earvoice.train import checkpoint as checkpoints
from earvoice.train.base import digest_of, frozen_of, write_base
from earvoice.train.checkpoint import Checkpoint
from earvoice.train.distributed import Ranks
from earvoice.train.errors import TrainingError
from earvoice.train.log import RESUMED, NoLog, TrainLog

_log = logging.getLogger("earvoice.train")


def found_to_resume(run: Any, digest: str | None, log: TrainLog | NoLog) -> Checkpoint | None:
    """The newest whole checkpoint of a stage; None when there is none at all.

    run: a `StageRun`. digest: of the frozen weights the stage starts from now.
    Raises: CheckpointError when all are damaged; TrainingError for another configuration, or
        other weights to start from.
    """
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
        return None
    _check_lineage(found, run)
    if found.base not in (None, digest):
        raise TrainingError(
            f"{found.path}: its frozen weights were others than those the stage starts from now; "
            "resume with the same `init` and `--reuse`, or choose another `out`"
        )
    note = {"note": f"{RESUMED}{found.path.name}"}
    changed = [key for key in ("torch", "python", "threads") if _differs(found, run.lineage, key)]
    if changed:
        note["other"] = ", ".join(changed)
    log.write(found.step, note)
    return found


def _differs(found: Checkpoint, lineage: Any, key: str) -> bool:
    """Whether the weights may differ in their last bits from an unbroken run's."""
    return key in lineage and found.state.get(key) != lineage[key]


def _check_lineage(found: Checkpoint, run: Any) -> None:
    lineage = run.lineage
    if found.state.get("config_hash") != lineage.get("config_hash"):
        raise TrainingError(
            f"{found.path}: was made with another configuration "
            f"({found.state.get('config_hash')!r}, now {lineage.get('config_hash')!r}); "
            "resume with the same recipe and overrides, train this stage anew "
            f"(--stages {run.stage.name} without --resume), or choose another `out`"
        )
    anew = f"train this stage anew (--stages {run.stage.name} without --resume)"
    for source in _others(found, lineage, "start"):
        raise TrainingError(
            f"{found.path}: it started from other weights than those that {source!r} has now; "
            f"{anew}, or choose another `out`"
        )
    for name in _others(found, lineage, "files"):
        raise TrainingError(
            f"{found.path}: was made with another {name} than the one there is now; put back the "
            f"one of then, {anew}, or choose another `out`"
        )


def _others(found: Checkpoint, lineage: Mapping[str, Any], key: str) -> list[str]:
    """Names of what has another digest than when the checkpoint was written.

    What either of them does not know, as one that was written before there were digests, is not
    compared.
    """
    before, now = found.state.get(key), lineage.get(key, {})
    if not isinstance(before, dict):
        return []
    return [name for name, digest in now.items() if before.get(name, digest) != digest]


def frozen_digest(system: nn.Module) -> str | None:
    """Of the frozen weights; None when everything is learnt."""
    frozen = frozen_of(system)
    return digest_of(frozen) if frozen else None


def keep_frozen(run: Any, system: nn.Module, digest: str | None) -> None:
    """Writes the frozen weights beside the stage's checkpoints. Raises: TrainingError."""
    if digest is None:
        return
    try:
        write_base(run.folder, frozen_of(system), digest)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"stage {run.stage.name!r}: its frozen weights cannot be written into {run.folder}: "
            f"{error}"
        ) from error


def first_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds something that is no number; None for none."""
    for name, tensor in tensors:
        # Of a tensor in shares, the share: each rank looks at its own.
        own = tensor.to_local() if hasattr(tensor, "to_local") else tensor
        if own.is_floating_point() and not bool(torch.isfinite(own.detach()).all()):
            return name
    return None


def _check_finite(run: Any, system: nn.Module, step: int) -> None:
    """That what is learnt are numbers. Raises: TrainingError."""
    learnt = ((name, p) for name, p in system.named_parameters() if p.requires_grad)
    name = first_not_finite(learnt)
    if name is not None:
        raise TrainingError(
            f"stage {run.stage.name!r}: {name} is not finite after step {step}, which is not "
            "saved; the checkpoint before is kept. Lower lr and train the stage anew"
        )


def save_step(
    run: Any, system: nn.Module, optim: torch.optim.Optimizer, state: dict[str, Any], ranks: Ranks
) -> None:
    """Saves a step; what was saved before stays whole. All ranks call it.

    Raises: TrainingError when it cannot be written, or holds what is no number, on all ranks.
    """
    step = state["step"]
    with ranks.together():
        _check_finite(run, system, step)
    try:
        if ranks.shard:
            checkpoints.save(run.folder, system, optim, state, ranks)
        else:
            with ranks.together():
                if ranks.rank == 0:
                    checkpoints.save(run.folder, system, optim, state)
    except (OSError, SafetensorError, CheckpointError) as error:
        if ranks.rank == 0:
            shutil.rmtree(run.folder / f"step-{step:08d}.tmp", ignore_errors=True)
        raise TrainingError(
            f"stage {run.stage.name!r}: step {step} cannot be saved in {run.folder}: {error}; "
            "earlier checkpoints are whole: make room, then --resume"
        ) from error
