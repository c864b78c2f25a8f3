"""`earvoice corpus import KIND DIR --tgt-lang de --split dev --out OUT`: a published corpus."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.errors import UsageError

# The split that is meant if none is named.
KINDS = MappingProxyType(
    {
        "must-c": "tst-COMMON",
        "covost2": "test",
        "fleurs": "test",
        "acl6060": "dev",
        "mcif": "test",
        "realsi": "test",
    }
)
_TEXT = """\
Makes a manifest of a corpus that you have on disk. Nothing is downloaded.

  must-c    en-de/data/SPLIT/{wav/*.wav, txt/SPLIT.yaml, txt/SPLIT.en, txt/SPLIT.de}
            SPLIT: train, dev, tst-COMMON (default), tst-HE
  covost2   en/{clips/*.mp3, covost_v2.en_de.SPLIT.tsv}, or en/{clips/*.mp3, validated.tsv,
            covost_v2.en_de.tsv}                                SPLIT: train, dev, test (default)
  fleurs    data/en_us/{SPLIT.tsv, audio/SPLIT.tar.gz or audio/SPLIT/*.wav} and
            data/de_de/SPLIT.tsv, or lhotse's {metadata/en_us/SPLIT.tsv, en_us/SPLIT/*.wav}
                                                                SPLIT: train, dev, test (default)
  acl6060   2/acl_6060/SPLIT/{full_wavs/*.wav, text/xml/ACL.6060.SPLIT.en-xx.{en,de}.xml};
            times: segmented_wavs/gold/sent_*.wav or a YAML     SPLIT: dev (default), eval
  mcif      MCIF*.long.de.ref.xml[.gz], MCIF_DATA/LONG_AUDIO*/*.wav, times in a YAML
  realsi    data/en2zh/{json/*.json, audio/<vid>.mp3}

DIR is the folder these paths start from, or one further down.

  --form long    whole recordings, for simultaneous translation (must-c acl6060 mcif realsi)
  --form short   one cut per sentence

OUT/ holds cuts.jsonl, which `earvoice eval simulate --data OUT` reads, segments.yaml,
references.txt and sources.txt in the field's format, terms.jsonl where the corpus names terms, and
import.json. Audio that is mono 16 kHz 16-bit WAV stays where it is; other audio is written to
OUT/audio, what comes out of an archive to OUT/unpacked. Word times come from `earvoice corpus
align`. What is left out is counted and named, with file and line:

  skipped 3: 1 empty translation (en-de/data/dev/txt/dev.yaml line 4), 2 missing audio (...)

What is not legal stops the import with the file and the line: text files that do not have a line
for each segment, a tab inside a field, an id that stands there twice, a path that leaves DIR.

examples:
  earvoice corpus import must-c MUSTC --tgt-lang de --split tst-COMMON --form long --out tst
  earvoice eval simulate --model fasst-mini-en-de --data tst --out runs/tst
  earvoice eval score runs/tst --tgt-lang de
  earvoice corpus import covost2 CV4 --tgt-lang zh-CN --split dev --out covost-dev
  earvoice corpus import fleurs FLEURS --src-lang en_us --tgt-lang cmn_hans_cn --out fleurs
  earvoice corpus import acl6060 . --tgt-lang de --form long --segments acl6060.yaml --out acl
  earvoice corpus import realsi RealSI --tgt-lang zh --form long --out realsi
"""


def add_import(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "import",
        help="a manifest from MuST-C, CoVoST 2, FLEURS, ACL 60/60, MCIF or RealSI on disk",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=tuple(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("corpus", type=Path, metavar="DIR", help="folder of the corpus")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="new folder, or OUT/NAME.jsonl"
    )
    parser.add_argument("--src-lang", default="en", help="as the corpus spells it (default en)")
    parser.add_argument("--tgt-lang", required=True, help="as the corpus spells it, e.g. de, zh-CN")
    parser.add_argument("--split", help="which part (default: the usual test set)")
    parser.add_argument("--form", choices=("short", "long"), default="short")
    parser.add_argument(
        "--segments", type=Path, metavar="YAML", help="times of segments (acl6060, mcif)"
    )


def run_import(args: argparse.Namespace) -> int:
    """Imports and says what was left out; returns 0."""
    from earvoice.data.corpora.readers import READERS
    from earvoice.data.corpora.result import Tally
    from earvoice.data.corpora.takes import Wanted
    from earvoice.data.corpora.write import manifest_path, write_corpus

    if not args.corpus.is_dir():
        raise UsageError(f"there is no folder {args.corpus}")
    if args.segments is not None and args.kind not in ("acl6060", "mcif"):
        raise UsageError(f"--segments is for acl6060 and mcif; {args.kind} has its own times")
    split = KINDS[args.kind] if args.split is None else args.split
    if not split or "/" in split or ".." in split:
        raise UsageError(f"--split is {split!r}, it must be a name such as {KINDS[args.kind]}")
    manifest = manifest_path(args.out)
    wanted = Wanted(args.src_lang, args.tgt_lang, split, args.form, args.segments)
    skipped = Tally()
    takes = READERS[args.kind](args.corpus, wanted, skipped)
    result = write_corpus(takes, wanted, manifest, args.kind, skipped, args.corpus)
    terms = f", {result.terms} terms" if result.terms else ""
    print(
        f"{manifest}: {result.recordings} recordings, {result.segments} segments, "
        f"{result.hours:.2f} h, {args.form} form{terms}"
    )
    for line in result.lines():
        print(line)
    return 0
