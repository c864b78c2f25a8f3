"""`earvoice corpus align CORPUS`: word times for an imported corpus, from a forced aligner."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError

_TEXT = """\
Training stages that learn from when words are said (waco, phones) need an aligned corpus. Two
commands, with the Montreal Forced Aligner (or another that writes Praat TextGrids) between them:

  earvoice corpus align CORPUS --export DIR       recordings and texts as the aligner reads them
  mfa align DIR english_mfa english_mfa GRIDS     installed apart: conda install -c conda-forge
                                                  montreal-forced-aligner
  earvoice corpus align CORPUS --textgrids GRIDS --out ALIGNED

A TextGrid, in any folder below GRIDS, has the name of a recording (its times are the recording's,
and every cut of it takes its stretch) or of a cut (`ted_1-0003.TextGrid`).

Words are compared by letters and digits. A sentence with other words than the aligner's, without an
alignment, without a word, or shorter than 320 ms is counted, with file and line:

  without word times 2: 1 with other words (GRIDS/ted_1.TextGrid line 40: 'gone' for 'going.'), ...

It stays in the manifest without word times, or is left out with --drop-unaligned, as FASST does.

Long spans (MuST-C-Long) take their times from the same TextGrids:

  earvoice corpus long CORPUS --out SPANS
  earvoice corpus align SPANS --textgrids GRIDS --drop-unaligned --out ALIGNED-SPANS
"""


def add_align(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "align",
        help="word times from the TextGrids of a forced aligner",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="folder with a cuts.jsonl")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--export", type=Path, metavar="DIR", help="write what the aligner reads")
    way.add_argument("--textgrids", type=Path, metavar="GRIDS", help="what the aligner wrote")
    parser.add_argument("--out", type=Path, metavar="ALIGNED", help="new folder for the manifest")
    parser.add_argument("--tier", default="words", help="tier of words (default words)")
    parser.add_argument(
        "--phone-tier", help="tier of phonemes (default phones, where there is one)"
    )
    parser.add_argument(
        "--drop-unaligned", action="store_true", help="leave out sentences without word times"
    )


def run_align(args: argparse.Namespace) -> int:
    """Exports or aligns and says what was left out; returns 0."""
    if args.export is not None:
        if args.out is not None:
            raise UsageError("--out goes with --textgrids; --export names its own folder")
        return _export(args)
    if args.out is None:
        raise UsageError("--textgrids needs --out, a new folder for the manifest")
    return _align(args)


def _export(args: argparse.Namespace) -> int:
    from earvoice.data.corpora.for_aligner import export_corpus

    result = export_corpus(args.corpus, args.export)
    print(
        f"{args.export}: {result.recordings} recordings, {result.utterances} utterances, "
        f"{result.speech_us / 3.6e9:.2f} h"
    )
    if told := result.skipped.told("skipped"):
        print(told)
    print(f"next: mfa align {args.export} DICTIONARY ACOUSTIC_MODEL GRIDS   (english_mfa, twice)")
    print(f"      earvoice corpus align {args.corpus} --textgrids GRIDS --out ALIGNED")
    return 0


def _align(args: argparse.Namespace) -> int:
    from earvoice.data.corpora.align import align_corpus
    from earvoice.data.corpora.grids import Grids, TierNames

    result = align_corpus(
        args.corpus,
        Grids(args.textgrids),
        TierNames(args.tier, args.phone_tier),
        args.out,
        drop_unaligned=args.drop_unaligned,
    )
    print(
        f"{args.out}: {result.cuts} cuts, {result.sentences} sentences with {result.words} words "
        f"and {result.phones} phonemes"
    )
    if told := result.skipped.told("left out" if args.drop_unaligned else "without word times"):
        print(told)
    return 0
