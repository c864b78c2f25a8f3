"""What a figure was measured on, and one thread to measure with."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from earvoice import __version__

_CPU_INFO = Path("/proc/cpuinfo")
_PROCESSES = Path("/proc")
MIB = 1 << 20


def describe() -> dict[str, Any]:
    """Machine, versions and date, as every benchmark reports them.

    `load_1min` is the machine's load average when the benchmark began: well above 0 means that
    other work ran beside it, and that wall times are to be read with care.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu_name(),
            "cores": _cores(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        },
        "versions": {
            "earvoice": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": importlib.metadata.version("numpy"),
        },
    }


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one thread, and puts the former number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resident_mib(pid: int | None = None) -> float | None:
    """Memory of a process (this one) that is in RAM, in MiB; None where the system does not say."""
    process = "self" if pid is None else str(pid)
    try:
        pages = int((_PROCESSES / process / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def children(pid: int) -> tuple[int, ...]:
    """The processes that a process has started; none where the system does not say."""
    try:
        found = (_PROCESSES / f"{pid}/task/{pid}/children").read_text()
    except OSError:
        return ()
    return tuple(map(int, found.split()))


def _cpu_name() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
