"""`earvoice corpus chunks`: the semantic chunks of a corpus, as JSON lines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError

_WHAT = """\
Prints one line per talk, by the rule of earvoice/data/chunks.py:

  {"recording": ID, "cuts_s": [2.1, ...], "chunks": [{"text": ..., "translation": ...}, ...]}

Any corpus with word times and sentence translations will do (`corpus synth`, `corpus align`); a
sentence without word times is one chunk. `earvoice eval score --chunks` takes the output.
"""


def add_chunks(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "chunks",
        help="cut talks into semantic chunks with their translations",
        description=_WHAT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--src-lang", default="en", help="language spoken (default: en)")
    parser.add_argument("--tgt-lang", required=True, help="language of the translations")


def run_chunks(args: argparse.Namespace) -> int:
    """Prints them; returns 0. Raises: UsageError naming a talk without translations."""
    from earvoice.data.chunks import chunks_of
    from earvoice.data.manifest import load_talks

    for talk in load_talks(args.corpus):
        if any(args.tgt_lang not in sentence.targets for sentence in talk.sentences):
            raise UsageError(f"the talk {talk.id} has no {args.tgt_lang!r} side")
        chunks = chunks_of(talk, args.src_lang, args.tgt_lang)
        line = {
            "recording": talk.id,
            "cuts_s": [round(chunk.end_s, 3) for chunk in chunks],
            "chunks": [
                {"text": chunk.transcript, "translation": chunk.translation} for chunk in chunks
            ],
        }
        print(json.dumps(line, ensure_ascii=False))
    return 0
