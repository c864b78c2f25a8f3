"""`earvoice eval regime`: the latency regime of IWSLT that a run is in."""

from __future__ import annotations

import argparse
import json
from typing import Any

from earvoice.cli.eval_inputs import add_one, path_of, warn, where_of

_TEXT = """\
Names the latency regime of IWSLT's simultaneous track, by the ideal clock:

  2026   LongYAAL: low 0 to 2 s, high 2 to 4 s, all directions
  2025   StreamLAAL: low and high 0-2-4 s into de and en (from cs), 0-2.5-4 s into zh,
         0-3.5-5 s into ja

The rules look at the development set. A regime is defined for long recordings only.

examples:
  earvoice eval regime runs/k3 --tgt-lang de
  earvoice eval regime --log log.jsonl --log-format simulstream --segments ref.yaml \\
      --references ref.txt --tgt-lang de --json
"""


def add_regime(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "regime",
        help="the IWSLT latency regime of a run",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_one(parser)
    parser.add_argument("--json", action="store_true", help="one object")


def run_regime(args: argparse.Namespace) -> int:
    """Says which regime; returns 0."""
    from earvoice.eval.regime import regimes
    from earvoice.eval.runs import open_run

    run = open_run(path_of(args), where_of(args))
    warn([run.scored])
    found = regimes(run)
    if args.json:
        print(json.dumps({"regimes": [answer.to_json() for answer in found]}, ensure_ascii=False))
        return 0
    remarks = list(dict.fromkeys(remark for answer in found for remark in answer.remarks))
    lines = [_line(answer) for answer in found]
    print("\n".join([*lines, "the rules look at the development set", *remarks]))
    return 0


def _line(answer: Any) -> str:
    head = f"IWSLT {answer.year}"
    latency = answer.latency
    if answer.name is None:
        shown = "" if latency.value is None else f" ({answer.metric} {latency.value:.2f} s)"
        return f"{head}: undefined{shown}: {answer.undefined}"
    low, high = answer.borders_s
    ranges = {"low": f"0 to {low:g} s", "high": f"{low:g} to {high:g} s", "beyond": f"> {high:g} s"}
    interval = "" if latency.low is None else f" [{latency.low:.2f}, {latency.high:.2f}]"
    border = min((low, high), key=lambda border: abs(border - latency.value))
    side = "below" if latency.value <= border else "above"
    share = "" if answer.share is None else f"; in {answer.share:.0%} of the resamples"
    return (
        f"{head}: {answer.name} ({ranges[answer.name]}): {answer.metric} {latency.value:.3f} s"
        f"{interval}, {answer.to_border_s:.3f} s {side} {border:g} s{share}"
    )
