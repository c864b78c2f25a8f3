"""Memory and time of the transducer loss, against the form that holds all scores at once.

Each form runs in a fresh process: the joiner, the loss and all gradients of one batch, once to
warm up on a tenth of the frames and then for the record. Memory is the process's peak beyond what
it had before the batch.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.live import Progress, silent_progress
from earvoice.bench.machine import describe
from earvoice.errors import EarvoiceError
from earvoice.units import Seconds

FORMS = ("plain", "sliced")
_STATUS = Path("/proc/self/status")
_PROBE = """\
import json, sys
from earvoice.bench.rnnt import probe
sys.stdout.write(json.dumps(probe(sys.argv[1], *map(int, sys.argv[2:]))))
"""


@dataclass(frozen=True)
class RnntSettings:
    """Sizes of the batch: items, frames, target tokens, vocabulary, width of the joiner."""

    batch: int = 8
    frames: int = 400
    tokens: int = 60
    vocabulary: int = 4096
    joint: int = 256
    seed: int = 1
    timeout_s: Seconds = 3600.0


def run(settings: RnntSettings, progress: Progress = silent_progress) -> dict[str, Any]:
    """Measures; the keys of `earvoice bench rnnt --json`. CPU seconds of one thread.

    Raises: EarvoiceError when a form cannot be run, as when the memory does not suffice.
    """
    found: dict[str, Any] = {"benchmark": "rnnt", **describe(), "seed": settings.seed}
    for name in ("batch", "frames", "tokens", "vocabulary", "joint"):
        found[name] = getattr(settings, name)
    measured = {}
    for form in FORMS:
        progress(f"the {form} form")
        measured[form] = _measured(form, settings)
        found[f"{form}_s"] = round(measured[form]["cpu_s"], 3)
        found[f"{form}_mib"] = round(measured[form]["peak_mib"], 1)
    plain, sliced = (measured[form] for form in FORMS)
    return found | {
        "memory_ratio": round(sliced["peak_mib"] / plain["peak_mib"], 4),
        "time_ratio": round(sliced["cpu_s"] / plain["cpu_s"], 3),
        "loss_difference": abs(sliced["loss"] - plain["loss"]) / abs(plain["loss"]),
        "gradient_difference": abs(sliced["gradient"] - plain["gradient"]) / plain["gradient"],
    }


def probe(
    form: str, batch: int, frames: int, tokens: int, vocabulary: int, joint: int, seed: int
) -> dict[str, float]:
    """One form in this process: loss, norm of the gradients, CPU seconds and MiB at the peak."""
    import torch

    torch.set_num_threads(1)
    _pass(form, batch, max(1, frames // 10), tokens, vocabulary, joint, seed)
    before_mib, begun_s = _status_mib("VmRSS"), time.process_time()
    loss, gradient = _pass(form, batch, frames, tokens, vocabulary, joint, seed)
    spent_s = time.process_time() - begun_s
    peak_mib = max(_status_mib("VmHWM") - before_mib, 0.1)
    return {"loss": loss, "gradient": gradient, "cpu_s": spent_s, "peak_mib": peak_mib}


def _pass(
    form: str, batch: int, frames: int, tokens: int, vocabulary: int, joint: int, seed: int
) -> tuple[float, float]:
    """Joiner, loss and gradients of one batch."""
    import torch

    from earvoice.nn.losses.rnnt import lattice, plain_lattice, rnnt_loss

    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, frames, joint), (batch, tokens + 1, joint), (vocabulary, joint))
    enc, pred, weight = (torch.randn(shape, generator=generator) for shape in shapes)
    weight *= joint**-0.5
    inputs = (enc, pred, weight, torch.zeros(vocabulary))
    targets = torch.randint(1, vocabulary, (batch, tokens), generator=generator)
    for value in inputs:
        value.requires_grad_()
    compute = plain_lattice if form == "plain" else lattice
    scores = compute(*inputs, targets)
    counts = torch.full((batch,), frames), torch.full((batch,), tokens)
    loss = rnnt_loss(scores, *counts).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    grads = [value.grad for value in inputs if value.grad is not None]
    norm = torch.stack([grad.double().square().sum() for grad in grads]).sum().sqrt()
    return loss.item(), norm.item()


def _measured(form: str, settings: RnntSettings) -> dict[str, float]:
    sizes = (
        settings.batch,
        settings.frames,
        settings.tokens,
        settings.vocabulary,
        settings.joint,
        settings.seed,
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, form, *map(str, sizes)],
            capture_output=True,
            text=True,
            check=True,
            timeout=settings.timeout_s,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it was ended, perhaps for memory"])[-1]
        raise EarvoiceError(f"the {form} form of the loss failed: {last}") from error
    except subprocess.TimeoutExpired as error:
        raise EarvoiceError(
            f"the {form} form of the loss took more than {settings.timeout_s:.0f} s"
        ) from error
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _status_mib(key: str) -> float:
    """Memory of this process now (VmRSS) or at its peak (VmHWM), in MiB."""
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
