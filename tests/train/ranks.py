"""Real processes for tests of training: forked with torch already loaded, to start fast."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from earvoice.data.lock import FolderLock
from earvoice.models.llm import LlamaConfig
from earvoice.models.lora import LoraConfig
from earvoice.models.splice import Answer
from earvoice.models.whisper import WhisperConfig
from earvoice.systems.llast import Llast, LlastConfig
from earvoice.text.prompt import Prompt
from earvoice.train import checkpoint as checkpoints
from earvoice.train.distributed import join
from earvoice.train.loop import StageRun, run_stage
from earvoice.train.stage import StageConfig

LORA = ("adapter.*", "*.lora_a", "*.lora_b")
ALL = ("*",)


def llast(seed: int = 0) -> Llast:
    """A LLaST of a few thousand numbers, with dropout in its LoRA."""
    torch.manual_seed(seed)
    system = Llast(
        LlastConfig(
            directions=("en-de",),
            encoder=WhisperConfig(mels=8, dim=16, layers=2, heads=2, ffn_dim=32, frames=20),
            adapter_layers=2,
            llm=LlamaConfig(vocab_size=40, dim=16, layers=2, heads=2, kv_heads=1, ffn_dim=32),
            speech_lora=LoraConfig(rank=3, alpha=6.0, dropout=0.2),
            llm_lora=LoraConfig(rank=4, alpha=8.0, dropout=0.2),
            segment_ms=100,
        )
    )
    system.initialise()
    return system


@dataclass(frozen=True)
class Batch:
    """What LLaST's objective reads."""

    samples: torch.Tensor
    counts: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    answers: tuple[Answer, ...]
    seed: int
    audio_s: float = 0.4
    tokens: int = 6


@dataclass
class Draws:
    """Batches by number. `bad` cannot be made; `spoilt` have no finite loss; `order` is what was
    asked for."""

    bad: tuple[int, ...] = ()
    spoilt: tuple[int, ...] = ()
    error: Callable[[], Exception] = lambda: OSError("a bad sample")
    order: list[int] = field(default_factory=list)

    class collator:
        augment = None

    def batch(self, step: int) -> Batch:
        self.order.append(step)
        if step in self.bad:
            raise self.error()
        rng = torch.Generator().manual_seed(step)
        samples = 0.1 * torch.randn(2, 3200, generator=rng)
        if step in self.spoilt:
            samples[:] = float("nan")
        words = torch.randint(2, 40, (2, 3), generator=rng).tolist()
        return Batch(
            samples=samples,
            counts=(3200, 2500),
            prompts=(Prompt((1, 3), (4, 5)),) * 2,
            answers=tuple(Answer(tuple(ids), 3) for ids in words),
            seed=step,
        )


def stage(**changes: Any) -> StageConfig:
    values = {"name": "s", "objective": "translate", "trainable": LORA, "steps": 12, "lr": 0.02}
    values |= {"warmup_steps": 2, "save_every_steps": 3, "accumulate": 2, "precision": "float32"}
    return StageConfig(**(values | changes))


@dataclass(frozen=True)
class Run:
    """A stage in a folder, by one process or several."""

    folder: Path
    world: int = 1
    shard: bool = False
    resume: bool = False
    draws: Draws = field(default_factory=Draws)
    stage: StageConfig = field(default_factory=stage)
    ahead: int = 0
    """Batches that are made in a thread."""
    seed: int = 0
    """Of the weights it starts from."""
    locked: bool = False
    """Whether rank 0 takes the folder's lock, as a recipe does."""
    before: Callable[[int], None] = lambda rank: None
    """Called in each process first."""


def start(run: Run) -> list[Any]:
    """The processes of a run, which are under way."""
    _preload()
    context = multiprocessing.get_context("fork")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run.folder.mkdir(parents=True, exist_ok=True)
    processes = [
        context.Process(target=_process, args=(run, rank, port)) for rank in range(run.world)
    ]
    for process in processes:
        process.start()
    return processes


def wait(processes: list[Any], timeout_s: float = 100) -> list[int]:
    """Exit codes."""
    for process in processes:
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError("a process hangs")
    return [process.exitcode for process in processes]


def hold(folder: Path) -> Any:
    """A process that holds the lock of a folder until it is killed."""
    holding, held = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(folder, held))
    process.start()
    assert holding.recv()
    return process


def _hold(folder: Path, held: Any) -> None:
    with FolderLock(folder):
        held.send(True)
        time.sleep(1000)


def train(run: Run) -> Path:
    """Runs it to its end. Returns its folder."""
    codes = wait(start(run))
    assert codes == [0] * run.world, said(run.folder)
    return run.folder


def fail(run: Run) -> list[str]:
    """Runs it to an error in every process. Returns what each said last."""
    codes = wait(start(run))
    assert 0 not in codes, codes
    return [text.strip().splitlines()[-1] for text in said(run.folder)]


def said(folder: Path) -> list[str]:
    """The errors of the processes."""
    return [path.read_text() for path in sorted(folder.glob("rank*.err"))]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of the newest checkpoint."""
    found, problems = checkpoints.newest(folder)
    assert found is not None, problems
    assert problems == []
    return found.weights()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether all bytes are equal."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def furthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest difference of two numbers."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def records(folder: Path) -> list[dict[str, Any]]:
    """The log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def own_tensors(step: Path) -> dict[str, torch.Tensor]:
    """What a step's own files hold of the model."""
    return load_file(step / "model.safetensors")


def _process(run: Run, rank: int, port: int) -> None:
    torch.set_num_threads(1)
    error_file = run.folder / f"rank{rank}.err"
    error_file.unlink(missing_ok=True)
    if run.world > 1 or run.shard:
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(run.world), LOCAL_RANK=str(rank))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    run.before(rank)
    try:
        ranks = join(shard=run.shard)
        job = StageRun(run.stage, run.draws, run.folder, {"config_hash": "h"})  # type: ignore[arg-type]
        with contextlib.ExitStack() as held:
            with ranks.together():
                if run.locked and rank == 0:
                    held.enter_context(FolderLock(run.folder))
            run_stage(
                llast(run.seed), job, resume=run.resume, quiet=True, ranks=ranks, ahead=run.ahead
            )
        ranks.close()
    except BaseException:  # noqa: BLE001 - the other process reads what it was
        error_file.write_text(traceback.format_exc()[-2000:])
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


@functools.cache
def _preload() -> None:
    """Loads once what every process would load again."""
    import torch.distributed.checkpoint
    import torch.distributed.checkpoint.hf_storage
    import torch.distributed.fsdp
    import torch.utils.tensorboard  # noqa: F401
