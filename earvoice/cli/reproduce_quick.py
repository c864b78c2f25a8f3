"""`earvoice reproduce clasi --quick`: a model's terms on freshly drawn talks, in minutes."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

from earvoice.errors import UsageError

_MODEL = "clasi-mini-zh-en"


def add_quick(parser: Any) -> None:
    """Adds its options."""
    quick = parser.add_argument_group("clasi --quick: a finished model on freshly drawn terms")
    quick.add_argument("--quick", action="store_true", help="train nothing, measure one model")
    quick.add_argument("--json", action="store_true", help="machine-readable")
    quick.add_argument("--model", default=_MODEL, help="default: %(default)s")
    quick.add_argument("--cases", type=int, default=40, help="sentences a direction (default: 40)")
    quick.add_argument(
        "--split",
        choices=("dev", "test"),
        default="test",
        help="whose sentences and terms; dev is for choosing settings (default: %(default)s)",
    )
    quick.add_argument(
        "--least-score",
        type=float,
        metavar="P",
        help="tell a retrieved term from this probability on (default: the model's)",
    )
    quick.add_argument("--keys", type=int, default=1000, help="terms in all (default: 1000)")


def run_quick(args: argparse.Namespace) -> int:
    """Draws, measures, prints; returns 0. Raises: UsageError for a paper without, or numbers."""
    if args.paper != "clasi":
        raise UsageError(f"--quick is for clasi; {args.paper!r} has none")
    if args.cases < 1 or args.keys < 20:
        raise UsageError("--cases must be 1 or more and --keys 20 or more")
    if args.least_score is not None and not 0 <= args.least_score <= 1:
        raise UsageError(f"--least-score is {args.least_score:g}, it must be 0 to 1")
    import torch

    from earvoice.loading import load
    from earvoice.reproduce.agent import quick
    from earvoice.sessions.agent import AgentInterpreter
    from earvoice.zoo import find

    torch.set_num_threads(1)
    try:
        seed = int(args.seeds.split(",")[0])
    except ValueError:
        raise UsageError(f"--seeds is {args.seeds!r}, it must be numbers such as 1,2,3") from None
    interpreter = load(find(args.model))
    if not isinstance(interpreter, AgentInterpreter):
        raise UsageError(f"--model {args.model} is no agent; it takes no terms")
    if args.least_score is not None:
        settings = replace(interpreter.settings, least_score=args.least_score)
        interpreter = AgentInterpreter(interpreter.model, settings)
    found = quick(interpreter, cases=args.cases, keys=args.keys, seed=seed, split=args.split)
    if args.json:
        drawn = {"cases": args.cases, "keys": args.keys, "seed": seed, "split": args.split}
        print(json.dumps({**found, **drawn, "least_score": interpreter.settings.least_score}))
    else:
        print("\n".join(f"{name:<20} {value:g}" for name, value in found.items()))
    return 0
