"""How the actions of `earvoice eval` are given runs or logs: one set of options for all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from earvoice.errors import UsageError
from earvoice.eval.doubts import doubts
from earvoice.eval.runs import READERS, Where
from earvoice.eval.scored import Scored
from earvoice.eval.tokens import TOKENIZERS


def add_one(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one run."""
    parser.add_argument("run", nargs="?", type=Path, help="folder of `earvoice eval simulate`")
    add_files(parser, {"--log": "a log file instead"})
    add_reading(parser)


def add_several(parser: argparse.ArgumentParser) -> None:
    """The arguments that name several runs."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders, or log files")
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How runs are read; files that are named here are those of all runs."""
    add = parser.add_argument
    add("--log-format", choices=tuple(READERS), default="earvoice")
    add_files(
        parser,
        {
            "--references": "one line per item or segment (default: of the folder, or in the log)",
            "--segments": "YAML or JSON: offset, duration, wav (default: of the folder)",
            "--sources": "what was said, one line per reference",
        },
    )
    add(
        "--segmenter-tokenizer",
        choices=TOKENIZERS,
        default="none",
        help="moses: SoftSegmenter aligns Moses tokens of words, as OmniSTEval --lang does; needs "
        "sacremoses (default: none, as OmniSTEval without --lang)",
    )
    add("--tgt-lang", required=True, help="language of the output, e.g. de")
    add("--src-lang", help="language of the speech, e.g. en")
    add("--unit", choices=("word", "char"), help="(default: by the language)")


def add_files(parser: argparse.ArgumentParser, files: Mapping[str, str]) -> None:
    """Options that name a file each, by what the file holds."""
    for option, holds in files.items():
        parser.add_argument(option, type=Path, metavar="F", help=holds)


def where_of(args: argparse.Namespace) -> Where:
    """How the runs are read."""
    return Where(
        language=args.tgt_lang,
        unit=args.unit,
        log_format=args.log_format,
        segments=args.segments,
        references=args.references,
        sources=args.sources,
        source_language=args.src_lang,
        tokenizer=args.segmenter_tokenizer,
    )


def warn(runs: Sequence[Scored]) -> None:
    """Says what is legal and yet hardly meant, each sentence once."""
    for warning in dict.fromkeys(doubt for scored in runs for doubt in doubts(scored)):
        print(f"earvoice: warning: {warning}", file=sys.stderr)


def path_of(args: argparse.Namespace) -> Path:
    """The one run, or its log. Raises: UsageError for none, for both, and for a folder as log."""
    if (args.run is None) == (args.log is None):
        raise UsageError("name a run folder, or a log with --log")
    if args.log is not None and args.log.is_dir():
        raise UsageError(f"--log is {args.log}, a folder; name a run's folder without --log")
    path: Path = args.log or args.run
    return path
