"""What one more second of audio costs after ten seconds, a minute, half an hour.

Streams of every age run side by side, one segment each in turn, with a reference product timed
after every segment, so that a disturbance of the machine meets all of them alike:

    age    10 s   60 s   300 s   1800 s   gemm   (next place)
    turn    s0     s0     s0      s0       .      s1 ...          one period: until it slides again

The language model's window slides once in `window - keep` segments and the step that slides costs
more, so costs are averaged over whole periods: the median over periods for each place, then the
mean over the places.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.bench.live import (
    Cost,
    Progress,
    TimedInterpreter,
    noise_segment,
    silent_progress,
)
from earvoice.bench.machine import MIB, describe, one_thread, resident_mib
from earvoice.bench.model import Subject, pinned
from earvoice.bench.recompute import Recompute
from earvoice.bench.reference import ReferenceGemm
from earvoice.session import Session
from earvoice.units import Seconds

YOUNG_PLACES = 3
"""Segments measured of a stream whose window is not full yet: its cost still grows."""


@dataclass(frozen=True)
class GrowthSettings:
    """What to measure.

    elapsed_s: ages of the streams; recompute_s: those of them at which the recomputing arm runs
    too; periods: slides of the window to average over; tokens: decoded after each segment.
    """

    elapsed_s: tuple[Seconds, ...] = (10.0, 60.0, 300.0, 1800.0)
    recompute_s: tuple[Seconds, ...] = (10.0, 60.0, 300.0)
    periods: int = 8
    tokens: int = 4
    seed: int = 1


class Lane:
    """A stream of one age, and what its segments cost: [periods, places, 2] (encoder, rest)."""

    def __init__(
        self, timed: TimedInterpreter, elapsed_s: Seconds, settings: GrowthSettings
    ) -> None:
        self.elapsed_s = elapsed_s
        self._timed, self._seed = timed, settings.seed
        append = timed.inner.settings
        period = append.window - append.keep
        target = max(1, round(elapsed_s / timed.segment_s))
        self.young = target < append.window + period
        self.places = min(YOUNG_PLACES, period) if self.young else period
        centred = target - settings.periods * period // 2
        self.first = target if self.young else max(append.window, centred)
        self.costs: NDArray[np.float64] = np.zeros((settings.periods, self.places, 2))
        self.gemm: NDArray[np.float64] = np.zeros((settings.periods, self.places))
        self._session: Session = timed.open()
        self.segments = 0

    def restart(self) -> None:
        """A young stream has grown past its age: it begins again. Others go on."""
        if self.young and self.segments > self.first:
            del self._session  # gives its row back; finishing would decode to a model's end
            self._session, self.segments = self._timed.open(), 0
            self.drive_to(self.first)

    def drive_to(self, segments: int) -> None:
        """Pushes audio, as fast as it goes, until so many segments have been read."""
        while self.segments < segments:
            self.push()

    def push(self) -> Cost:
        """One more segment."""
        size = self._timed.inner.segment_samples
        samples = noise_segment(self._seed, self.segments, size)
        self.segments += 1
        return self._timed.push(self._session, samples)[0]

    def measure(self, period: int, place: int, gemm: ReferenceGemm) -> None:
        """One more segment, recorded, and the reference right after it."""
        cost = self.push()
        self.costs[period, place] = cost.encoder_s, cost.lm_s
        self.gemm[period, place] = gemm.time_s()

    def seconds(self) -> NDArray[np.float64]:
        """CPU seconds per segment, encoder and rest: median over periods, mean over places."""
        return np.median(self.costs, axis=0).mean(axis=0)

    def gemm_s(self) -> float:
        """CPU seconds of the reference beside this lane, robust in the same way."""
        return float(np.median(self.gemm, axis=0).mean())


def run(
    subject: Subject, settings: GrowthSettings, progress: Progress = silent_progress
) -> dict[str, Any]:
    """Measures; the object of `earvoice bench growth --json` (keys: docs/performance.md)."""
    ages = sorted(settings.elapsed_s)
    with one_thread():
        live = pinned(subject.interpreter, settings.tokens, rows=1)
        timed = TimedInterpreter(live, rows=len(ages))
        gemm = ReferenceGemm()
        lanes = [Lane(timed, age_s, settings) for age_s in ages]
        memory = _age(lanes, timed, progress)
        recompute: dict[Seconds, list[Cost]] = {
            age_s: [] for age_s in ages if age_s in settings.recompute_s
        }
        arm = Recompute(live, settings.seed)
        for period in range(settings.periods):
            progress(f"period {period + 1} of {settings.periods}")
            _measure_period(lanes, period, gemm)
            for age_s, costs in recompute.items():
                if period < _repetitions(age_s):
                    progress(f"recomputing {age_s:g} s of audio")
                    costs.append(arm.next_segment(round(age_s / timed.segment_s) + 1))
        window = _window_arm(arm, live.settings.window)
    return _report(subject, settings, timed, lanes, memory, recompute, window)


def _age(lanes: Sequence[Lane], timed: TimedInterpreter, progress: Progress) -> dict[str, Any]:
    """Brings every stream to its age; memory of the oldest is read at 60 s and at the end."""
    oldest = lanes[-1]
    base = min(oldest.first, round(60.0 / timed.segment_s))
    oldest.drive_to(base)
    before_mib = _resident_mib()
    step = max(1, round(300.0 / timed.segment_s))
    while oldest.segments < oldest.first:
        progress(f"ageing a stream: {oldest.segments * timed.segment_s:.0f} s of audio")
        oldest.drive_to(min(oldest.first, oldest.segments + step))
    after_mib = _resident_mib()
    for lane in lanes[:-1]:
        lane.drive_to(lane.first)
    grown = None if before_mib is None or after_mib is None else after_mib - before_mib
    return {
        "memory_growth_mib": None if grown is None else round(grown, 3),
        "memory": {
            "from_s": round(base * timed.segment_s, 1),
            "to_s": round(oldest.first * timed.segment_s, 1),
            "resident_from_mib": before_mib,
            "resident_to_mib": after_mib,
            "state_mib_per_stream": round(timed.state_bytes() / MIB, 3),
        },
    }


def _resident_mib() -> float | None:
    gc.collect()
    return resident_mib()


def _measure_period(lanes: Sequence[Lane], period: int, gemm: ReferenceGemm) -> None:
    for lane in lanes:
        lane.restart()
    for place in range(max(lane.places for lane in lanes)):
        for lane in lanes:
            if place < lane.places:
                lane.measure(period, place, gemm)


def _repetitions(age_s: Seconds) -> int:
    """How often recomputing is repeated: minutes of audio take long, and the ratio is large."""
    return 4 if age_s <= 60 else 2 if age_s <= 600 else 1


def _window_arm(arm: Recompute, segments: int) -> Cost:
    """Recomputing the last window only: the median of three."""
    costs = [arm.next_segment(segments) for _ in range(3)]
    return sorted(costs, key=lambda cost: cost.encoder_s + cost.lm_s)[1]


def _report(
    subject: Subject,
    settings: GrowthSettings,
    timed: TimedInterpreter,
    lanes: Sequence[Lane],
    memory: dict[str, Any],
    recompute: dict[Seconds, list[Cost]],
    window: Cost,
) -> dict[str, Any]:
    per_second = 1000.0 / timed.segment_s  # CPU seconds a segment -> ms a second of audio
    rows = []
    for lane in lanes:
        row = _row(lane, per_second)
        costs = recompute.get(lane.elapsed_s)
        if costs:
            row |= _recompute_row(costs, row, per_second)
        rows.append(row)
    by_age = {row["elapsed_s"]: row for row in rows}
    window_ms = (window.encoder_s + window.lm_s) * per_second
    last = rows[-1]
    return {
        "benchmark": "growth",
        **subject.describe(),
        **describe(),
        "seed": settings.seed,
        "threads": 1,
        "tokens_per_s": round(settings.tokens / timed.segment_s, 3),
        "segment_s": timed.segment_s,
        "next_second_ratio_1800_60": _growth(by_age, 1800.0, 60.0),
        "recompute_ratio_60": by_age.get(60.0, {}).get("recompute_ratio"),
        "recompute_ratio_300": by_age.get(300.0, {}).get("recompute_ratio"),
        "window_recompute_ms": round(window_ms, 3),
        "window_recompute_ratio": round(window_ms / last["total_ms"], 2),
        **memory,
        "elapsed": rows,
    }


def _row(lane: Lane, per_second: float) -> dict[str, Any]:
    encoder_s, lm_s = lane.seconds()
    gemm_s = lane.gemm_s()
    return {
        "elapsed_s": lane.elapsed_s,
        "encoder_ms": round(encoder_s * per_second, 3),
        "lm_ms": round(lm_s * per_second, 3),
        "total_ms": round((encoder_s + lm_s) * per_second, 3),
        "gemm_ms": round(gemm_s * 1000, 4),
        "total_gemms": round((encoder_s + lm_s) / gemm_s * per_second / 1000, 3),
        "segments_measured": int(lane.gemm.size),
    }


def _recompute_row(costs: list[Cost], row: dict[str, Any], per_second: float) -> dict[str, Any]:
    encoder_ms = float(np.median([cost.encoder_s for cost in costs])) * per_second
    lm_ms = float(np.median([cost.lm_s for cost in costs])) * per_second
    return {
        "recompute_encoder_ms": round(encoder_ms, 2),
        "recompute_lm_ms": round(lm_ms, 2),
        "recompute_ms": round(encoder_ms + lm_ms, 2),
        "recompute_ratio": round((encoder_ms + lm_ms) / row["total_ms"], 2),
        "recompute_repetitions": len(costs),
    }


def _growth(by_age: dict[Seconds, dict[str, Any]], late_s: Seconds, early_s: Seconds) -> Any:
    if late_s not in by_age or early_s not in by_age:
        return None
    return round(by_age[late_s]["total_gemms"] / by_age[early_s]["total_gemms"], 4)
