"""`earvoice eval`: simulate a model on recordings, score what it wrote."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.cli.eval_compare import add_compare, run_compare
from earvoice.cli.eval_curve import add_curve, run_curve
from earvoice.cli.eval_export import add_export, run_export
from earvoice.cli.eval_regime import add_regime, run_regime
from earvoice.cli.eval_report import add_report, run_report
from earvoice.cli.eval_score import add_score, run_score
from earvoice.cli.eval_simulate import add_simulate, run_simulate


def add_parser(subparsers: Any) -> None:
    """Adds the command and its actions."""
    parser = subparsers.add_parser("eval", help="simulate and score simultaneous translation")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_simulate(actions)
    add_score(actions)
    add_curve(actions)
    add_compare(actions)
    add_regime(actions)
    add_report(actions)
    add_export(actions)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action; returns the exit code."""
    actions = {
        "simulate": run_simulate,
        "score": run_score,
        "curve": run_curve,
        "compare": run_compare,
        "regime": run_regime,
        "report": run_report,
        "export": run_export,
    }
    return actions[args.action](args)
