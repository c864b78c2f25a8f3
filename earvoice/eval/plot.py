"""Curves of quality over latency, as an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earvoice.errors import UsageError


@dataclass(frozen=True)
class PlotPoint:
    """A point with the 95 % interval of its quality. label: what is written beside it."""

    label: str
    latency_s: float
    quality: float
    low: float
    high: float


def plot_curves(
    curves: Mapping[str, Sequence[PlotPoint]], path: Path, latency: str, quality: str
) -> None:
    """One line per name, with the interval at every point. latency, quality: the axes' names.

    Raises: UsageError when matplotlib (extra `track`) is missing.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("plots need matplotlib: install the extra `track`") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name, points in curves.items():
        x = [point.latency_s for point in points]
        y = [point.quality for point in points]
        below = [point.quality - point.low for point in points]
        above = [point.high - point.quality for point in points]
        axes.errorbar(x, y, yerr=[below, above], marker="o", capsize=3, label=name)
        for point in points:
            place = (point.latency_s, point.quality)
            axes.annotate(point.label, place, textcoords="offset points", xytext=(5, -12))
    axes.set_xlabel(latency)
    axes.set_ylabel(quality)
    axes.margins(x=0.08)  # room for the last label
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
