"""Charts: quality against latency, and how latency is spread over the items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earvoice.eval.compare import Estimate, systems_of
from earvoice.eval.curves import LIMITS_S
from earvoice.eval.report.markup import (
    label,
    line,
    number,
    path,
    plain,
    safe,
    shown,
    ticks,
    with_range,
)
from earvoice.eval.report.view import View
from earvoice.eval.stats import Figure

WIDTH, HEIGHT = 560, 360
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 26, 46
BINS = 28


class Axes:
    """Maps latency in seconds and quality to the pixels of a chart."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.xs, self.ys = xs, ys

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.xs[0]) / (self.xs[-1] - self.xs[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        share = (value - self.ys[0]) / (self.ys[-1] - self.ys[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self, x_name: str, y_name: str) -> str:
        """Lines, numbers, names, and the limits of the latency regimes."""
        parts = []
        for value in self.ys:
            parts.append(line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), "grid"))
            parts.append(label(LEFT - 8, self.y(value) + 4, f"{value:g}", "tick", "end"))
        for value in self.xs:
            parts.append(label(self.x(value), HEIGHT - BOTTOM + 18, f"{value:g}", "tick", "middle"))
        for limit in LIMITS_S:
            if self.xs[0] < limit < self.xs[-1]:
                parts.append(line(self.x(limit), TOP, self.x(limit), HEIGHT - BOTTOM, "limit"))
                parts.append(label(self.x(limit) + 4, TOP + 10, f"{limit:g} s", "tick"))
        parts.append(label(WIDTH - RIGHT, HEIGHT - 8, x_name, "axis", "end"))
        parts.append(label(4, 14, y_name, "axis"))
        return "".join(parts)


def curve_chart(view: View, quality: str, latency: str) -> str:
    """One line per system, one point per run with its intervals; "" where nothing is defined."""
    members = [
        one
        for one in view.estimates
        if one.figures[quality].value is not None and one.figures[latency].value is not None
    ]
    if not members:
        return ""
    axes = Axes(
        ticks(*_span([one.figures[latency] for one in members], 0.001)),
        ticks(*_span([one.figures[quality] for one in members], 1.0)),
    )
    parts = [axes.grid(f"{shown(latency)}, s", shown(quality))]
    for name, group in systems_of(members).items():
        places = sorted(_place(axes, one, quality, latency) for one in group)
        if len(places) > 1:
            parts.append(f"<g><title>{safe(name)}</title>{path(places, 'curve')}</g>")
    taken = [
        (x - 7, x + 7, y + 4) for x, y in (_place(axes, one, quality, latency) for one in members)
    ]
    numbers = {id(one): index for index, one in enumerate(view.estimates)}
    for one in members:
        parts.append(_point(axes, one, numbers[id(one)], quality, latency, taken))
    title = f"{shown(quality)} against {shown(latency)}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{safe(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _span(figures: Sequence[Figure], scale: float) -> tuple[float, float]:
    ends = [
        value * scale
        for figure in figures
        for value in (figure.value, figure.low, figure.high)
        if value is not None
    ]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) if high - low > 0.01 else 0.5
    return low - margin, high + margin


def _place(axes: Axes, one: Estimate, quality: str, latency: str) -> tuple[float, float]:
    x, y = one.figures[latency].value or 0.0, one.figures[quality].value or 0.0
    return axes.x(x / 1000), axes.y(y)


def _point(
    axes: Axes,
    one: Estimate,
    index: int,
    quality: str,
    latency: str,
    taken: list[tuple[float, float, float]],
) -> str:
    x, y = _place(axes, one, quality, latency)
    across, up = one.figures[latency], one.figures[quality]
    bars = ""
    if across.low is not None and across.high is not None:
        bars += line(axes.x(across.low / 1000), y, axes.x(across.high / 1000), y, "spread")
    if up.low is not None and up.high is not None:
        bars += line(x, axes.y(up.low), x, axes.y(up.high), "spread")
    tip = (
        f"{one.run.name}: {shown(quality)} {with_range(up)}, "
        f"{shown(latency)} {with_range(across, 0.001, ' s')}"
    )
    tip += f"\n{one.run.model} {one.run.policy}".rstrip()
    text_x, text_y, anchor = _free_place(x, y, 6.4 * len(one.run.name), taken)
    return (
        f'<g class="pt r{index}" tabindex="0" data-tip="{safe(tip)}">{bars}'
        f'<circle class="dot" cx="{number(x)}" cy="{number(y)}" r="5"/>'
        f"{label(text_x, text_y, one.run.name, 'name', anchor)}</g>"
    )


def _free_place(
    x: float, y: float, width: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float, str]:
    """Where a name stands beside its point, away from the names before it and the border."""
    for dx, dy, anchor in (
        (9.0, -8.0, "start"),
        (-9.0, -8.0, "end"),
        (9.0, 17.0, "start"),
        (-9.0, 17.0, "end"),
        (9.0, -22.0, "start"),
        (-9.0, -22.0, "end"),
        (9.0, 31.0, "start"),
    ):
        left = x + dx if anchor == "start" else x + dx - width
        clear = all(
            abs(y + dy - row) > 13 or left > end or left + width < begin
            for begin, end, row in taken
        )
        if clear and left > LEFT and left + width < WIDTH:
            break
    else:
        dx, dy, anchor, left = 9.0, -8.0, "start", x + 9.0
    taken.append((left, left + width, y + dy))
    return x + dx, y + dy, anchor


def histogram_charts(view: View) -> str:
    """Latency of the items, one chart a run, all on one scale."""
    series = [
        (_seconds(one, view.latency), _seconds(one, view.latency_ca)) for one in view.estimates
    ]
    everything = np.concatenate([values for pair in series for values in pair])
    if not len(everything):
        return ""
    low, high = float(np.quantile(everything, 0.005)), float(np.quantile(everything, 0.995))
    marks = ticks(low, max(high, low + 0.1), 8)
    edges = np.linspace(marks[0], marks[-1], BINS + 1)
    counts = [tuple(_counted(values, edges) for values in pair) for pair in series]
    tallest = max(float(shares.max(initial=0.0)) for pair in counts for shares in pair)
    charts = [
        _histogram(one, index, series[index], counts[index], marks, tallest)
        for index, one in enumerate(view.estimates)
    ]
    return f'<div class="grid3">{"".join(charts)}</div>'


def _seconds(one: Estimate, metric: str) -> np.ndarray:
    values = one.run.scores.per_item.get(metric, [])
    return np.array([value / 1000 for value in values if value is not None], dtype=np.float64)


def _counted(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of the values per bin; what lies beyond the ends counts in the last bins."""
    if not len(values):
        return np.zeros(len(edges) - 1)
    found, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return found / len(values)


def _histogram(
    one: Estimate,
    index: int,
    values: tuple[np.ndarray, np.ndarray],
    shares: tuple[np.ndarray, ...],
    marks: Sequence[float],
    tallest: float,
) -> str:
    width, base, top = 360.0, 112.0, 10.0
    step = (width - 16) / BINS

    def at(value: float) -> float:
        inside = min(max(value, marks[0]), marks[-1])
        return 8 + (width - 16) * (inside - marks[0]) / (marks[-1] - marks[0])

    def height(share: float) -> float:
        return (base - top) * share / tallest if tallest else 0.0

    parts = [label(at(mark), base + 16, f"{mark:g}", "tick", "middle") for mark in marks]
    parts.append(line(8, base, width - 8, base, "grid"))
    bars = "".join(
        f"M{number(8 + i * step)} {base:g}v{number(-height(share))}h{number(step - 1)}V{base:g}z"
        for i, share in enumerate(shares[0])
        if share > 0
    )
    parts.append(f'<path class="bar" d="{bars}"/>')
    if shares[1].any():
        steps = "".join(f"V{number(base - height(share))}h{number(step)}" for share in shares[1])
        parts.append(f'<path class="step" d="M8 {base:g}{steps}V{base:g}"/>')
    said = "nothing was written"
    if len(values[0]):
        middle, late = np.quantile(values[0], 0.5), np.quantile(values[0], 0.95)
        parts += [line(at(q), top, at(q), base, "mark") for q in (middle, late)]
        said = f"median {plain(middle)} s, 95 % within {plain(late)} s"
        if len(values[1]):
            said += f"; computing counted {plain(np.quantile(values[1], 0.5))} s"
    return (
        f'<figure class="r{index}"><figcaption><b>{safe(one.run.name)}</b> {safe(said)}'
        f'</figcaption><svg class="histogram" viewBox="0 0 {width:g} 134" role="img" '
        f'aria-label="{safe(f"latency of {one.run.name}: {said}")}">{"".join(parts)}</svg></figure>'
    )
