"""`earvoice bench resegment`: speed of cutting long output at its references."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earvoice.cli.bench_output import print_json, print_tables, say
from earvoice.errors import UsageError

_TEXT = """\
Measures: cutting an hour of output at its references' segments (SoftSegmenter), the step that
long-form scoring waits for. The material is made up from --seed. Beside it run the published
algorithm written as plain loops, about 20 s, and with --against OmniSTEval in an environment of
its own, with the same words and without a tokenizer.

  speedup, identical              against the plain loops; the figures are medians of --rounds
  peer_speedup, peer_identical    against OmniSTEval; then `identical` means both
  ours_s, plain_s, peer_s         CPU seconds
  mwer_s                          the cut by minimum word error rate, for StreamLAAL

examples:
  earvoice bench resegment --json
  earvoice bench resegment --against ~/envs/omnisteval/bin/python
"""


def add_resegment(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "resegment",
        help="speed of cutting long output at its references",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--talks", type=int, default=5, help="recordings (default: %(default)s)")
    parser.add_argument(
        "--segments", type=int, default=468, help="in all the talks (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of ours (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the made-up talks")
    parser.add_argument(
        "--against", type=Path, metavar="PYTHON", help="interpreter that has OmniSTEval"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run_resegment(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    for name in ("talks", "rounds"):
        if not 0 < getattr(args, name) <= 1000:
            raise UsageError(f"--{name} is {getattr(args, name)}, it must be 1 to 1000")
    if not args.talks <= args.segments <= 100_000:
        raise UsageError(f"--segments is {args.segments}, it must be {args.talks} to 100000")
    if args.against is not None and not args.against.is_file():
        raise UsageError(f"--against: there is no file {args.against}")
    from earvoice.bench.resegment import ResegmentSettings, run

    settings = ResegmentSettings(args.talks, args.segments, args.rounds, args.seed, args.against)
    result = run(settings, say)
    (print_json if args.json else print_tables)(result)
    return 0
