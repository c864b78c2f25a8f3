"""`earvoice bench quality`: BLEU and lag of a model on a synthetic test set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.policies import PolicySpec, options_of, parse_policy
from earvoice.policies.align_att import FRAMES
from earvoice.policies.sweep import SWEPT, Sweep, parse_sweeps

_TEXT = """\
Measures: translation quality and lag on a corpus made by `earvoice corpus synth`.

  --mode sentences   each sentence by itself, 0.2 s of its surroundings around it
  --mode talks       whole talks, one session each

BLEU is sacrebleu's (13a) over sessions, a talk being one segment, with a 95 % bootstrap interval.
LAAL is on the ideal clock: computation does not count. k = 100 hears a whole sentence first.

examples:
  earvoice corpus synth --langs en-de,en-es --split test --hours 1.25 --seed 11 \\
      --minutes-max 3 --out corpora/test
  earvoice bench quality --corpus corpora/test --mode sentences --items 500 --k 100
  earvoice bench quality --corpus corpora/test --items 40 --k 1,2,3,4,5 --plot curve.png
  earvoice bench quality --model llast-mini-multi --src-lang fr --tgt-lang en \\
      --corpus corpora/test-fr-en --mode sentences --items 500 --k 100
  earvoice bench quality --model runs/lst/model --corpus corpora/test --policy align-att \\
      --frames 2,4,8
"""


def add_quality(names: Any) -> None:
    """Adds the benchmark to `earvoice bench`."""
    parser: argparse.ArgumentParser = names.add_parser(
        "quality",
        help="BLEU and lag on a synthetic test set",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="fasst-mini-en-de", metavar="NAME|DIR")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--mode", default="talks", help="talks or sentences (default: talks)")
    parser.add_argument("--src-lang", metavar="CODE", help="(default: the model's first)")
    parser.add_argument("--tgt-lang", metavar="CODE", help="(default: the model's first)")
    parser.add_argument("--items", type=int, default=40, help="how many (default: %(default)s)")
    parser.add_argument("--policy", default="wait-k", metavar="KIND", help="(default: wait-k)")
    add = parser.add_argument
    add("--k", metavar="K,K", help="wait-k: waits in segments (default: 3)")
    add("--n", metavar="N,N", help="words a segment, words held, drafts (default: the model's)")
    add("--frames", metavar="F,F", help="align-att: frames off limits (default: 4)")
    add("--layer", metavar="L,L", help="align-att: whose attention, from 0 (default: the model's)")
    parser.add_argument("--batch", type=int, default=16, help="sessions at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and the bootstrap")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="BLEU over lag, as an image")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def _line(quality: Any) -> str:
    engines = ", ".join(f"{name} {bleu}" for name, bleu in quality.by_engine.items())
    return (
        f"{quality.policy}: BLEU {quality.bleu} [{quality.bleu_low}, {quality.bleu_high}] "
        f"({engines}), LAAL {quality.laal_ms:.0f} ms, {quality.items} {quality.mode}"
    )


def _sweep(args: argparse.Namespace, own: PolicySpec | None) -> Sweep:
    """The policies of the options: one option with commas gives the points of the curve."""
    options = {name: getattr(args, name) for name in ("k", "n", "frames", "layer")}
    if args.policy == "wait-k":
        options["k"] = options["k"] or "3"
    elif args.policy == "align-att":
        options["frames"] = options["frames"] or str(FRAMES)
    elif args.policy in SWEPT:
        options["n"] = options["n"] or str(options_of(parse_policy(args.policy, own))["n"])
    said = [
        f"{name}={text.replace(',', '/')}" for name, text in options.items() if text is not None
    ]
    (sweep,) = parse_sweeps(f"{args.policy}:{','.join(said)}", own)
    return sweep


_PICTURES = (".png", ".svg", ".pdf")


def _check_plot(plot: Path | None) -> None:
    """That a picture can be written there, before minutes are spent. Raises: UsageError."""
    if plot is None:
        return
    if plot.suffix.lower() not in _PICTURES:
        raise UsageError(f"--plot is {plot}, it must end in one of {', '.join(_PICTURES)}")
    if not plot.parent.is_dir():
        raise UsageError(f"--plot is {plot}: there is no folder {plot.parent}")


def run_quality(args: argparse.Namespace) -> int:
    """Measures and prints; returns 0."""
    from earvoice.bench.curve import QualitySpec, curve_as_json, points_of, quality_curve
    from earvoice.bench.quality import Quality
    from earvoice.eval.plot import plot_curves
    from earvoice.loading import load
    from earvoice.zoo import find, read_card

    if args.batch < 1:
        raise UsageError(f"--batch is {args.batch}, it must be 1 or more")
    _check_plot(args.plot)
    folder = find(args.model)
    card = read_card(folder)
    sweep = _sweep(args, card.policy)
    spec = QualitySpec(args.corpus, args.mode, args.items, sweep, args.batch, args.seed)

    def say(quality: Quality) -> None:
        print(_line(quality), file=sys.stderr)

    import torch

    torch.set_num_threads(1)
    interpreter = load(folder, rows=args.batch)
    src_lang, tgt_lang = card.pair(args.src_lang, args.tgt_lang)
    found = quality_curve(interpreter, spec, src_lang, tgt_lang, say)
    if args.plot is not None:
        axes = ("lag: LAAL in seconds, ideal clock", "BLEU")
        plot_curves({card.name: points_of(sweep, found)}, args.plot, *axes)
    if args.json:
        print(json.dumps(curve_as_json(card.name, spec, found), ensure_ascii=False))
    else:
        for quality in found:
            print(_line(quality))
    return 0
