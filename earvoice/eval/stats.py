"""How sure a figure is: bootstrap intervals, paired tests, Holm's correction.

    bootstrap        Koehn 2004: draw as many groups as there are, with replacement, 1000 times
    randomisation    Riezler & Maxwell 2005: swap the two systems' output group by group
    Holm 1979        several comparisons: the smallest p times m, the next times m - 1, ...

A group is what is drawn at once: a talk of long form, whose segments are not independent, or a
sentence of short form. Everything is drawn once and used for every system and every figure, so
quality and latency of one resample belong together. Draws and conventions are those of sacrebleu
(seed 12345, p = (c + 1) / (B + 1)), so p-values can be compared with its own; different are ties,
which count here, and few groups (2^G <= swaps), where every swap is tried once and p is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.sums import Array, Sums, exchangeable

SEED = 12345
BOOTSTRAP_SAMPLES = 1000
SWAPS = 10_000
FEW_GROUPS = 30
MOST_UNDEFINED = 0.1
"""An interval is undefined where more than this share of its resamples is."""


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; whatever is not known is None, and `undefined` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None


@dataclass(frozen=True)
class Draws:
    """Resampled test sets. groups [N]: whose each item is. counts [B, G]: how often each is in."""

    groups: tuple[int, ...]
    counts: Array

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return self.counts.shape[1]

    def figures(self, sums: Sums) -> Array:
        """The figure of every resample. Shapes: result [B]."""
        return sums.figure(self.counts @ sums.grouped(self.groups))


def group_numbers(names: Sequence[str]) -> tuple[int, ...]:
    """Names as 0 .. G - 1, in order of first appearance."""
    numbers = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return tuple(numbers[name] for name in names)


def draw(groups: Sequence[int], samples: int = BOOTSTRAP_SAMPLES, seed: int = SEED) -> Draws:
    """Draws `samples` test sets of as many groups as there are."""
    n = max(groups, default=-1) + 1
    chosen = np.random.default_rng(seed).choice(max(n, 1), size=(samples, n), replace=True)
    counts = np.zeros((samples, n))
    np.add.at(counts, (np.arange(samples)[:, None], chosen), 1.0)
    return Draws(tuple(groups), counts)


def with_interval(value: float | None, samples: Array, n_groups: int, reason: str = "") -> Figure:
    """A figure and the middle 95 % of its resamples."""
    if value is None or np.isnan(value):
        return Figure(None, undefined=reason or "undefined")
    if n_groups < 2:
        return Figure(value, undefined="one group: nothing to resample")
    there = np.sort(samples[~np.isnan(samples)])
    missing = 1.0 - len(there) / len(samples)
    if missing > MOST_UNDEFINED:
        return Figure(value, undefined=f"undefined in {missing:.0%} of the resamples")
    tail = len(there) // 40
    return Figure(value, float(there[tail]), float(there[-1 - tail]))


def bootstrap_p(ours: Array, theirs: Array, difference: float) -> float | None:
    """Two-sided p of a difference between two figures, from paired resamples [B].

    The share of resamples whose difference, less its mean, is at least the one seen.
    """
    apart = np.abs(ours - theirs)
    apart = apart[~np.isnan(apart)]
    if not len(apart):
        return None
    return _share(int((apart - apart.mean() >= _almost(difference)).sum()), len(apart))


def randomisation_p(
    ours: Sums, theirs: Sums, groups: Sequence[int], swaps: int = SWAPS, seed: int = SEED
) -> float | None:
    """Two-sided p of a difference by swapping the systems' output, group by group.

    Where there are at most `swaps` ways to swap, each is tried once and p is exact.
    """
    ours, theirs = exchangeable(ours, theirs)
    mine, other = ours.grouped(groups), theirs.grouped(groups)
    n = len(mine)
    exact = 2**n <= swaps
    masks = _every_swap(n) if exact else _random_swaps(n, swaps, seed)
    seen = _almost(abs(ours.value - theirs.value))
    reached = tried = 0
    total, step = mine.sum(axis=0) + other.sum(axis=0), other - mine
    for some in np.array_split(masks, max(1, len(masks) // 1000)):
        swapped = mine.sum(axis=0) + some.astype(np.float64) @ step
        left, right = ours.figure(swapped), ours.figure(total - swapped)
        apart = np.abs(left - right)
        apart = apart[~np.isnan(apart)]
        reached += int((apart >= seen).sum())
        tried += len(apart)
    if not tried or np.isnan(seen):
        return None
    return reached / tried if exact else _share(reached, tried)


def _every_swap(n: int) -> NDArray[np.bool_]:
    return np.array(list(itertools.product((False, True), repeat=n)), dtype=bool).reshape(-1, n)


def _random_swaps(n: int, swaps: int, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).integers(2, size=(swaps, n), dtype=bool)


def _almost(difference: float) -> float:
    """A little less than the difference: a tie must not be lost to the order of a sum."""
    return abs(difference) - 1e-9 * max(1.0, abs(difference))


def _share(count: int, of: int) -> float:
    return (count + 1) / (of + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction; None stays None and is not counted as a comparison."""
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        found[index] = largest
    return found


def warnings_of(n_groups: int, what: str) -> list[str]:
    """What a reader must know about the intervals of so few groups."""
    if n_groups < 2:
        return [f"one {what}: there are no intervals and no tests"]
    if n_groups >= FEW_GROUPS:
        return []
    least = 2.0 ** (1 - n_groups)
    said = [
        f"{n_groups} {what}s: the intervals are wide, and so few {what}s make them too narrow "
        "and p of the bootstrap too small rather than too large"
    ]
    if least > 0.05:
        said.append(
            f"{n_groups} {what}s: no p of the randomisation test can be below {least:.3g}; "
            "one below 0.05 needs at least six"
        )
    return said
