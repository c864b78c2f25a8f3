"""`earvoice corpus`: make a synthetic corpus, look at one, join, import and align others.

- `earvoice corpus synth --langs en-de,en-es --hours 2 --seed 1 --out corpora/train`
- `earvoice corpus synth --style interpreted --langs zh-en --hours 5 --out corpora/zh-en`
- `earvoice corpus conversation --hours 2 --seed 1 --out corpora/talk`
- `earvoice corpus info corpora/train`
- `earvoice corpus long corpora/train --max-s 30 --out corpora/train-long`
- `earvoice corpus import must-c MUSTC --tgt-lang de --form long --out tst`
- `earvoice corpus align tst --textgrids grids --out tst-aligned`
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from earvoice.cli.corpus_align import add_align, run_align
from earvoice.cli.corpus_chunks import add_chunks, run_chunks
from earvoice.cli.corpus_conversation import add_conversation, run_conversation
from earvoice.cli.corpus_import import add_import, run_import
from earvoice.cli.corpus_progress import check_jobs, rendering

_SPLITS = ("train", "dev", "test", "test-unseen-voices", "test-noise", "test-other-synth")


def add_parser(subparsers: Any) -> None:
    """Adds the command and its actions."""
    parser = subparsers.add_parser(
        "corpus", help="make or look at a corpus of talks with word times"
    )
    actions = parser.add_subparsers(dest="action", required=True)
    synth = actions.add_parser("synth", help="render a synthetic corpus")
    synth.add_argument("--langs", default="en-de,en-es", help="directions, e.g. en-de,de-en,es-en")
    synth.add_argument("--hours", type=float, required=True, help="hours of audio")
    synth.add_argument("--seed", type=int, default=1, help="another seed, another corpus")
    synth.add_argument("--split", choices=_SPLITS, default="train")
    synth.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    synth.add_argument("--minutes-min", type=float, default=1.0, help="shortest talk")
    synth.add_argument("--minutes-max", type=float, default=10.0, help="longest talk")
    synth.add_argument(
        "--engines", default="", help="synthesizers, e.g. espeak,flite (default: the installed)"
    )
    synth.add_argument("--flite-share", type=float, default=0.18, help="share of flite's talks")
    synth.add_argument(
        "--style", choices=("plain", "interpreted"), default="plain",
        help="interpreted: slips, rare terms, references back (en-zh, zh-en)",
    )  # fmt: skip
    synth.add_argument(
        "--focus", choices=("terms", "list", "reference"), default="", help="nothing but these"
    )
    synth.add_argument("--out", type=Path, required=True, help="folder; an unfinished one goes on")
    info = actions.add_parser("info", help="hours, talks, sentences, voices of a corpus")
    info.add_argument("corpus", type=Path)
    info.add_argument("--json", action="store_true", help="as JSON")
    long = actions.add_parser("long", help="join neighbouring sentences into spans (MuST-C-Long)")
    long.add_argument("corpus", type=Path)
    long.add_argument("--max-s", type=float, default=30.0, help="every span is shorter than this")
    long.add_argument("--out", type=Path, required=True)
    add_conversation(actions)
    add_import(actions)
    add_align(actions)
    add_chunks(actions)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action; returns the exit code."""
    actions = {
        "synth": _synth, "info": _info, "long": _long, "import": run_import, "align": run_align,
        "conversation": run_conversation, "chunks": run_chunks,
    }  # fmt: skip
    return actions[args.action](args)


def _synth(args: argparse.Namespace) -> int:
    from earvoice.data.synth.corpus import synthesise
    from earvoice.data.synth.plan import CorpusSpec

    check_jobs(args.jobs)
    directions = dict.fromkeys(item.strip() for item in args.langs.split(","))
    spec = CorpusSpec(
        split=args.split,
        directions=tuple(directions),
        hours=args.hours,
        seed=args.seed,
        minutes=(args.minutes_min, args.minutes_max),
        engines=tuple(name.strip() for name in args.engines.split(",") if name.strip()),
        flite_share=args.flite_share,
        style=args.style,
        focus=args.focus,
    )
    with rendering(args.split, "talks") as told:
        record = synthesise(spec, args.out, args.jobs, told)
    print(
        f"{args.out}: {record['talks']} talks, {record['sentences']} sentences, "
        f"{record['hours']:.2f} h, " + ", ".join(record["synthesizers"].values())
    )
    return 0


def _info(args: argparse.Namespace) -> int:
    from earvoice.data.manifest import load_talks
    from earvoice.data.summary import summarise

    summary = summarise(load_talks(args.corpus))
    if args.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return 0
    for name, value in summary.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {count}" for key, count in value.items())
        print(f"{name.replace('_', ' '):24} {shown}")
    return 0


def _long(args: argparse.Namespace) -> int:
    from earvoice.data.long import lengthen_corpus

    count, mean_s = lengthen_corpus(args.corpus, args.out, args.max_s)
    print(f"{args.out}: {count} spans, {mean_s:.1f} s on average")
    return 0
