"""`earvoice reproduce PAPER`: a paper's claims as experiments, with a report."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.cli.reproduce_quick import SEEDS, add_quick, refuse_quick, run_quick
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.reproduce.shared import Choice

_TEXT = """\
Trains and measures what a paper compares, at the scale of one processor core, over several seeds,
and says of each claim whether it shows. The experiments, the paper's own numbers and the costs are
in recipes/reproduce/PAPER.yaml and docs/reproduce.md.

The same command goes on where it stopped; a finished arm is not run again. Two processes may share
one --out, each takes what the other is not at:

  for core in 0 1; do OMP_NUM_THREADS=1 taskset -c $core earvoice reproduce fasst ... & done; wait

examples:
  earvoice reproduce fasst --corpus corpora/train --test corpora/test --out runs/reproduce
  earvoice reproduce fasst --claims recompute,policy --test corpora/test --out runs/reproduce
  earvoice reproduce fasst --corpus corpora/train --test corpora/test --out runs/reproduce \\
      --base runs/fasst-mini-en-de --base runs/phones --dry-run
  earvoice reproduce fasst ... --report-only --docs docs/reproduce.md
  earvoice reproduce lst --claims stages --corpus corpora/train --test corpora/test --out runs/lst
  earvoice reproduce clasi --quick --json
  earvoice reproduce llast --corpus corpora/de-en --corpus corpora/en-de --corpus corpora/es-en \\
      --corpus corpora/fr-en --test corpora/test-es-en --test corpora/test-fr-en --out runs/llast

OUT/ holds results.json, report.md, report.png and a folder per arm and seed.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "reproduce",
        help="run a paper's comparisons and judge its claims",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paper", help="fasst, lst, llast, clasi, jstar, or a YAML file")
    parser.add_argument("--claims", default="", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--seeds", default=SEEDS, metavar="N,N", help="default: %(default)s")
    parser.add_argument(
        "--corpus",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="what arms are trained on; several times for several source languages",
    )
    parser.add_argument(
        "--test", type=Path, action="append", default=[], metavar="DIR", help="likewise"
    )
    parser.add_argument("--out", type=Path, metavar="DIR")
    add_quick(parser)
    parser.add_argument(
        "--base",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="a finished run of `earvoice train` whose stages the arms start from; several: the "
        "first that has a stage (default: the base is trained too, which takes longest)",
    )
    parser.add_argument("--steps-scale", type=float, default=1.0, metavar="X", help="x all steps")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and stop")
    parser.add_argument("--report-only", action="store_true", help="run nothing, write the report")
    parser.add_argument(
        "--docs",
        type=Path,
        metavar="FILE",
        help="put the report into this Markdown file, between its markers "
        "`<!-- report NAME -->` and `<!-- end -->`, and the picture into its figures/",
    )
    parser.add_argument("--no-plot", action="store_true", help="no picture (needs extra `track`)")


def run(args: argparse.Namespace) -> int:
    """Runs; returns 0. Raises: UsageError for options that belong to --quick."""
    if args.quick:
        return run_quick(args)
    refuse_quick(args)
    for name in ("test", "out"):
        if not getattr(args, name):
            raise UsageError(f"--{name} is missing: only --quick does without")
    from earvoice.config import load_yaml
    from earvoice.reproduce.run import describe, prepare
    from earvoice.reproduce.run import run as run_tasks
    from earvoice.reproduce.spec import ReproduceConfig

    file = _file(args.paper)
    spec = load_yaml(file, ReproduceConfig)
    choice = _choice(args, tuple(spec.claims))
    reproduction = prepare(spec, file, choice)
    if args.dry_run:
        for line in describe(reproduction):
            print(line)
        return 0
    choice.out.mkdir(parents=True, exist_ok=True)
    if not args.report_only:
        import torch

        torch.set_num_threads(1)
        # A task that is ended in the usual way writes down what it has cost, too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        busy = run_tasks(reproduction, lambda line: print(line, file=sys.stderr, flush=True))
        if busy:
            print(f"left to other processes: {', '.join(busy)}", file=sys.stderr)
    _report(reproduction, args)
    return 0


def _report(reproduction: Any, args: argparse.Namespace) -> None:
    from earvoice.reproduce.docs import into_docs
    from earvoice.reproduce.plot import plot
    from earvoice.reproduce.report import PICTURE, TABLE, results, write

    found = results(reproduction, _command(args))
    write(found, args.out)
    drawn = not args.no_plot and any(claim["rows"] for claim in found["claims"].values())
    if drawn:
        plot(found, args.out / PICTURE)
    if args.docs is not None:
        into_docs(found, args.docs, args.out / PICTURE if drawn else None)
    for name, claim in found["claims"].items():
        print(f"{name}: {claim['verdict']}")
    print(args.out / TABLE)


def _choice(args: argparse.Namespace, claims: tuple[str, ...]) -> Choice:
    from earvoice.reproduce.shared import Choice

    if not 0 < args.steps_scale < math.inf:
        raise UsageError(f"--steps-scale is {args.steps_scale}, it must be more than 0")
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in args.seeds.split(",")))
    except ValueError:
        raise UsageError(f"--seeds is {args.seeds!r}, it must be numbers such as 1,2,3") from None
    if min(seeds) < 0:
        raise UsageError(f"--seeds is {args.seeds!r}, they must be 0 or more")
    chosen = tuple(name for name in args.claims.split(",") if name) or claims
    return Choice(
        claims=chosen,
        seeds=seeds,
        corpus=tuple(args.corpus),
        test=tuple(args.test),
        out=args.out,
        base=tuple(args.base),
        scale=args.steps_scale,
    )


def _file(paper: str) -> Path:
    path = Path(paper) if paper.endswith(".yaml") else Path("recipes/reproduce") / f"{paper}.yaml"
    if not path.is_file():
        raise UsageError(f"there is no {path}: run it in a checkout, or name a YAML file")
    return path


def _command(args: argparse.Namespace) -> str:
    """The command that runs what is reported; of absolute paths only the last name."""
    words = ["earvoice", "reproduce", args.paper]
    for name in ("claims", "seeds", "corpus", "test", "out", "base", "steps_scale"):
        given = getattr(args, name)
        for value in given if isinstance(given, list) else [given]:
            if value in (None, "", 1.0):
                continue
            shown = value.name if isinstance(value, Path) and value.is_absolute() else str(value)
            words += [f"--{name.replace('_', '-')}", shown]
    return shlex.join(words)
