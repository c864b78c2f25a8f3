"""`earvoice corpus conversation`: two people, two languages, a room and several microphones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earvoice.cli.corpus_progress import check_jobs, rendering

_SPLITS = ("train", "dev", "test", "test-unseen-voices")


def add_conversation(actions: Any) -> None:
    """Adds the action to `earvoice corpus`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "conversation", help="render bilingual conversations heard by several microphones"
    )
    parser.add_argument("--pair", default="en-es", help="the two languages (default: %(default)s)")
    parser.add_argument("--hours", type=float, required=True, help="hours of audio")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another corpus")
    parser.add_argument("--split", choices=_SPLITS, default="train")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument(
        "--array", default="glasses", help="glasses (5 microphones) or single (default: glasses)"
    )
    parser.add_argument(
        "--snrs", default="clean,30,25,20,15,10", metavar="DB,DB",
        help="SNRs of the partner to draw from (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--overlap", type=float, default=0.25, help="share of early starts (default: 0.25; 0: none)"
    )
    parser.add_argument(
        "--bystander", type=float, default=0.2,
        help="share of conversations with a third voice (default: 0.2)",
    )  # fmt: skip
    parser.add_argument("--rooms", type=int, default=200, help="different rooms (default: 200)")
    parser.add_argument("--minutes-min", type=float, default=1.0, help="shortest conversation")
    parser.add_argument("--minutes-max", type=float, default=4.0, help="longest conversation")
    parser.add_argument("--out", type=Path, required=True, help="folder; an unfinished one goes on")


def run_conversation(args: argparse.Namespace) -> int:
    """Makes the corpus; returns the exit code."""
    check_jobs(args.jobs)
    from earvoice.data.synth.conversation.corpus import make_conversations
    from earvoice.data.synth.conversation.plan import ConversationSpec

    spec = ConversationSpec(
        split=args.split,
        hours=args.hours,
        seed=args.seed,
        pair=args.pair,
        minutes=(args.minutes_min, args.minutes_max),
        array=args.array,
        snrs=tuple(item.strip() for item in args.snrs.split(",") if item.strip()),
        overlap=args.overlap,
        bystander=args.bystander,
        rooms=args.rooms,
    )
    with rendering(args.split, "conversations") as told:
        record = make_conversations(spec, args.out, args.jobs, told)
    print(
        f"{args.out}: {record['conversations']} conversations, {record['turns']} turns, "
        f"{record['hours']:.2f} h, " + ", ".join(record["synthesizers"].values())
    )
    return 0
