"""`earvoice eval`: simulate a model on recordings, score what it wrote."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.cli.eval_score import add_score, run_score
from earvoice.cli.eval_simulate import add_simulate, run_simulate


def add_parser(subparsers: Any) -> None:
    """Adds the command and its actions."""
    parser = subparsers.add_parser("eval", help="simulate and score simultaneous translation")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_simulate(actions)
    add_score(actions)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action; returns the exit code."""
    return {"simulate": run_simulate, "score": run_score}[args.action](args)
