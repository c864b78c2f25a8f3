"""Options of `earvoice eval score` for the metrics that look at speakers."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from earvoice.errors import UsageError
from earvoice.eval.speakers.from_runlog import read_runlog_utterances
from earvoice.eval.speakers.metrics import Conversations
from earvoice.eval.speakers.reading import read_utterances
from earvoice.eval.speakers.utterances import paired
from earvoice.eval.speakers.words import Rules
from earvoice.eval.units import Unit


def add_speakers(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--speakers",
        type=Path,
        metavar="F",
        help="references with speakers: STM, or SegLST (.json), for cp_wer and its kin",
    )
    parser.add_argument(
        "--speakers-output",
        type=Path,
        metavar="F",
        help="output with speakers, STM or SegLST (default: what the run's log says)",
    )
    parser.add_argument(
        "--speakers-role",
        choices=("translation", "transcript"),
        default="translation",
        help="the streams of the log that are compared (default: translation)",
    )
    parser.add_argument(
        "--collar",
        type=float,
        default=5.0,
        metavar="S",
        help="tcp_wer: how many seconds apart words may be paired (default: 5)",
    )


def conversations(args: argparse.Namespace, log: Path | None, unit: Unit) -> Conversations | None:
    """Both sides of every session; None when no references with speakers are given.

    log: of the run, where there is one. Raises: UsageError, DataError.
    """
    if args.speakers is None:
        if args.speakers_output is not None:
            raise UsageError("--speakers-output needs --speakers, the references")
        return None
    if not (math.isfinite(args.collar) and args.collar >= 0):
        raise UsageError(f"--collar is {args.collar}, it must be 0 s or more")
    reference = read_utterances(args.speakers)
    names: list[str] = []
    if args.speakers_output is not None:
        output = read_utterances(args.speakers_output)
    elif log is None or args.log_format != "earvoice":
        raise UsageError(
            f"a log of {args.log_format} names no speakers; name the output with --speakers-output"
        )
    else:
        output, names = read_runlog_utterances(log, args.speakers_role, unit)
    return Conversations(
        paired(reference, output, names),
        Rules(unit, args.normalise),
        round(args.collar * 1_000_000),
    )
