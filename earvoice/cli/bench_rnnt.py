"""`earvoice bench rnnt`: memory and time of the transducer loss."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.cli.bench_output import print_json, print_tables, say
from earvoice.errors import UsageError

_TEXT = """\
Measures: joiner, transducer loss and gradients of one batch, in slices of frames and with all
scores at once. Each form runs in a process of its own on one thread; the plain one needs about
12 GiB at the default sizes.

  memory_ratio    peak memory of the sliced form / of the plain one
  time_ratio      CPU seconds, likewise
  loss_difference, gradient_difference    between the two forms, relative

examples:
  earvoice bench rnnt --json
  earvoice bench rnnt --batch 4 --frames 200 --vocabulary 1000
"""
_SIZES = {
    "batch": "items",
    "frames": "encoder frames of each item",
    "tokens": "target tokens of each item",
    "vocabulary": "tokens there are",
    "joint": "width of the joiner",
}


def add_rnnt(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "rnnt",
        help="memory and time of the transducer loss",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = {"batch": 8, "frames": 400, "tokens": 60, "vocabulary": 4096, "joint": 256}
    for name, text in _SIZES.items():
        parser.add_argument(
            f"--{name}", type=int, default=defaults[name], help=f"{text} (default: %(default)s)"
        )
    parser.add_argument("--seed", type=int, default=1, help="of the random batch")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run_rnnt(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    for name in _SIZES:
        least = 2 if name == "vocabulary" else 1
        if not least <= getattr(args, name) <= 1_000_000:
            raise UsageError(f"--{name} is {getattr(args, name)}, it must be {least} to 1000000")
    from earvoice.bench.rnnt import RnntSettings, run

    settings = RnntSettings(**{name: getattr(args, name) for name in (*_SIZES, "seed")})
    result = run(settings, say)
    (print_json if args.json else print_tables)(result)
    return 0
