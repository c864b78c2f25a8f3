"""`earvoice bench beam`: beam search of ours against transformers' `generate`."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.cli.bench_output import print_json, say
from earvoice.errors import UsageError

_TEXT = """\
Measures: beam search on random weights, ours and transformers' generate(num_beams=...) in turn in
one process, with equal weights and prompts. Needs the extra `hf`.

  speedup              theirs / ours for the first of --streams, CPU seconds, median of rounds
  speedup_4            the same for four prompts in one batch
  identical            equal texts in equal order with equal scores, in every round
  streams              per batch size: times, range of the ratio, share of hypotheses that ended
                       by themselves (ended_share), how many lengths there were

example:
  earvoice bench beam --json
"""


def add_beam(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "beam",
        help="beam search against transformers' generate",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", default="mini", metavar="SIZES", help="mini, or tiny for a trial")
    add("--streams", default="1,4", metavar="N,N", help="prompts a batch (default: %(default)s)")
    add("--beams", type=int, default=4, help="(default: %(default)s)")
    add("--prompt-tokens", type=int, default=120, help="(default: %(default)s)")
    add("--tokens", type=int, default=40, help="written at most (default: %(default)s)")
    add("--rounds", type=int, default=7, help="(default: %(default)s)")
    add("--threads", type=int, default=1, help="of the arithmetic (default: %(default)s)")
    add("--seed", type=int, default=1, help="of weights and prompts")
    add("--json", action="store_true", help="machine-readable")


def run_beam(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    for name in ("beams", "prompt_tokens", "tokens", "rounds", "threads"):
        if not 0 < getattr(args, name) <= 2000:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is {getattr(args, name)}, it must be 1 to 2000")
    parts = [part.strip() for part in args.streams.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 256 for part in parts):
        raise UsageError(f"--streams is {args.streams!r}, it must be numbers such as 1,4")
    from earvoice.bench.beam import BeamBenchSettings, run

    settings = BeamBenchSettings(
        args.sizes,
        tuple(dict.fromkeys(map(int, parts))),
        args.beams,
        args.prompt_tokens,
        args.tokens,
        args.rounds,
        args.threads,
        args.seed,
    )
    result = run(settings, say)
    if args.json:
        print_json(result)
        return 0
    for row in result["streams"]:
        print(
            f"{row['streams']} streams: {row['speedup']}x [{row['speedup_low']}, "
            f"{row['speedup_high']}], ours {row['ours_s']} s, generate {row['theirs_s']} s, "
            f"{'identical' if row['identical'] else 'NOT identical'} n-best"
        )
    return 0
