"""`earvoice reproduce clasi --quick`: a model's terms on freshly drawn talks, in minutes."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any, Literal

from earvoice.errors import UsageError

_MODEL = "clasi-mini-zh-en"
SEEDS = "1,2,3"
_CASES, _KEYS = 40, 1000
_OPTIONS = ("json", "model", "cases", "split", "least_score", "keys")
_OTHERS = ("claims", "corpus", "test", "out", "base", "dry_run", "report_only", "docs", "no_plot")
"""Options of the paper's claims, which `--quick` has no use for."""


def add_quick(parser: Any) -> None:
    """Adds its options."""
    quick = parser.add_argument_group("clasi --quick: a finished model on freshly drawn terms")
    quick.add_argument("--quick", action="store_true", help="train nothing, measure one model")
    quick.add_argument("--json", action="store_true", help="machine-readable")
    quick.add_argument("--model", help=f"default: {_MODEL}")
    quick.add_argument("--cases", type=int, help=f"sentences a direction (default: {_CASES})")
    quick.add_argument(
        "--split",
        choices=("dev", "test"),
        help="whose sentences and terms; dev is for choosing settings (default: test)",
    )
    quick.add_argument(
        "--least-score",
        type=float,
        metavar="P",
        help="tell a retrieved term from this probability on (default: the model's)",
    )
    quick.add_argument("--keys", type=int, help=f"terms in all (default: {_KEYS})")


def refuse_quick(args: argparse.Namespace) -> None:
    """That none of its options is given without it. Raises: UsageError."""
    for name in _OPTIONS:
        if getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} belongs to --quick")


def _measured_by(
    args: argparse.Namespace,
) -> tuple[str, int, int, Literal["dev", "test"], int]:
    """Model, cases, keys, split and seed. Raises: UsageError naming the option."""
    for name in _OTHERS:
        if getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} does not go with --quick")
    if args.steps_scale != 1.0:
        raise UsageError("--steps-scale does not go with --quick, which trains nothing")
    try:
        seeds = [int(seed) for seed in args.seeds.split(",")]
    except ValueError:
        raise UsageError(f"--seeds is {args.seeds!r}, it must be numbers such as 1,2,3") from None
    if (args.seeds != SEEDS and len(seeds) > 1) or seeds[0] < 0:
        raise UsageError(f"--seeds is {args.seeds!r}; --quick draws with one, 0 or more")
    cases = _CASES if args.cases is None else args.cases
    keys = _KEYS if args.keys is None else args.keys
    if cases < 1 or keys < 20:
        raise UsageError(f"--cases is {cases} and --keys {keys}, they must be 1 and 20 or more")
    return args.model or _MODEL, cases, keys, args.split or "test", seeds[0]


def run_quick(args: argparse.Namespace) -> int:
    """Draws, measures, prints; returns 0. Raises: UsageError for a paper without, or numbers."""
    if args.paper != "clasi":
        raise UsageError(f"--quick is for clasi; {args.paper!r} has none")
    model, cases, keys, split, seed = _measured_by(args)
    if args.least_score is not None and not 0 <= args.least_score <= 1:
        raise UsageError(f"--least-score is {args.least_score:g}, it must be 0 to 1")
    import torch

    from earvoice.loading import load
    from earvoice.reproduce.agent import quick
    from earvoice.sessions.agent import AgentInterpreter
    from earvoice.zoo import find

    torch.set_num_threads(1)
    interpreter = load(find(model))
    if not isinstance(interpreter, AgentInterpreter):
        raise UsageError(f"--model {model} is no agent; it takes no terms")
    if args.least_score is not None:
        settings = replace(interpreter.settings, least_score=args.least_score)
        interpreter = AgentInterpreter(interpreter.model, settings)
    found = quick(interpreter, cases=cases, keys=keys, seed=seed, split=split)
    if args.json:
        drawn = {"cases": cases, "keys": keys, "seed": seed, "split": split}
        print(json.dumps({**found, **drawn, "least_score": interpreter.settings.least_score}))
    else:
        print("\n".join(f"{name:<20} {value:g}" for name, value in found.items()))
    return 0
