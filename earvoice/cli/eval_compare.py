"""`earvoice eval compare`: runs beside each other, with intervals and p-values."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from earvoice.cli.eval_extras import add_extras, open_with_extras
from earvoice.cli.eval_inputs import add_several, warn
from earvoice.cli.eval_metrics import axes_of, metrics_of
from earvoice.errors import UsageError

_TEXT = """\
Compares runs on the same data; the first is the baseline. Every figure has a 95 % interval from
1000 resamples of the test set: of whole talks in long form, whose sentences are not independent,
of sentences in short form. Quality and latency come from the same resamples.

  p boot    paired bootstrap (Koehn 2004, as sacrebleu's --paired-bs)
  p swap    approximate randomisation (as --paired-ar); exact where there are few talks
  Holm      both corrected for the number of comparisons, with more than two runs

Runs of one model on the same data at several policies are the points of a curve. Between points
it is a straight line; beyond the first and the last point nothing is said.

examples:
  earvoice eval compare runs/k3 runs/k5 --tgt-lang de
  earvoice eval compare runs/a-k* runs/b-k* --tgt-lang de --metrics bleu,long_yaal --json
  earvoice eval compare runs/k3 runs/k5 --tgt-lang de --metrics term_recall --terms terms.tsv
  earvoice eval compare one.log two.log --log-format simuleval --tgt-lang de
"""


def add_compare(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "compare",
        help="runs beside each other, with intervals",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_several(parser)
    add_extras(parser)
    parser.add_argument("--metrics", help="names with commas (default: all of the form)")
    parser.add_argument("--samples", type=int, default=1000, help="resamples (default: 1000)")
    parser.add_argument("--swaps", type=int, default=10_000, help="swaps (default: 10000)")
    parser.add_argument("--json", action="store_true", help="one object")


def run_compare(args: argparse.Namespace) -> int:
    """Compares and prints; returns 0."""
    from earvoice.eval.compare import CURVE_LATENCY, compare
    from earvoice.eval.runs import aligned, score_run

    for name, least in (("samples", 40), ("swaps", 1)):
        if getattr(args, name) < least:
            raise UsageError(f"--{name} is {getattr(args, name)}, it must be {least} or more")
    runs = aligned(open_with_extras(args.runs, args))
    warn([run.scored for run in runs])
    form = runs[0].scored.form
    metrics = metrics_of(args.metrics, form)
    scored = [score_run(run, metrics) for run in runs]
    quality, latency = axes_of(metrics, CURVE_LATENCY[form])
    found = compare(scored, quality, latency, samples=args.samples, swaps=args.swaps)
    print(json.dumps(found.to_json(), ensure_ascii=False) if args.json else _shown(found))
    return 0


def _shown(found: Any) -> str:
    blocks = [_figures(found)]
    if found.differences:
        blocks.append(_differences(found))
    blocks += [_curve(row) for row in found.curves if len(row.runs) > 1]
    drawn = f"{found.groups} {found.resampled}s" if found.groups != 1 else f"1 {found.resampled}"
    notes = [f"{found.items} items, {drawn} drawn {found.samples} times, 95 % intervals"]
    return "\n\n".join([*blocks, "\n".join([*notes, *found.warnings])])


def _figures(found: Any) -> str:
    names = list(found.estimates[0].figures)
    rows = [["", *(one.run.name for one in found.estimates)]]
    for name in names:
        rows.append([name, *(figure_text(one.figures[name]) for one in found.estimates)])
    return _columns(rows)


def _differences(found: Any) -> str:
    base = found.differences[0].baseline
    many = len(found.estimates) > 2
    rows = [[f"less {base}", "metric", "difference", "p boot", "p swap"]]
    rows[0] += ["Holm boot", "Holm swap"] if many else []
    for row in found.differences:
        shown = [row.run, row.metric, figure_text(row.difference, sign=True)]
        shown += [_p(row.p_bootstrap), _p(row.p_randomisation)]
        shown += [_p(row.p_bootstrap_holm), _p(row.p_randomisation_holm)] if many else []
        rows.append(shown)
    return _columns(rows)


def _curve(row: Any) -> str:
    what = f"{row.quality} of {row.system} by {row.latency}"
    title = what if row.against is None else f"{what}, less {row.against}"
    rows = [[f"  {name}", figure_text(figure)] for name, figure in row.figures.items()]
    return f"{title}: {', '.join(row.runs)}\n{_columns(rows)}"


def figure_text(figure: Any, *, sign: bool = False) -> str:
    """A figure with its interval, or why there is none."""
    if figure.value is None:
        return f"undefined: {figure.undefined}"
    form = "+.2f" if sign else ".2f"
    if figure.low is None:
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}} [{figure.low:{form}}, {figure.high:{form}}]"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
