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
    if on != "compute" and not any("laal_ms" in row for row in rows):
        _arms(axes, f"{name}: {_SETS.get(on, on)}", rows)
        return
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        if on == "compute":
            x = [float(row["point"].split()[0]) for row in mine]
            y = [row["cost_ms"] for row in mine]
        else:
            mine = [row for row in mine if "laal_ms" in row]
            lag = "laal_ca_simuleval_ms" if on == "spans" else "laal_ms"
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
        aware = "computation-aware LAAL (SimulEval's)" if on == "spans" else "LAAL, ideal clock"
        axes.set_xlabel(f"{aware}, s")
        axes.set_ylabel("BLEU")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _arms(axes: Any, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One dot an arm: offline models."""
    names = [row["arm"] for row in rows]
    half = [row["bleu"]["half"] or 0.0 for row in rows]
    values = [row["bleu"]["value"] for row in rows]
    axes.errorbar(values, names, xerr=half, fmt="o", capsize=3, ms=4)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("BLEU")
    axes.grid(alpha=0.3)
