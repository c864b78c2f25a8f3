"""The segments where the runs did worst, with the reference and what each run wrote."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from earvoice.eval.report.markup import clock, plain, safe
from earvoice.eval.report.view import View
from earvoice.eval.scored import Item
from earvoice.eval.units import Unit

MOST = 25
MOST_RUNS_RANKED = 12


def worst_segments(view: View, quality: str = "chrf") -> str:
    """Cards of the worst segments by several orders, and the box to choose the order with.

    Runs on other data than the first run's are not shown here.
    """
    first = view.estimates[0].run.scored
    count = len(first.items)
    same = [
        index
        for index, one in enumerate(view.estimates)
        if [item.reference for item in one.run.scored.items]
        == [item.reference for item in first.items]
    ]
    qualities = {i: _values(view, i, quality, count) for i in same}
    lags = {i: _values(view, i, view.latency, count) for i in same}
    orders = _orders(view, same, qualities, lags, count)
    chosen = list(dict.fromkeys(index for _, order in orders for index in order))
    ranks = [{index: rank for rank, index in enumerate(order)} for _, order in orders]
    cards = [
        _card(view, index, [rank.get(index) for rank in ranks], qualities, lags) for index in chosen
    ]
    options = "".join(
        f'<option value="{i}">{safe(name)}</option>' for i, (name, _) in enumerate(orders)
    )
    return (
        f'<label class="choice">order <select id="order">{options}</select></label>'
        f'<div id="cards">{"".join(cards)}</div>'
    )


def _values(view: View, run: int, metric: str, count: int) -> list[float | None]:
    return view.estimates[run].run.scores.per_item.get(metric) or [None] * count


def _orders(
    view: View,
    runs: Sequence[int],
    qualities: dict[int, list[float | None]],
    lags: dict[int, list[float | None]],
    count: int,
) -> list[tuple[str, list[int]]]:
    """Ways to order, each with the numbers of its worst items."""

    def mean(values: dict[int, list[float | None]], index: int) -> float | None:
        there = [value for i in runs if (value := values[i][index]) is not None]
        return sum(there) / len(there) if there else None

    def worst(values: Sequence[float | None], sign: float) -> list[int]:
        there = [(sign * value, i) for i, value in enumerate(values) if value is not None]
        return [index for _, index in sorted(there)[:MOST]]

    many = "" if len(runs) == 1 else ", mean of the runs"
    orders = [
        (f"lowest chrF{many}", worst([mean(qualities, i) for i in range(count)], 1.0)),
        (f"latest{many}", worst([mean(lags, i) for i in range(count)], -1.0)),
    ]
    if len(runs) > 1:
        for i in runs[:MOST_RUNS_RANKED]:
            name = view.estimates[i].run.name
            orders.append((f"lowest chrF of {name}", worst(qualities[i], 1.0)))
    return orders


def _card(
    view: View,
    index: int,
    ranks: Sequence[int | None],
    qualities: dict[int, list[float | None]],
    lags: dict[int, list[float | None]],
) -> str:
    scored = view.estimates[0].run.scored
    item = scored.items[index]
    at = ""
    if scored.form == "long":
        part = scored.segments[index]
        at = f" {clock(part.offset_us)} to {clock(part.offset_us + part.duration_us)}"
    rows = []
    if item.source:
        rows.append(_row("", "source", safe(item.source), "", ""))
    rows.append(_row("reference", "reference", safe(item.reference), "chrF", "latency"))
    unit: Unit = scored.hypotheses[0].unit if scored.hypotheses else "word"
    for run, values in qualities.items():
        rows.append(_run_row(view, run, index, values[index], lags[run][index], unit))
    order = " ".join("-" if rank is None else str(rank) for rank in ranks)
    hidden = "" if ranks[0] is not None else " hidden"
    return (
        f'<article data-o="{order}"{hidden}><h4>{safe(item.recording)}{at} '
        f"<small>segment {index + 1}</small></h4><table>{''.join(rows)}</table></article>"
    )


def _run_row(
    view: View, run: int, index: int, quality: float | None, lag: float | None, unit: Unit
) -> str:
    one = view.estimates[run].run
    text = marked(one.scored.items[index], unit) or "<i>nothing written</i>"
    figure = "–" if quality is None else plain(quality)
    late = "–" if lag is None else f"{lag / 1000:.2f} s"
    return _row(f"r{run}", one.name, text, figure, late)


def _row(kind: str, name: str, text: str, quality: str, lag: str) -> str:
    return (
        f'<tr class="{kind}"><th>{safe(name)}</th><td dir="auto">{text}</td>'
        f"<td>{quality}</td><td>{lag}</td></tr>"
    )


def marked(item: Item, unit: Unit) -> str:
    """What was written, with what is not in the reference (in order) marked."""
    ours = item.text.split() if unit == "word" else list(item.text)
    theirs = item.reference.split() if unit == "word" else list(item.reference)
    between = " " if unit == "word" else ""
    matcher = difflib.SequenceMatcher(
        None, [unit.lower() for unit in ours], [unit.lower() for unit in theirs], autojunk=False
    )
    parts = []
    for kind, start, end, _, _ in matcher.get_opcodes():
        if start == end:
            continue
        text = safe(between.join(ours[start:end]))
        parts.append(text if kind == "equal" else f"<mark>{text}</mark>")
    return between.join(parts)
