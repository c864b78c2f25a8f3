"""Curves of quality over latency, as an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError


@dataclass(frozen=True)
class PlotPoint:
    """A point with the 95 % interval of its quality. label: what is written beside it."""

    label: str
    latency_s: float
    quality: float
    low: float
    high: float


Curves = Mapping[str, Sequence[PlotPoint]]
"""The points of each line, by its name."""


def plot_curves(curves: Curves, path: Path, latency: str, quality: str) -> None:
    """One line per name, with the interval at every point. latency, quality: the axes' names.

    Raises: UsageError when matplotlib (extra `track`) is missing.
    """
    plot_panels({latency: curves}, path, quality)


def plot_panels(panels: Mapping[str, Curves], path: Path, quality: str) -> None:
    """Curves over several latencies, two panels a row; each panel's name is that of its axis.

    Raises: UsageError when matplotlib (extra `track`) is missing.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("plots need matplotlib: install the extra `track`") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        rows,
        columns,
        figsize=(6.4 if columns == 1 else 11.0, 4.0 * rows),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    for axes, (latency, curves) in zip(grid.flat, panels.items(), strict=False):
        _draw(axes, curves)
        axes.set_xlabel(latency)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(quality)
    grid.flat[0].legend()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _draw(axes: Any, curves: Curves) -> None:
    for name, points in curves.items():
        x = [point.latency_s for point in points]
        y = [point.quality for point in points]
        below = [point.quality - point.low for point in points]
        above = [point.high - point.quality for point in points]
        axes.errorbar(x, y, yerr=[below, above], marker="o", capsize=3, label=name)
        for point in points:
            place = (point.latency_s, point.quality)
            axes.annotate(point.label, place, textcoords="offset points", xytext=(5, -12))
    axes.margins(x=0.08)  # room for the last label
    axes.grid(alpha=0.3)
