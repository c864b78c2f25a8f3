"""`earvoice bench`: measure speed, memory and quality on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from earvoice.cli.bench_beam import add_beam, run_beam
from earvoice.cli.bench_conversation import add_conversation, run_conversation
from earvoice.cli.bench_live import add_live, run_live
from earvoice.cli.bench_microphones import add_microphones, run_microphones
from earvoice.cli.bench_quality import add_quality, run_quality
from earvoice.cli.bench_resegment import add_resegment, run_resegment
from earvoice.cli.bench_retrieve import add_retrieve, run_retrieve
from earvoice.cli.bench_rnnt import add_rnnt, run_rnnt
from earvoice.cli.bench_serve import add_serve, run_serve
from earvoice.errors import UsageError

_WHAT = """\
Measures on this machine:

  earvoice bench growth     does the next second of audio cost the same after half an hour?
  earvoice bench batch      how much cheaper are many streams together than one by one?
  earvoice bench startup    how soon do the first words come?
  earvoice bench quality    BLEU and lag on a synthetic test set
  earvoice bench resegment  how fast is long output cut at its references?
  earvoice bench retrieve   what does a glossary of 100,000 terms add to each second?
  earvoice bench serve      how many real-time streams does a server hold?
  earvoice bench beam       how much faster than transformers' is our beam search?
  earvoice bench microphones  what do the beams gain over the best microphone?
  earvoice bench conversation  words, translations, lag and speed with two people
  earvoice bench rnnt       what does the transducer loss cost in memory and time?
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command and its benchmarks."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed, memory and quality",
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    add_live(names)
    add_quality(names)
    add_resegment(names)
    add_retrieve(names)
    add_serve(names)
    add_beam(names)
    add_rnnt(names)
    add_microphones(names)
    add_conversation(names)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen benchmark and shows its result; returns 0."""
    benchmarks = {
        "growth": run_live,
        "batch": run_live,
        "startup": run_live,
        "quality": run_quality,
        "resegment": run_resegment,
        "retrieve": run_retrieve,
        "serve": run_serve,
        "beam": run_beam,
        "rnnt": run_rnnt,
        "microphones": run_microphones,
        "conversation": run_conversation,
    }
    if (seed := getattr(args, "seed", 0)) < 0:
        raise UsageError(f"--seed is {seed}, it must be 0 or more")
    return benchmarks[args.benchmark](args)
