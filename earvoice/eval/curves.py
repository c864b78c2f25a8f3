"""Quality against latency: the points of one system at several policies, and what lies between.

A figure between two points is a straight line's; nothing is said beyond the first and the last.
Latencies are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from earvoice.eval.stats import Figure, with_interval
from earvoice.eval.sums import Array

LIMITS_S = (2.0, 4.0)
"""Ends of IWSLT's low and high regimes."""
AREA_S = (1.0, 4.0)


class Outside(Exception):
    """What is asked lies outside the measured range; the message says which that is."""


@dataclass(frozen=True)
class Point:
    """A run on a curve, with its resamples [B]. quality or latency_s NaN: undefined."""

    name: str
    latency_s: float
    quality: float
    latency_samples_s: Array
    quality_samples: Array


@dataclass(frozen=True)
class Curve:
    """The runs of one system, by latency. label: the system's name."""

    label: str
    points: tuple[Point, ...]

    @property
    def latencies_s(self) -> Array:
        """Shapes: [P]."""
        return np.array([point.latency_s for point in self.points])

    @property
    def qualities(self) -> Array:
        """Shapes: [P]."""
        return np.array([point.quality for point in self.points])

    def sample(self, index: int) -> tuple[Array, Array]:
        """Latencies and qualities in resample `index`."""
        latencies = [point.latency_samples_s[index] for point in self.points]
        return np.array(latencies), np.array(
            [point.quality_samples[index] for point in self.points]
        )


def curve_of(label: str, points: Sequence[Point]) -> Curve:
    """A curve; points without a figure are left out."""
    there = [p for p in points if not (np.isnan(p.latency_s) or np.isnan(p.quality))]
    return Curve(label, tuple(sorted(there, key=lambda point: point.latency_s)))


def line_of(latencies_s: Array, qualities: Array) -> tuple[Array, Array]:
    """Sorted by latency, the mean quality where several are equal. Raises: Outside for < 2."""
    kept = ~(np.isnan(latencies_s) | np.isnan(qualities))
    x, places = np.unique(latencies_s[kept], return_inverse=True)
    if len(x) < 2:
        raise Outside(f"{len(x)} latenc{'y' if len(x) == 1 else 'ies'}: a line needs two")
    totals = np.zeros(len(x))
    np.add.at(totals, places, qualities[kept])
    return x, totals / np.bincount(places)


def quality_at(latencies_s: Array, qualities: Array, at_s: float) -> float:
    """Quality at a latency, between the measured ones. Raises: Outside."""
    x, y = line_of(latencies_s, qualities)
    if not x[0] <= at_s <= x[-1]:
        raise Outside(f"{at_s:g} s is outside the measured {x[0]:.2f} to {x[-1]:.2f} s")
    return float(np.interp(at_s, x, y))


def area(latencies_s: Array, qualities: Array, span_s: tuple[float, float] = AREA_S) -> float:
    """Area under the line over the whole of `span_s`, in quality x seconds. Raises: Outside."""
    x, y = line_of(latencies_s, qualities)
    start, end = span_s
    if x[0] > start or x[-1] < end:
        raise Outside(
            f"{start:g} to {end:g} s is not within the measured {x[0]:.2f} to {x[-1]:.2f} s"
        )
    inner = x[(x > start) & (x < end)]
    at = np.concatenate(([start], inner, [end]))
    return float(np.trapezoid(np.interp(at, x, y), at))


def best_within(latencies_s: Array, qualities: Array, limit_s: float) -> float:
    """The best quality of a measured point no later than `limit_s`. Raises: Outside."""
    fits = latencies_s <= limit_s
    if not fits.any():
        least = f"the fastest is {np.min(latencies_s):.2f} s" if len(latencies_s) else "no points"
        raise Outside(f"nothing at {limit_s:g} s or less; {least}")
    return float(np.max(qualities[fits]))


def gap(ours: tuple[Array, Array], theirs: tuple[Array, Array]) -> float:
    """Mean of our line less theirs, over the latencies that both have. Raises: Outside."""
    (x, y), (u, v) = line_of(*ours), line_of(*theirs)
    start, end = common_range(x, u)
    if start == end:
        return float(np.interp(start, x, y) - np.interp(start, u, v))
    inner = np.union1d(x, u)
    at = np.concatenate(([start], inner[(inner > start) & (inner < end)], [end]))
    return float(np.trapezoid(np.interp(at, x, y) - np.interp(at, u, v), at) / (end - start))


def common_range(ours: Array, theirs: Array) -> tuple[float, float]:
    """The latencies that two lines share. Raises: Outside where there are none."""
    start, end = max(ours.min(), theirs.min()), min(ours.max(), theirs.max())
    if start > end:
        raise Outside(
            f"no common latencies: {ours.min():.2f} to {ours.max():.2f} s and "
            f"{theirs.min():.2f} to {theirs.max():.2f} s"
        )
    return float(start), float(end)


def resampled(
    curves: Sequence[Curve], compute: Callable[..., float], samples: int, n_groups: int
) -> Figure:
    """A figure of one or two curves with its interval; all curves from the same resamples.

    compute: takes (latencies, qualities) of each curve; raises Outside where undefined.
    """
    try:
        value = compute(*((curve.latencies_s, curve.qualities) for curve in curves))
    except Outside as error:
        return Figure(None, undefined=str(error))
    found = np.full(samples, np.nan)
    for index in range(samples):
        try:
            found[index] = compute(*(curve.sample(index) for curve in curves))
        except Outside:
            continue
    return with_interval(value, found, n_groups)
