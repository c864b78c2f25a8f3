"""The arguments that name several runs, for the actions of `earvoice eval` that compare them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from earvoice.errors import UsageError
from earvoice.eval.runs import READERS, Where
from earvoice.eval.score import LONG_DEFAULT, METRICS, SHORT_DEFAULT
from earvoice.eval.scored import Form


def add_where(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how a run is read."""
    parser.add_argument("--tgt-lang", required=True, help="language of the output, e.g. de")
    parser.add_argument("--unit", choices=("word", "char"), help="(default: by the language)")
    parser.add_argument("--log-format", choices=tuple(READERS), default="earvoice")
    parser.add_argument("--segments", type=Path, help="of all runs (default: in each folder)")
    parser.add_argument("--references", type=Path, help="of all runs (default: in each folder)")


def where_of(args: argparse.Namespace) -> Where:
    """How the runs are read."""
    return Where(args.tgt_lang, args.unit, args.log_format, args.segments, args.references)


def metrics_of(named: str | None, form: Form, more: Sequence[str] = ()) -> tuple[str, ...]:
    """The metrics asked for, or those of the form and `more`.

    Raises: UsageError for an empty list.
    """
    if named is None:
        default = LONG_DEFAULT if form == "long" else SHORT_DEFAULT
        return tuple(dict.fromkeys((*default, *more)))
    names = tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    if not names:
        raise UsageError(f"--metrics is {named!r}, it must be names with commas, e.g. bleu,chrf")
    return names


def axes_of(metrics: Sequence[str], preferred: str) -> tuple[str | None, str | None]:
    """The curves' quality and latency: the first of quality; `preferred`, or the first latency."""
    quality = [name for name in metrics if name in METRICS and METRICS[name].group == "quality"]
    latency = [
        name
        for name in metrics
        if name in METRICS and METRICS[name].group in ("latency", "computing")
    ]
    if preferred in latency:
        latency.insert(0, preferred)
    return next(iter(quality), None), next(iter(latency), None)
