"""`earvoice eval curve`: models at several policies, from recordings to a table and a plot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.cli.eval_simulate import POLICY_OPTIONS, add_simulation, run_simulate
from earvoice.errors import UsageError
from earvoice.policies import format_policy
from earvoice.policies.sweep import Sweep, parse_sweeps
from earvoice.zoo import DEFAULT_MODEL, ModelCard, find_model

if TYPE_CHECKING:
    from earvoice.eval.compare import Estimate
    from earvoice.eval.plot import PlotPoint

QUALITY = ("bleu", "chrf")
LATENCY = {"long": ("long_yaal", "long_laal", "stream_laal"), "short": ("laal", "yaal")}
"""The first is the plot's, unless --latency names another."""
AWARE = ("_ca_queue", "_ca_simuleval", "_ca_chunk")
"""Where computing was measured: the plot's latency by each of the three clocks, in its panels."""
_NAMES = {"long_yaal": "LongYAAL", "long_laal": "LAAL", "laal": "LAAL", "yaal": "YAAL"}
_CLOCKS = {
    "": "ideal clock",
    "_ca_queue": "computing in a queue",
    "_ca_simuleval": "computing as SimulEval adds it",
    "_ca_chunk": "computing of the chunk alone",
}
_TEXT = """\
Simulates models once for every point of their curves and scores the runs: quality over latency.

Each --model takes the --policy that follows it: kinds with commas, a curve each, and of one
option the values, with strokes between them; without --policy it is wait-k. With `--clock wall`
there is a panel for latency on the ideal clock and one for each of the three clocks that count
computing.

  wait-k                       k = 1 to 5 (or --ks)
  align-att:frames=2/4/8       three points; the layer is the model's
  wait-k:n=3,local-agreement   two curves

The runs are as `earvoice eval simulate` makes them: OUT/k1, OUT/k2 ..., or OUT/MODEL/KIND/k1 where
there are several curves. One that is there is not made again; one that was stopped goes on. OUT
holds curve.md, curve.json and, with the extra `track`, curve.png. Intervals are 95 %, by
bootstrap over talks (short form: sentences).

examples:
  earvoice eval curve --model fasst-mini-en-de --data corpora/test --items 40 --out runs/curve
  earvoice eval curve --data corpora/test --clock wall --latency laal --out runs/policies \\
      --model runs/lst/model --policy wait-k,local-agreement,align-att --model fasst-mini-en-de
"""


class _Named(argparse.Action):
    """Collects `--model M --policy P --model N` as [[M, P], [N, None]]."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        named = [list(pair) for pair in getattr(namespace, self.dest)]
        if option_string == "--model":
            named.append([values, None])
        else:
            named = named or [[DEFAULT_MODEL, None]]
            if named[-1][1] is not None:
                parser.error(f"--policy is given twice for {named[-1][0]}: use commas")
            named[-1][1] = values
        setattr(namespace, self.dest, named)


@dataclass(frozen=True)
class _Curve:
    """A model with the policies of one kind, and where their runs lie."""

    model: str
    name: str
    sweep: Sweep
    folders: tuple[Path, ...]


def add_curve(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "curve",
        help="quality over latency of models at several policies",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    named: dict[str, Any] = {"dest": "named", "default": [], "action": _Named}
    parser.add_argument("--model", metavar="NAME|DIR", help="may be repeated", **named)
    parser.add_argument(
        "--policy", metavar="KIND[:OPTION=X/Y]", help="of the model before", **named
    )
    parser.add_argument("--ks", metavar="K,K", help="of wait-k (default: 1,2,3,4,5)")
    parser.add_argument("--latency", choices=("yaal", "laal"), help="of the plot")
    add_simulation(parser)
    parser.add_argument("--json", action="store_true", help="print curve.json")


def run_curve(args: argparse.Namespace) -> int:
    """Simulates, scores, writes; returns 0, or the exit code of a simulation that failed."""
    if args.agent is not None or args.processor is not None:
        raise UsageError("curves are for models of this package")
    cards = [find_model(model) for model, _ in args.named or [[DEFAULT_MODEL, None]]]
    language = _language(cards, args.tgt_lang)
    curves = _curves(args, cards)
    nothing = dict.fromkeys(POLICY_OPTIONS)
    for curve in curves:
        for policy, folder in zip(curve.sweep.policies, curve.folders, strict=True):
            asked = {"model": curve.model, "policy": format_policy(policy), "out": folder}
            run = argparse.Namespace(**(vars(args) | nothing | asked | {"tgt_lang": language}))
            code = run_simulate(run, quiet=True)
            if code:
                return code
    latency, found = _estimates(curves, language, args)
    data = _as_json(curves, found)
    table = _table(curves, found)
    (args.out / "curve.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (args.out / "curve.md").write_text(table, encoding="utf-8")
    _plot(curves, found, latency, args.out / "curve.png")
    print(json.dumps(data) if args.json else table, end="\n" if args.json else "")
    return 0


def _language(cards: Sequence[ModelCard], asked: str | None) -> str:
    """The one language that all models write."""
    language = asked or cards[0].tgt_langs[0]
    for card in cards:
        if language not in card.tgt_langs:
            raise UsageError(
                f"{card.name} writes {', '.join(card.tgt_langs)}, not {language!r}: models of one "
                "plot need one language, see --tgt-lang"
            )
    return language


def _curves(args: argparse.Namespace, cards: Sequence[ModelCard]) -> list[_Curve]:
    swept: list[tuple[str, str, Sweep]] = []
    names = [card.name for card in cards]
    asked = args.named or [[DEFAULT_MODEL, None]]
    if args.ks is not None and not any(_takes_ks(text or "wait-k") for _, text in asked):
        raise UsageError(
            f"--ks is {args.ks!r}, but no policy is plain wait-k; name its points there: "
            "wait-k:k=1/2/3,n=3"
        )
    for place, ((model, text), card) in enumerate(zip(asked, cards, strict=True)):
        again = names[:place].count(card.name)
        name = f"{card.name}-{again + 1}" if again else card.name
        sweeps = parse_sweeps(_with_ks(text or "wait-k", args.ks), card.policy)
        swept += [(name, model, sweep) for sweep in sweeps]
    alone = len(swept) == 1
    curves = []
    for name, model, sweep in swept:
        folder = args.out if alone else args.out / name / sweep.kind
        folders = [folder / sweep.label(policy).replace("=", "") for policy in sweep.policies]
        shown = name if alone else f"{name} {sweep.kind}"
        curves.append(_Curve(model, shown, sweep, tuple(folders)))
    return curves


def _takes_ks(text: str) -> bool:
    """Whether a text of policies has wait-k as it is, without options behind it."""
    return "wait-k" in text.split(",")


def _with_ks(text: str, ks: str | None) -> str:
    if ks is None or not _takes_ks(text):
        return text
    try:
        numbers = [int(k) for k in ks.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or len(set(numbers)) != len(numbers):
        raise UsageError(f"--ks is {ks!r}, it must be different numbers such as 1,2,3")
    points = f"wait-k:k={'/'.join(map(str, numbers))}"
    return ",".join(points if part == "wait-k" else part for part in text.split(","))


def _estimates(
    curves: Sequence[_Curve], language: str, args: argparse.Namespace
) -> tuple[str, list[list[Estimate]]]:
    """The plot's latency, and the figures of every run, curve by curve, from the same draws."""
    from earvoice.eval.compare import estimates
    from earvoice.eval.runs import Where, aligned, open_runs, score_run

    folders = [folder for curve in curves for folder in curve.folders]
    runs = aligned(open_runs(folders, Where(language)))
    form = runs[0].scored.form
    named = LATENCY[form]
    latency = named[0]
    if args.latency is not None:
        latency = f"long_{args.latency}" if form == "long" else args.latency
    aware = [latency + clock for clock in AWARE] if args.clock == "wall" else []
    flat = estimates([score_run(run, (*QUALITY, *named, *aware)) for run in runs])
    found, first = [], 0
    for curve in curves:
        found.append(flat[first : first + len(curve.folders)])
        first += len(curve.folders)
    return latency, found


def _as_json(curves: Sequence[_Curve], found: Sequence[Sequence[Estimate]]) -> dict[str, Any]:
    return {
        "curves": [
            {
                "name": curve.name,
                "model": ones[0].run.model,
                "policy": curve.sweep.kind,
                "run": {k: v for k, v in ones[0].run.note.items() if k != "policy"},
                "points": [
                    {
                        "point": curve.sweep.label(policy),
                        "policy": one.run.policy,
                        "metrics": {name: asdict(figure) for name, figure in one.figures.items()},
                    }
                    for policy, one in zip(curve.sweep.policies, ones, strict=True)
                ],
            }
            for curve, ones in zip(curves, found, strict=True)
        ],
        "signature": found[0][0].run.scores.signature,
    }


def _table(curves: Sequence[_Curve], found: Sequence[Sequence[Estimate]]) -> str:
    names = list(found[0][0].figures)
    alone = len(curves) == 1
    first = [curves[0].sweep.option] if alone else ["model and policy", "point"]
    heads = [*first, *map(_head, names)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for curve, ones in zip(curves, found, strict=True):
        for policy, one in zip(curve.sweep.policies, ones, strict=True):
            point = curve.sweep.label(policy)
            place = [point.partition("=")[2]] if alone else [curve.name, point]
            cells = [*place, *(_cell(name, one.figures[name]) for name in names)]
            lines.append(f"| {' | '.join(cells)} |")
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


def _plot(
    curves: Sequence[_Curve], found: Sequence[Sequence[Estimate]], latency: str, path: Path
) -> None:
    """The image, where matplotlib is installed; the table and the JSON are there without it."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        return
    from earvoice.eval.plot import plot_panels

    panels: dict[str, dict[str, list[PlotPoint]]] = {}
    for clock, meaning in _CLOCKS.items():
        if latency + clock not in found[0][0].figures:
            continue
        lines = {
            curve.name: _points(curve, ones, latency + clock)
            for curve, ones in zip(curves, found, strict=True)
        }
        if any(lines.values()):
            label = f"{_NAMES[latency]} in seconds, {meaning}"
            panels[label] = {name: line for name, line in lines.items() if line}
    if panels:
        plot_panels(panels, path, "BLEU")


def _points(curve: _Curve, ones: Sequence[Estimate], latency: str) -> list[PlotPoint]:
    from earvoice.eval.plot import PlotPoint

    points = []
    for policy, one in zip(curve.sweep.policies, ones, strict=True):
        lag, bleu = one.figures[latency], one.figures["bleu"]
        if lag.value is None or bleu.value is None:
            continue
        low = bleu.value if bleu.low is None else bleu.low
        high = bleu.value if bleu.high is None else bleu.high
        label = curve.sweep.label(policy)
        points.append(PlotPoint(label, lag.value / 1000, bleu.value, low, high))
    return points
