"""`earvoice eval curve`: a model at several waits, from recordings to a table and a plot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.cli.eval_simulate import add_simulation, run_simulate
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.eval.compare import Estimate
    from earvoice.eval.plot import PlotPoint

QUALITY = ("bleu", "chrf")
LATENCY = {"long": ("long_yaal", "long_laal", "stream_laal"), "short": ("laal", "yaal")}
"""The first is the plot's; of it the computation-aware form too where computing was measured."""

_NAMES = {"long_yaal": "LongYAAL", "laal": "LAAL"}
_TEXT = """\
Simulates a model once for every k and scores the runs: quality over latency.

OUT/k1, OUT/k2, ... are runs as `earvoice eval simulate` makes them (one that is there is not made
again; one that was stopped goes on), and OUT holds curve.md, curve.json and, with the extra
`track`, curve.png. Intervals are 95 %, by bootstrap over talks. `--clock wall` adds latency with
computing.

example:
  earvoice eval curve --model fasst-mini-en-de --data corpora/test --items 40 --out runs/curve
"""


def add_curve(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "curve",
        help="quality over latency of a model for several k",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_simulation(parser)
    parser.add_argument("--ks", default="1,2,3,4,5", metavar="K,K", help="(default: 1,2,3,4,5)")
    parser.add_argument("--json", action="store_true", help="print curve.json")


def run_curve(args: argparse.Namespace) -> int:
    """Simulates, scores, writes; returns 0, or the exit code of a simulation that failed."""
    ks = _ks(args.ks)
    if args.agent is not None or args.processor is not None:
        raise UsageError("a curve over k is for models of this package")
    if args.policy not in (None, "wait-k"):
        raise UsageError(f"--policy is {args.policy!r}; a curve over k is of wait-k")
    folders = [args.out / f"k{k}" for k in ks]
    for k, folder in zip(ks, folders, strict=True):
        run = argparse.Namespace(**{**vars(args), "policy": "wait-k", "k": k, "out": folder})
        code = run_simulate(run, quiet=True)
        if code:
            return code
    found = _estimates(folders, args)
    data = _as_json(ks, found)
    (args.out / "curve.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (args.out / "curve.md").write_text(_table(ks, found), encoding="utf-8")
    _plot(ks, found, args.out / "curve.png")
    print(json.dumps(data) if args.json else _table(ks, found), end="\n" if args.json else "")
    return 0


def _ks(text: str) -> list[int]:
    try:
        ks = [int(k) for k in text.split(",")]
    except ValueError:
        ks = []
    if not ks or min(ks) < 1 or len(set(ks)) != len(ks):
        raise UsageError(f"--ks is {text!r}, it must be different numbers such as 1,2,3")
    return ks


def _estimates(folders: Sequence[Path], args: argparse.Namespace) -> list[Estimate]:
    from earvoice.eval.compare import estimates
    from earvoice.eval.runs import Where, aligned, open_runs, score_run
    from earvoice.zoo import find_model

    language = args.tgt_lang or find_model(args.model).tgt_langs[0]
    runs = aligned(open_runs(folders, Where(language)))
    latency = LATENCY[runs[0].scored.form]
    aware = (f"{latency[0]}_ca_queue",) if args.clock == "wall" else ()
    metrics = (*QUALITY, *latency, *aware)
    return estimates([score_run(run, metrics) for run in runs])


def _as_json(ks: Sequence[int], found: Sequence[Estimate]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": found[0].run.model,
        "run": dict(found[0].run.note),
        "points": [
            {
                "k": k,
                "policy": one.run.policy,
                "metrics": {name: asdict(figure) for name, figure in one.figures.items()},
            }
            for k, one in zip(ks, found, strict=True)
        ],
        "signature": found[0].run.scores.signature,
    }


def _table(ks: Sequence[int], found: Sequence[Estimate]) -> str:
    names = list(found[0].figures)
    lines = [
        f"| k | {' | '.join(_head(name) for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for k, one in zip(ks, found, strict=True):
        cells = [_cell(name, one.figures[name]) for name in names]
        lines.append(f"| {k} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _head(name: str) -> str:
    return f"{name} (s)" if _is_latency(name) else name


def _is_latency(name: str) -> bool:
    return name not in QUALITY


def _cell(name: str, figure: Any) -> str:
    if figure.value is None:
        return "undefined"
    scale, form = (1000.0, ".2f") if _is_latency(name) else (1.0, ".1f")
    shown = f"{figure.value / scale:{form}}"
    if figure.low is None or figure.high is None:
        return shown
    return f"{shown} [{figure.low / scale:{form}}, {figure.high / scale:{form}}]"


def _plot(ks: Sequence[int], found: Sequence[Estimate], path: Path) -> None:
    """The image, where matplotlib is installed; the table and the JSON are there without it."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        return
    from earvoice.eval.plot import plot_curves

    latency = LATENCY[found[0].run.scored.form][0]
    shown = _points(ks, found, latency)
    if shown:
        label = f"{_NAMES[latency]} in seconds, ideal clock"
        plot_curves({found[0].run.model: shown}, path, label, "BLEU")


def _points(ks: Sequence[int], found: Sequence[Estimate], latency: str) -> list[PlotPoint]:
    from earvoice.eval.plot import PlotPoint

    points = []
    for k, one in zip(ks, found, strict=True):
        lag, bleu = one.figures[latency], one.figures["bleu"]
        if lag.value is None or bleu.value is None:
            continue
        low = bleu.value if bleu.low is None else bleu.low
        high = bleu.value if bleu.high is None else bleu.high
        points.append(PlotPoint(f"k={k}", lag.value / 1000, bleu.value, low, high))
    return points
