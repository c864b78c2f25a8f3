"""Tables: what the runs are, every figure with its interval, differences, signatures."""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.eval.compare import CurveFigures, Difference
from earvoice.eval.report.markup import plain, safe, shown
from earvoice.eval.report.view import View
from earvoice.eval.scored import Scores
from earvoice.eval.stats import Figure


def runs_table(view: View) -> str:
    """What each run is, from its run.json."""
    rows = []
    for index, one in enumerate(view.estimates):
        note = one.run.note
        data = str(note.get("data_sha256", ""))[:12]
        versions = note.get("versions") or {}
        shown_versions = versions if isinstance(versions, dict) else {"": versions}
        tools = ", ".join(f"{name} {value}" for name, value in shown_versions.items())
        cells = (one.run.model, one.run.policy, note.get("clock", ""), data, tools)
        rows.append(
            f'<tr class="r{index}"><th><i class="dot"></i>{safe(one.run.name)}</th>'
            + "".join(f"<td>{safe(str(cell))}</td>" for cell in cells)
            + "</tr>"
        )
    heads = ("run", "model", "policy", "clock", "data", "versions")
    return _table(_heads(heads), rows)


def figures_table(view: View) -> str:
    """Every figure with its interval: a row per metric, a column per run."""
    names = list(dict.fromkeys(name for one in view.estimates for name in one.figures))
    columns = list(enumerate(view.estimates))
    rows = []
    for name in names:
        counts = name in ("units", "empty_segments")
        cells = "".join(
            _figure(one.figures.get(name), f"r{i}", digits=0 if counts else 2) for i, one in columns
        )
        rows.append(f"<tr><th>{safe(shown(name))}</th>{cells}</tr>")
    return _table(["<th></th>", *(_run_head(view, i) for i, _ in columns)], rows)


def _run_head(view: View, index: int) -> str:
    name = safe(view.estimates[index].run.name)
    return f'<th class="r{index}"><i class="dot"></i>{name}</th>'


def _figure(
    figure: Figure | None, kind: str = "", *, sign: bool = False, more: str = "", digits: int = 2
) -> str:
    if figure is None or figure.value is None:
        why = "not asked for" if figure is None else figure.undefined or ""
        return f'<td class="n {kind}" data-tip="{safe(why)}">–</td>'
    text = plain(figure.value, digits)
    text = f"+{text}" if sign and figure.value > 0 else text
    if figure.low is None or figure.high is None:
        return f'<td class="n {kind}" data-tip="{safe(figure.undefined or "")}">{text}{more}</td>'
    spread = f"<small>{plain(figure.low, digits)} to {plain(figure.high, digits)}</small>"
    return f'<td class="n {kind}">{text}{spread}{more}</td>'


def differences_table(view: View) -> str:
    """Every run less the first, with both p values; "" where there is nothing to compare."""
    if view.compared is None or not view.compared.differences:
        return ""
    found = {(row.metric, row.run): row for row in view.compared.differences}
    columns = list(enumerate(view.estimates))[1:]
    rows = []
    for name in (*view.quality, view.latency, view.latency_ca):
        if (name, columns[0][1].run.name) in found:
            cells = "".join(_difference(found[name, one.run.name], i) for i, one in columns)
            rows.append(f"<tr><th>{safe(shown(name))}</th>{cells}</tr>")
    return _table(["<th></th>", *(_run_head(view, i) for i, _ in columns)], rows)


def _difference(row: Difference, index: int) -> str:
    p_values = (row.p_bootstrap_holm, row.p_randomisation_holm)
    more = f"<small>p {' / '.join(_p(p) for p in p_values)}</small>"
    return _figure(row.difference, f"r{index}", sign=True, more=more)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def curves_table(view: View) -> str:
    """What the curves say in single numbers; "" where no system has two points."""
    if view.compared is None:
        return ""
    curves = [row for row in view.compared.curves if len(row.runs) > 1]
    parts = []
    for against in (False, True):
        rows = [row for row in curves if (row.against is not None) == against]
        if rows:
            parts.append(_curve_rows(rows))
    return "".join(parts)


def _curve_rows(rows: Sequence[CurveFigures]) -> str:
    names = list(rows[0].figures)
    body = []
    for row in rows:
        cells = "".join(
            _figure(figure, sign=row.against is not None) for figure in row.figures.values()
        )
        title = row.system if row.against is None else f"{row.system} less {row.against}"
        body.append(f"<tr><th>{safe(title)}</th>{cells}</tr>")
    heads = _heads([f"{shown(rows[0].quality)} by {shown(rows[0].latency)}", *names])
    return _table(heads, body)


def signatures(view: View) -> str:
    """How every figure was computed; per run where runs differ."""
    all_scores: list[tuple[str, Scores]] = [
        (one.run.name, one.run.scores) for one in view.estimates
    ]
    parts = []
    for name in dict.fromkeys(name for _, scores in all_scores for name in scores.signature):
        by_text: dict[str, list[str]] = {}
        for run, scores in all_scores:
            by_text.setdefault(scores.signature.get(name, "none"), []).append(run)
        for text, runs in by_text.items():
            whose = "" if len(by_text) == 1 else f" <small>{safe(', '.join(runs))}</small>"
            parts.append(f"<dt>{safe(shown(name))}{whose}</dt><dd>{safe(text)}</dd>")
    return f"<dl>{''.join(parts)}</dl>"


def _heads(names: Sequence[str]) -> list[str]:
    return [f"<th>{safe(name)}</th>" for name in names]


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table of ready cells and rows."""
    return (
        f'<div class="scroll"><table class="figures"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
