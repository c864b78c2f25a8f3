"""The command line: `earvoice COMMAND ...`.

A table names the commands; the module of a command is imported when it is chosen, so that
`earvoice --help` answers at once. Every command module has `add_parser(subparsers)` and
`run(args) -> int`. A parser's default `trailing(args, rest) -> bool` may take arguments that
argparse leaves over.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from earvoice import __version__
from earvoice.errors import EarvoiceError

COMMANDS = MappingProxyType(
    {
        "translate": "translate a recording or a pipe, live",
        "serve": "serve live translation to browsers and programs",
        "listen": "translate the microphone live, through a server",
        "models": "list the models that ship with the package",
        "doctor": "say what is installed and what is missing",
        "corpus": "make or import training data",
        "train": "train a model from a recipe",
        "convert": "import checkpoints of other projects",
        "eval": "simulate and score simultaneous translation",
        "bench": "measure speed and memory",
        "reproduce": "run a paper's comparisons and judge its claims",
    }
)

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE

_EPILOG = """\
examples:
  earvoice translate talk.wav                      watch the translation grow, at real-time pace
  earvoice translate talk.wav --tgt-lang de > de.txt
  earvoice translate talk.wav --output talk.srt    subtitles
  earvoice translate talk.wav --format jsonl       every event with its time stamps
  earvoice models                                  which models and languages there are

exit codes: 0 done, 1 failed, 2 wrong usage, 3 audio, 4 model files, 5 configuration,
6 training cannot go on, 7 logs or references, 130 interrupted.
"earvoice COMMAND --help" explains a command.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Errors meant for people become one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)
    try:
        code = importlib.import_module(f"earvoice.cli.{args.command}").run(args)
        # Here and not at exit, where a closed pipe would be reported by the interpreter.
        sys.stdout.flush()
        return int(code)
    except (EarvoiceError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            _discard_stdout()
            return EXIT_BROKEN_PIPE
        if args.debug:
            raise
        print(f"earvoice: error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code if isinstance(error, EarvoiceError) else 1
    except KeyboardInterrupt:
        print("earvoice: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="earvoice",
        description="Simultaneous speech translation: run it live, train it, measure it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"earvoice {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((item for item in arguments if not item.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == chosen:
            _add_chosen(subparsers, name)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    args, rest = parser.parse_known_args(arguments)
    take = getattr(args, "trailing", None)
    if rest and not (take is not None and take(args, rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def _add_chosen(subparsers: Any, name: str) -> None:
    importlib.import_module(f"earvoice.cli.{name}").add_parser(subparsers)
    subparsers.choices[name].add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def _discard_stdout() -> None:
    """Point stdout at nothing, so that flushing it at exit does not fail again."""
    try:
        target = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, target)
    os.close(sink)
