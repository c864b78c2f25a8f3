"""`earvoice eval score`: figures from a run, or from a log of another tool."""

from __future__ import annotations

import argparse
import json
from typing import Any

from earvoice.cli.eval_extras import add_extras, open_with_extras, scored_by_speakers
from earvoice.cli.eval_inputs import add_one, path_of, warn
from earvoice.cli.eval_metrics import metrics_of
from earvoice.cli.eval_speakers import add_output
from earvoice.eval.score import METRICS, compute
from earvoice.eval.scored import Scored, Scores

_TEXT = """\
Scores what was written: with --segments as long form (the output is cut at the references'
segments), without as short form (one reference per recording). A run folder of `earvoice eval
simulate` holds all that is needed; a log of another tool needs its references.

Names marked * are computed when --metrics is not given.
"""
_NOTES = """\
computing: every latency metric also as NAME_ca_queue, NAME_ca_simuleval, NAME_ca_chunk, with
computing counted by one queue, as SimulEval piles it up, or per chunk.

times are milliseconds. A figure that does not exist says why, and is null in --json:
  {"metrics": {NAME: VALUE}, "per_item": {NAME: [VALUES]}, "signature": {...}, "undefined": {...}}

examples:
  earvoice eval score runs/k3 --tgt-lang de
  earvoice eval score runs/k3 --tgt-lang de --metrics wer,term_recall --terms terms.tsv
  earvoice eval score --log instances.log --log-format simuleval --tgt-lang de
  earvoice eval score --log log.jsonl --log-format simulstream --segments ref.yaml \\
      --references ref.txt --tgt-lang de --metrics bleu,long_yaal,long_yaal_ca_queue --json
"""


def add_score(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "score",
        help="quality, latency and behaviour of a log",
        description=_TEXT + "\n" + _listed() + "\n" + _NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_one(parser)
    add_extras(parser)
    add_output(parser)
    parser.add_argument("--metrics", help="names with commas (default: those with a * above)")
    parser.add_argument("--json", action="store_true", help="one object, with every item")


def run_score(args: argparse.Namespace) -> int:
    """Scores and prints; returns 0."""
    scored = _scored(args)
    found = compute(scored, metrics_of(args.metrics, scored.form))
    warn([scored])
    print(json.dumps(found.to_json(), ensure_ascii=False) if args.json else _table(found))
    return 0


def _scored(args: argparse.Namespace) -> Scored:
    """A run or a log; without either, two files with speakers."""
    output = args.speakers_output
    if args.run is None and args.log is None and output is not None:
        return scored_by_speakers(args, output)
    (run,) = open_with_extras([path_of(args)], args, output)
    return run.scored


def _listed() -> str:
    """The metrics by group, as the table has them."""
    groups: dict[str, list[str]] = {}
    width = max(len(name) for name, metric in METRICS.items() if metric.group != "computing")
    for name, metric in METRICS.items():
        if metric.group == "computing":
            continue
        head = metric.group
        if len(metric.forms) == 1:
            head += f", {metric.forms[0]} form"
        star = "*" if metric.default else " "
        groups.setdefault(head, []).append(f"  {star} {name:<{width}} {metric.what}")
    return "\n".join(f"{head}:\n" + "\n".join(lines) for head, lines in groups.items())


def _table(found: Scores) -> str:
    width = max((len(name) for name in found.metrics), default=0)
    lines = []
    for name, value in found.metrics.items():
        if value is None:
            shown = f"undefined: {found.undefined.get(name, 'no reason is known')}"
        else:
            shown = f"{value:>12.3f}  {found.signature.get(name, '')}"
        lines.append(f"{name:<{width}}  {shown}".rstrip())
    return "\n".join(lines)
