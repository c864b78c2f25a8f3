"""Which latency regime of IWSLT's simultaneous track a run is in, and how near the border.

    2026   LongYAAL, ideal clock: low 0 to 2 s, high 2 to 4 s, all directions
    2025   StreamLAAL, ideal clock: low and high 0-2-4 s into German, and from Czech into English;
           0-2.5-4 s into Chinese; 0-3.5-5 s into Japanese

Both rules look at the development set: a run on other data says what it would be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from earvoice.errors import UsageError
from earvoice.eval.compare import estimates
from earvoice.eval.runs import Run, groups_of, score_run
from earvoice.eval.score import METRICS
from earvoice.eval.stats import Figure, warnings_of
from earvoice.text.languages import primary

FIGURE_2026, FIGURE_2025 = "long_yaal", "stream_laal"
BORDERS_2026_S = (2.0, 4.0)
BORDERS_2025_S: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"de": (2.0, 4.0), "en": (2.0, 4.0), "zh": (2.5, 4.0), "ja": (3.5, 5.0)}
)


@dataclass(frozen=True)
class Regime:
    """A year's answer. name: low, high or beyond; None where undefined, with the reason.

    latency: the figure in seconds. borders_s: ends of low and of high. to_border_s: to the nearest
    border; share: of the resamples that are in the regime.
    """

    year: int
    metric: str
    name: str | None
    latency: Figure
    borders_s: tuple[float, float] | None = None
    to_border_s: float | None = None
    share: float | None = None
    undefined: str | None = None
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `earvoice eval regime --json` prints."""
        return asdict(self)


def regimes(run: Run) -> list[Regime]:
    """The regimes by the rules of 2026 and of 2025.

    Raises: UsageError for short form, which has no regime.
    """
    if run.scored.form == "short":
        raise UsageError(
            f"{run.path} is short form, one reference per recording; a regime is defined for long "
            "recordings: give segments.yaml and references.txt (--segments, --references)"
        )
    known = [name for name in (FIGURE_2026, FIGURE_2025) if name in METRICS]
    (found,) = estimates([score_run(run, known)])
    language = primary(run.scored.language)
    talks = max(groups_of(run.scored), default=-1) + 1
    remarks = tuple(warnings_of(talks, "talk"))
    answers = []
    for year, metric, borders in (
        (2026, FIGURE_2026, BORDERS_2026_S),
        (2025, FIGURE_2025, BORDERS_2025_S.get(language)),
    ):
        if metric not in known:
            nothing = Figure(None, undefined=f"there is no metric {metric}")
            answers.append(Regime(year, metric, None, nothing, undefined=nothing.undefined))
            continue
        seconds = _in_seconds(found.figures[metric])
        samples_s = found.samples[metric] / 1000.0
        if borders is None:
            why = f"{year} had no direction into {language!r}, but {', '.join(BORDERS_2025_S)}"
            answers.append(Regime(year, metric, None, seconds, undefined=why))
        else:
            answers.append(_regime(year, metric, seconds, samples_s, borders, remarks))
    return answers


def regime_of(latency_s: float, borders_s: tuple[float, float]) -> str:
    """`low` up to and with the first border, `high` up to and with the second, else `beyond`."""
    if latency_s <= borders_s[0]:
        return "low"
    return "high" if latency_s <= borders_s[1] else "beyond"


def _regime(
    year: int,
    metric: str,
    latency: Figure,
    samples_s: np.ndarray,
    borders_s: tuple[float, float],
    remarks: tuple[str, ...],
) -> Regime:
    if latency.value is None:
        return Regime(year, metric, None, latency, borders_s, undefined=latency.undefined)
    name = regime_of(latency.value, borders_s)
    there = samples_s[~np.isnan(samples_s)]
    share = None
    if len(there) and latency.low is not None:
        share = float(np.mean([regime_of(value, borders_s) == name for value in there]))
    if latency.value < 0:
        remarks = (
            "below 0 s: on average written before it was said; look at the log",
            *remarks,
        )
    nearest = min(abs(latency.value - border) for border in borders_s)
    return Regime(year, metric, name, latency, borders_s, nearest, share, None, remarks)


def _in_seconds(figure: Figure) -> Figure:
    def seconds(value_ms: float | None) -> float | None:
        return None if value_ms is None else value_ms / 1000.0

    return Figure(
        seconds(figure.value), seconds(figure.low), seconds(figure.high), figure.undefined
    )
