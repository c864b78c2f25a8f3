"""How long a fresh process takes to the first caption, and where the time goes.

    process starts                                         first word on standard output
    |---------- earvoice translate TALK --clock ideal ------------|      first_caption_s

    |-- python --|-- import torch --|-- load --|-- first steps --|       the same, in its parts

Every figure is the median of several fresh processes. The first runs of a day read files from
disk; they are run once before anything is counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.live import Progress, silent_progress
from earvoice.bench.machine import describe
from earvoice.errors import EarvoiceError
from earvoice.units import Seconds

_IMPORT = """\
import json, sys, time
start_s, cpu_s = time.perf_counter(), time.process_time()
import earvoice
wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "torch": "torch" in sys.modules}))
"""

_PROBE = """\
import sys
from earvoice.bench.startup_probe import main
main(sys.argv[1], sys.argv[2])
"""


@dataclass(frozen=True)
class StartupSettings:
    """The model folder, a recording in which something is said, and how many processes."""

    model: Path
    talk: Path
    runs: int = 5
    timeout_s: Seconds = 120.0


@dataclass(frozen=True)
class FirstCaption:
    """One start of `earvoice translate`: wall and CPU seconds to the first committed words."""

    wall_s: Seconds
    cpu_s: Seconds


def run(settings: StartupSettings, progress: Progress = silent_progress) -> dict[str, Any]:
    """Measures; the keys of `earvoice bench startup --json` that are not about the model.

    Raises: EarvoiceError when a process fails or says nothing.
    """
    progress("warming the file cache")
    first_caption(settings)
    captions, splits, imports, helps = [], [], [], []
    for number in range(settings.runs):
        progress(f"process {number + 1} of {settings.runs}")
        captions.append(first_caption(settings))
        splits.append(_probe(settings))
        imports.append(json.loads(_output([sys.executable, "-c", _IMPORT], settings.timeout_s)))
        start_s = time.monotonic()
        _output([*_command(), "--help"], settings.timeout_s)
        helps.append(time.monotonic() - start_s)
    return {
        "benchmark": "startup",
        **describe(),
        "threads": 1,
        "runs": settings.runs,
        "first_caption_s": _median([caption.wall_s for caption in captions]),
        "first_caption_best_s": round(min(caption.wall_s for caption in captions), 4),
        "first_caption_cpu_s": _median([caption.cpu_s for caption in captions]),
        "import_s": _median([found["wall_s"] for found in imports]),
        "import_cpu_s": _median([found["cpu_s"] for found in imports]),
        "imports_torch": any(found["torch"] for found in imports),
        "help_s": _median(helps),
        "split": {name: _median([split[name] for split in splits]) for name in splits[0]},
    }


def first_caption(settings: StartupSettings) -> FirstCaption:
    """Starts `earvoice translate` on the whole talk at once and waits for its first commit."""
    arguments = ["--model", str(settings.model), "--clock", "ideal", "--format", "jsonl"]
    command = [*_command(), "translate", str(settings.talk), *arguments]
    before = os.times()
    start_s = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stdout is not None
        wall_s = None
        for line in process.stdout:
            if json.loads(line)["event"]["type"] == "commit":
                wall_s = time.monotonic() - start_s
                break
        process.kill()
        said = process.communicate(timeout=settings.timeout_s)[1]
    after = os.times()
    if wall_s is None:
        reason = " ".join(said.split())[-300:] or "the model wrote nothing"
        raise EarvoiceError(f"earvoice translate gave no caption: {reason}")
    spent_s = after.children_user + after.children_system
    return FirstCaption(wall_s, spent_s - before.children_user - before.children_system)


def _probe(settings: StartupSettings) -> dict[str, Seconds]:
    """The parts of a start, from a process that does the same step by step."""
    started_s = time.monotonic()
    command = [sys.executable, "-c", _PROBE, str(settings.model), str(settings.talk)]
    stamps: dict[str, Seconds] = json.loads(_output(command, settings.timeout_s))
    # Both processes read the same monotonic clock of the system.
    stages = list(stamps.items())
    edges = [started_s, *(at_s for _, at_s in stages)]
    return {name: edges[index + 1] - edges[index] for index, (name, _) in enumerate(stages)}


def _command() -> list[str]:
    return [sys.executable, "-m", "earvoice.cli"]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def _output(command: Sequence[str], timeout_s: Seconds) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=_environment(),
        check=False,
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise EarvoiceError(f"a measured process failed with code {done.returncode}: {reason}")
    return done.stdout


def _median(values: Sequence[Seconds]) -> Seconds:
    return round(statistics.median(values), 4)
