"""The report as one picture: a panel per claim and test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError

_SETS = {
    "talks": "whole talks",
    "sentences": "single sentences",
    "spans": "spans of talks",
    "all": "mean over directions",
    "conversations": "all turns",
    "overlap": "turns with overlap",
    "apart": "turns without overlap",
}

_LAGS = {
    "laal_ca_simuleval_ms": "computation-aware LAAL (SimulEval's)",
    "laal_ms": "LAAL, ideal clock",
    "long_yaal_ms": "LongYAAL, ideal clock",
}


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Draws BLEU over lag, or by arm where nothing lags, and computing over age.

    Bars are intervals over seeds.

    Raises: UsageError when matplotlib (extra `track`) is missing.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("the picture needs matplotlib: install the extra `track`") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [
        (name, claim, on)
        for name, claim in found["claims"].items()
        for on in dict.fromkeys(row["on"] for row in claim["rows"])
        if on != "starts"
    ]
    if not panels:
        raise UsageError("nothing is done yet: there is nothing to draw")
    down = -(-len(panels) // 2)
    figure, grid = pyplot.subplots(
        down, 2, figsize=(10, 3.6 * down), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, claim, on) in zip(grid.flat, panels, strict=False):
        _panel(axes, name, claim, on)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(axes: Any, name: str, claim: Mapping[str, Any], on: str) -> None:
    rows = [row for row in claim["rows"] if row["on"] == on]
    lag = _lag(rows, on)
    if on != "compute" and not lag:
        _arms(axes, f"{name}: {_SETS.get(on, on)}", rows)
        return
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        if on == "compute":
            x = [float(row["point"].split()[0]) for row in mine]
            y = [row["cost_ms"] for row in mine]
        else:
            mine = [row for row in mine if lag in row]
            x = [row[lag]["value"] / 1000 for row in mine]
            y = [row["bleu"] for row in mine]
        half = [mean["half"] or 0.0 for mean in y]
        axes.errorbar(
            x, [mean["value"] for mean in y], yerr=half, marker="o", capsize=3, ms=4, label=arm
        )
    if on == "compute":
        axes.set_title(f"{name}: computing", fontsize=9)
        axes.set_xlabel("age of the stream, s")
        axes.set_ylabel("CPU ms for the next segment")
        axes.set_ylim(bottom=0)
    else:
        axes.set_title(f"{name}: {_SETS.get(on, on)}", fontsize=9)
        axes.set_xlabel(f"{_LAGS[lag]}, s")
        axes.set_ylabel("BLEU")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _lag(rows: Sequence[Mapping[str, Any]], on: str) -> str:
    """The lag that a panel's rows are drawn over; "" where nothing lags."""
    wanted = [lag for lag in _LAGS if (lag == "laal_ca_simuleval_ms") == (on == "spans")]
    return next((lag for lag in wanted if any(lag in row for row in rows)), "")


def _arms(axes: Any, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One dot an arm, or one for each figure of an arm: BLEU, or the score that a claim counts."""
    drawn = "bleu" if all("bleu" in row for row in rows) else "score"
    rows = [row for row in rows if drawn in row]
    several = len({row["arm"] for row in rows}) < len(rows)
    names = [f"{row['arm']}, {row['point']}" if several else row["arm"] for row in rows]
    half = [row[drawn]["half"] or 0.0 for row in rows]
    values = [row[drawn]["value"] for row in rows]
    axes.errorbar(values, names, xerr=half, fmt="o", capsize=3, ms=4)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("BLEU" if drawn == "bleu" else "percent")
    axes.grid(alpha=0.3)
