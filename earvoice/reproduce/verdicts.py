"""Does it show? Means and intervals over seeds, and what they say of a statement.

The interval of a mean of n seeds is Student's, 95 %: mean +- t(n - 1) * s / sqrt(n). With three
seeds t is 4.3, so only differences that are large against their spread show. A difference is taken
within a seed, where both arms saw the same data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from earvoice.eval.curves import Outside, gap
from earvoice.reproduce.spec import StatementConfig

SHOWS, OPPOSITE, NOT = "shows", "opposite", "does not show at this scale"

T_95 = MappingProxyType(
    {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
)
"""Student's t for two-sided 95 %, by degrees of freedom; beyond nine the last, a little wide."""


@dataclass(frozen=True)
class Observation:
    """What one seed of one arm gave at one point (a wait, a policy, an age) of a test set."""

    arm: str
    seed: int
    on: str
    point: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds; half: half of its interval, None with one seed."""

    value: float
    half: float | None
    seeds: int


@dataclass(frozen=True)
class Answer:
    """What became of a statement. difference: positive in the paper's direction."""

    says: str
    verdict: str
    difference: Mean | None = None
    by_seed: tuple[float, ...] = ()
    why: str = ""


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and interval. values: one a seed, at least one."""
    count = len(values)
    half = None
    if count > 1:
        spread = statistics.stdev(values) / math.sqrt(count)
        half = T_95[min(count - 1, max(T_95))] * spread
    return Mean(statistics.fmean(values), half, count)


def answer(statement: StatementConfig, seen: Sequence[Observation]) -> Answer:
    """Judges a statement by all seeds that both of its arms have."""
    differences, reason = [], "no seed has both arms"
    for seed in sorted({item.seed for item in seen}):
        ours, theirs = (
            [o for o in seen if (o.arm, o.seed, o.on) == (arm, seed, statement.on)]
            for arm in (statement.better, statement.worse)
        )
        if not ours or not theirs:
            continue
        try:
            differences.append(_difference(statement, ours, theirs))
        except Outside as error:
            reason = str(error)
    if not differences:
        return Answer(statement.says, f"not known: {reason}")
    found = mean_of(differences)
    return Answer(statement.says, _judged(found), found, tuple(differences))


def _difference(
    statement: StatementConfig, ours: Sequence[Observation], theirs: Sequence[Observation]
) -> float:
    if statement.by == "bleu":
        return _bleu(ours) - _bleu(theirs)
    if statement.by == "score":
        return _mean(ours, "score") - _mean(theirs, "score")
    if statement.by in ("wer", "first_ms", "last_ms"):
        return _mean(theirs, statement.by) - _mean(ours, statement.by)
    if statement.by == "cost":
        return theirs[-1].values["cost_ms"] - ours[-1].values["cost_ms"]
    return gap(_line(ours, statement.lag), _line(theirs, statement.lag))


def _bleu(seen: Sequence[Observation]) -> float:
    return statistics.fmean(item.values["bleu"] for item in seen)


def _mean(seen: Sequence[Observation], name: str) -> float:
    """Raises: Outside where an arm has written nothing that could be timed."""
    known = [item.values[name] for item in seen if name in item.values]
    if not known:
        raise Outside(f"{seen[0].arm} has no {name}")
    return statistics.fmean(known)


def _line(seen: Sequence[Observation], lag: str) -> tuple[Any, Any]:
    there = [item for item in seen if lag in item.values]
    latencies = np.array([item.values[lag] / 1000 for item in there])
    return latencies, np.array([item.values["bleu"] for item in there])


def _judged(difference: Mean) -> str:
    if difference.half is None:
        return "not known: one seed has no interval"
    if difference.value - difference.half > 0:
        return SHOWS
    return OPPOSITE if difference.value + difference.half < 0 else NOT


def claim_verdict(answers: Sequence[Answer]) -> str:
    """All statements of a claim in one word, or how many show."""
    verdicts = [item.verdict for item in answers]
    if all(verdict == SHOWS for verdict in verdicts):
        return SHOWS
    showing = verdicts.count(SHOWS)
    if showing:
        return f"shows in part: {showing} of {len(verdicts)} statements"
    known = [verdict for verdict in verdicts if not verdict.startswith("not known")]
    if not known:
        return verdicts[0]
    return OPPOSITE if OPPOSITE in known else NOT
