"""Whether a server stays as it was: real-time streams for long, what they lag and what they keep.

    |-- settling, a third: buffers that are bounded fill --|-- earlier half --|-- later half --|
                                                           |  slope of memory                  |
                                                           |  p99 of lag      |  p99 of lag    |

Lag is the time from the sending of the last sample that a commit renders to its arrival; memory
that of the server and of its engine. A leak of memory is a slope, one of time a drift.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earvoice.bench.machine import children, describe, resident_mib
from earvoice.bench.serve import (
    Listener,
    Say,
    packets_of,
    quantile,
    speak,
    start_server,
    stop,
)
from earvoice.units import Seconds

_SETTLING = 1 / 3
_LOOKS = 180
"""Looks at the memory in a run."""


@dataclass(frozen=True)
class SoakSettings:
    """`streams` at once, each of `seconds` of speech; `seed`: of the phases they speak at."""

    model: str
    talk: Path
    streams: int
    seconds: Seconds
    seed: int = 1


def run(settings: SoakSettings, say: Say) -> dict[str, Any]:
    """The object of `earvoice bench serve --soak N --json` (keys: docs/performance.md)."""
    machine = describe()
    listeners, memory, counts = asyncio.run(_measure(settings, say))
    halves = [_half(listeners, settings.seconds, later=later) for later in (False, True)]
    slope = _slope_mib_per_hour(memory, settings.seconds)
    return {
        "benchmark": "serve --soak",
        "model": settings.model,
        "streams": settings.streams,
        "seconds": settings.seconds,
        "commits": sum(len(listener.lags_s) for listener in listeners),
        **counts,
        "memory_slope_mib_per_hour": slope,
        "memory_slope_mib_per_hour_per_session": (
            None if slope is None else round(slope / settings.streams, 3)
        ),
        "memory": [{"at_s": round(at_s), "mib": round(mib, 2)} for at_s, mib in memory],
        "earlier": halves[0],
        "later": halves[1],
        "lag_p99_drift": _drift(halves[0]["lag_p99_s"], halves[1]["lag_p99_s"]),
        **machine,
    }


async def _measure(
    settings: SoakSettings, say: Say
) -> tuple[list[Listener], list[tuple[Seconds, float]], dict[str, int]]:
    options = ["--set", f"max_sessions={settings.streams}"]
    options += ["--set", f"limits.max_session_s={settings.seconds + 600}"]
    server, url = await asyncio.to_thread(start_server, settings.model, options)
    memory: list[tuple[Seconds, float]] = []
    watch = asyncio.create_task(_watch(server.pid, settings, memory, say))
    try:
        packets = packets_of(settings.talk, settings.seconds)
        listeners = [Listener() for _ in range(settings.streams)]
        dice = random.Random(settings.seed)
        clients = await asyncio.gather(
            *(speak(url, packets, listener, dice.uniform(0, 1)) for listener in listeners)
        )
    finally:
        watch.cancel()
        await stop(server)
    counts = {
        name: sum(getattr(client.counts, name) for client in clients)
        for name in ("reconnects", "lost_events", "repeated_events")
    }
    return listeners, memory, counts


async def _watch(
    pid: int, settings: SoakSettings, memory: list[tuple[Seconds, float]], say: Say
) -> None:
    """Look at the memory now and then, for ever."""
    began_s, every_s = time.monotonic(), settings.seconds / _LOOKS
    for look in itertools.count(1):
        await asyncio.sleep(every_s)
        at_s = time.monotonic() - began_s
        kept = [resident_mib(one) for one in (pid, *children(pid))]
        mib = sum(one for one in kept if one is not None)
        if mib:
            memory.append((at_s, mib))
        if look % (_LOOKS // 18) == 0:
            say(f"{at_s:.0f} of {settings.seconds:.0f} s, {mib:.0f} MiB")


def _half(listeners: list[Listener], seconds: Seconds, *, later: bool) -> dict[str, Any]:
    """Quantiles of lag over one half of what follows the settling."""
    begin_s = seconds * (_SETTLING + (1 - _SETTLING) / 2 * later)
    end_s = begin_s + seconds * (1 - _SETTLING) / 2
    lags = sorted(
        lag
        for listener in listeners
        for heard_s, lag in zip(listener.heard_s, listener.lags_s, strict=True)
        if begin_s <= heard_s < end_s
    )
    return {f"lag_p{p}_s": quantile(lags, p / 100) for p in (50, 95, 99)}


def _slope_mib_per_hour(memory: list[tuple[Seconds, float]], seconds: Seconds) -> float | None:
    rest = [(at_s / 3600, mib) for at_s, mib in memory if at_s >= seconds * _SETTLING]
    if len(rest) < 3:
        return None
    hours, mib = np.array(rest).T
    return round(float(np.polyfit(hours, mib, 1)[0]), 3)


def _drift(earlier_s: Seconds | None, later_s: Seconds | None) -> float | None:
    """By how much the later is more, as a share."""
    if not earlier_s or later_s is None:
        return None
    return round(later_s / earlier_s - 1, 4)
