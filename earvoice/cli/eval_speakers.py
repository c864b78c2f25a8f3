"""Options of `earvoice eval` for the metrics that look at speakers."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from earvoice.cli.eval_inputs import add_files
from earvoice.errors import UsageError
from earvoice.eval.speakers.from_runlog import read_runlog_utterances
from earvoice.eval.speakers.metrics import Conversations
from earvoice.eval.speakers.reading import read_utterances
from earvoice.eval.speakers.utterances import Utterance, paired
from earvoice.eval.speakers.words import Rules
from earvoice.eval.units import Unit


def add_speakers(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_files(
        parser,
        {"--speakers": "references with speakers: STM, or SegLST (.json), for cp_wer and its kin"},
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


def add_output(parser: argparse.ArgumentParser) -> None:
    """Adds the option that names the output, where one run is scored."""
    what = "output with speakers, STM or SegLST (default: what the run's log says)"
    add_files(parser, {"--speakers-output": what})


def read_speakers(args: argparse.Namespace, output: Path | None) -> list[Utterance] | None:
    """The references with speakers; None when none are given. Raises: UsageError, DataError."""
    if args.speakers is None:
        if output is not None:
            raise UsageError("--speakers-output needs --speakers, the references")
        return None
    if not (math.isfinite(args.collar) and args.collar >= 0):
        raise UsageError(f"--collar is {args.collar}, it must be 0 s or more")
    return read_utterances(args.speakers)


def conversations(
    reference: Sequence[Utterance],
    args: argparse.Namespace,
    unit: Unit,
    log: tuple[Path, str] | None,
    output: Path | None,
) -> Conversations:
    """Both sides of every session.

    log: of the run, and its format, where there is one. Raises: UsageError, DataError.
    """
    names: list[str] = []
    if output is not None:
        said = read_utterances(output)
    elif log is None or log[1] != "earvoice":
        raise UsageError(
            f"a log of {args.log_format} names no speakers; name the output with `eval score "
            "--speakers-output`"
        )
    else:
        said, names = read_runlog_utterances(log[0], args.speakers_role, unit)
    return Conversations(
        paired(reference, said, names),
        Rules(unit, args.normalise),
        round(args.collar * 1_000_000),
    )
