"""`earvoice bench retrieve`."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.agent.glossary import MAX_ENTRIES
from earvoice.cli.bench_output import print_json, say
from earvoice.errors import UsageError

_TEXT = """\
A stream of random encoder frames through the search for terms (random weights: they cost what
trained ones do). CPU seconds of this process on one thread; the encoder is not counted.

  ms_per_audio_s   added to each second of audio, the median of the rounds
  build_s          letters and vectors of the whole glossary, once
  index            FaissIndex (the extra `retrieval`), or PlainIndex
"""


def add_retrieve(names: Any) -> None:
    """Adds the benchmark."""
    parser = names.add_parser(
        "retrieve",
        help="search for terms of a large glossary",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=MAX_ENTRIES, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of audio (default: 20)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of terms, frames and weights")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run_retrieve(args: argparse.Namespace) -> int:
    """Runs it and prints; returns 0. Raises: UsageError for numbers that are not legal."""
    if not 1 <= args.entries <= MAX_ENTRIES:
        raise UsageError(f"--entries is {args.entries}, it must be 1 to {MAX_ENTRIES}")
    if not 1 <= args.seconds <= 3600 or args.rounds < 1:
        raise UsageError("--seconds must be 1 to 3600 and --rounds 1 or more")
    import torch

    from earvoice.bench.retrieve import RetrieveSettings, run

    torch.set_num_threads(1)
    settings = RetrieveSettings(args.entries, args.seconds, args.rounds, args.seed)
    result = run(settings, say)
    if args.json:
        print_json(result)
    else:
        print("\n".join(f"{name:<20} {value}" for name, value in result.items()))
    return 0
