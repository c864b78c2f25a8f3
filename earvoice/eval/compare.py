"""Several runs on the same data: intervals, differences with p-values, systems at equal latency.

Every figure of every run comes from the same resamples, so a curve's quality and latency move
together, and two systems' do too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earvoice.eval.curves import (
    AREA_S,
    LIMITS_S,
    Curve,
    Point,
    area,
    best_within,
    curve_of,
    gap,
    quality_at,
    resampled,
)
from earvoice.eval.runs import Run, groups_of
from earvoice.eval.scored import Form
from earvoice.eval.stats import (
    BOOTSTRAP_SAMPLES,
    SEED,
    SWAPS,
    Draws,
    Figure,
    bootstrap_p,
    draw,
    holm,
    randomisation_p,
    warnings_of,
    with_interval,
)
from earvoice.eval.sums import Array, NoSums, Sums, sums_of

CURVE_LATENCY: Mapping[Form, str] = {"long": "long_yaal", "short": "laal"}
MATCHED_S = (1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Estimate:
    """A run's figures, and their resamples [B] (all NaN where there are none)."""

    run: Run
    figures: Mapping[str, Figure]
    sums: Mapping[str, Sums]
    samples: Mapping[str, Array]


@dataclass(frozen=True)
class Difference:
    """A run's figure less the baseline's. p values are two-sided; *_holm corrected for the runs."""

    run: str
    baseline: str
    metric: str
    difference: Figure
    p_bootstrap: float | None
    p_randomisation: float | None
    p_bootstrap_holm: float | None = None
    p_randomisation_holm: float | None = None


@dataclass(frozen=True)
class CurveFigures:
    """What a curve says in single numbers, by name; against: the curve it is compared with."""

    system: str
    quality: str
    latency: str
    runs: tuple[str, ...]
    figures: Mapping[str, Figure]
    against: str | None = None


def estimate(run: Run, draws: Draws) -> Estimate:
    """The run's figures with their intervals from `draws`."""
    figures: dict[str, Figure] = {}
    sums: dict[str, Sums] = {}
    samples: dict[str, Array] = {}
    for name, value in run.scores.metrics.items():
        found = sums_of(name, run.scored, run.scores)
        if isinstance(found, NoSums):
            figures[name] = Figure(value, undefined=found.reason)
            samples[name] = np.full(len(draws.counts), np.nan)
        else:
            sums[name], samples[name] = found, draws.figures(found)
            figures[name] = with_interval(value, samples[name], draws.n_groups)
    return Estimate(run, figures, sums, samples)


def estimates(runs: Sequence[Run], samples: int = BOOTSTRAP_SAMPLES) -> list[Estimate]:
    """All runs from the same draws where they share their items; else each from its own."""
    return [estimate(run, draw(groups_of(run.scored), samples)) for run in runs]


def differences(
    found: Sequence[Estimate], swaps: int = SWAPS, metrics: Sequence[str] | None = None
) -> list[Difference]:
    """Every run against the first, metric by metric (default: all), Holm-corrected over runs."""
    base = found[0]
    groups = groups_of(base.run.scored)
    result: list[Difference] = []
    for metric in base.figures if metrics is None else metrics:
        rows = [_difference(base, other, metric, groups, swaps) for other in found[1:]]
        result += _corrected(rows)
    return result


def _difference(
    base: Estimate, other: Estimate, metric: str, groups: Sequence[int], swaps: int
) -> Difference:
    names = (other.run.name, base.run.name, metric)
    for side in (base, other):
        if metric not in side.sums:
            reason = f"{side.run.name}: {side.figures[metric].undefined}"
            return Difference(*names, Figure(None, undefined=reason), None, None)
    apart = other.sums[metric].value - base.sums[metric].value
    n_groups = max(groups, default=-1) + 1
    shown = with_interval(apart, other.samples[metric] - base.samples[metric], n_groups)
    if n_groups < 2:
        return Difference(*names, shown, None, None)
    return Difference(
        *names,
        shown,
        bootstrap_p(other.samples[metric], base.samples[metric], apart),
        randomisation_p(other.sums[metric], base.sums[metric], groups, swaps),
    )


def _corrected(rows: Sequence[Difference]) -> list[Difference]:
    bootstrap = holm([row.p_bootstrap for row in rows])
    swapped = holm([row.p_randomisation for row in rows])
    return [
        Difference(
            row.run,
            row.baseline,
            row.metric,
            row.difference,
            row.p_bootstrap,
            row.p_randomisation,
            *corrected,
        )
        for row, *corrected in zip(rows, bootstrap, swapped, strict=True)
    ]


def systems_of(found: Sequence[Estimate]) -> dict[str, list[Estimate]]:
    """Runs by system, under a name that is the model's, told apart by the data where needed."""
    groups: dict[tuple[str, ...], list[Estimate]] = {}
    for one in found:
        groups.setdefault(one.run.system, []).append(one)
    names = [members[0].run.model for members in groups.values()]
    named: dict[str, list[Estimate]] = {}
    for index, members in enumerate(groups.values()):
        model = names[index]
        same = names[:index].count(model)
        named[model if not same else f"{model} ({same + 1})"] = members
    return named


def curves_of(found: Sequence[Estimate], quality: str, latency: str) -> list[Curve]:
    """One curve per system, with whatever points it has. latency: a metric in milliseconds."""
    return [
        curve_of(label, [_point(one, quality, latency) for one in members])
        for label, members in systems_of(found).items()
    ]


def _point(one: Estimate, quality: str, latency: str) -> Point:
    x, y = one.figures[latency].value, one.figures[quality].value
    return Point(
        one.run.name,
        np.nan if x is None else x / 1000.0,
        np.nan if y is None else y,
        one.samples[latency] / 1000.0,
        one.samples[quality],
    )


def curve_figures(
    curves: Sequence[Curve], quality: str, latency: str, n_groups: int, samples: int
) -> list[CurveFigures]:
    """What every curve says alone, and every later one against the first."""

    def said(chosen: Sequence[Curve], tasks: Mapping[str, Callable[..., float]]) -> CurveFigures:
        names = tuple(point.name for point in chosen[-1].points)
        figures = {name: resampled(chosen, task, samples, n_groups) for name, task in tasks.items()}
        against = chosen[0].label if len(chosen) > 1 else None
        return CurveFigures(chosen[-1].label, quality, latency, names, figures, against)

    alone = [said([curve], _alone()) for curve in curves]
    return alone + [said([curves[0], curve], _against()) for curve in curves[1:]]


def _alone() -> dict[str, Callable[..., float]]:
    tasks: dict[str, Callable[..., float]] = {}
    for limit in LIMITS_S:
        tasks[f"best at {limit:g} s or less"] = functools.partial(_best, limit_s=limit)
    tasks[f"area {AREA_S[0]:g} to {AREA_S[1]:g} s"] = _area
    for at in MATCHED_S:
        tasks[f"at {at:g} s"] = functools.partial(_at, at_s=at)
    return tasks


def _best(line: tuple[Array, Array], limit_s: float) -> float:
    return best_within(*line, limit_s)


def _area(line: tuple[Array, Array]) -> float:
    return area(*line)


def _at(line: tuple[Array, Array], at_s: float) -> float:
    return quality_at(*line, at_s)


def _against() -> dict[str, Callable[..., float]]:
    tasks: dict[str, Callable[..., float]] = {"mean over common latencies": _gap}
    for at in MATCHED_S:
        tasks[f"at {at:g} s"] = functools.partial(_apart, at_s=at)
    return tasks


def _gap(base: tuple[Array, Array], ours: tuple[Array, Array]) -> float:
    return gap(ours, base)


def _apart(base: tuple[Array, Array], ours: tuple[Array, Array], at_s: float) -> float:
    return quality_at(*ours, at_s) - quality_at(*base, at_s)


@dataclass(frozen=True)
class Comparison:
    """All that `earvoice eval compare` says."""

    form: Form
    groups: int
    items: int
    samples: int
    swaps: int
    estimates: Sequence[Estimate]
    differences: Sequence[Difference]
    curves: Sequence[CurveFigures]
    warnings: Sequence[str]

    @property
    def resampled(self) -> str:
        """What is drawn at once."""
        return "talk" if self.form == "long" else "sentence"

    def to_json(self) -> dict[str, Any]:
        """The object that `earvoice eval compare --json` prints."""
        return {
            "form": self.form,
            "resampled": {"by": self.resampled, "groups": self.groups, "items": self.items},
            "bootstrap": {"samples": self.samples, "seed": SEED},
            "randomisation": {"swaps": self.swaps, "seed": SEED},
            "warnings": list(self.warnings),
            "runs": [_run_json(one) for one in self.estimates],
            "differences": [asdict(row) for row in self.differences],
            "curves": [asdict(row) for row in self.curves],
        }


def _run_json(one: Estimate) -> dict[str, Any]:
    return {
        "name": one.run.name,
        "model": one.run.model,
        "policy": one.run.policy,
        "metrics": {name: asdict(figure) for name, figure in one.figures.items()},
        "signature": one.run.scores.signature,
    }


def compare(
    runs: Sequence[Run],
    quality: str | None,
    latency: str | None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    swaps: int = SWAPS,
    tested: Sequence[str] | None = None,
) -> Comparison:
    """Compares scored runs that share their items; the first is the baseline.

    quality, latency: the axes of the curves; None where the runs have no such metric. tested:
    the metrics whose differences are tested; None is all.
    """
    first = runs[0].scored
    groups = groups_of(first)
    n_groups = max(groups, default=-1) + 1
    found = estimates(runs, samples)
    curves: list[CurveFigures] = []
    if quality is not None and latency is not None:
        lines = curves_of(found, quality, latency)
        curves = curve_figures(lines, quality, latency, n_groups, samples)
    said = warnings_of(n_groups, "talk" if first.form == "long" else "sentence")
    return Comparison(
        first.form,
        n_groups,
        len(first.items),
        samples,
        swaps,
        found,
        differences(found, swaps, tested),
        curves,
        said,
    )
