"""`earvoice eval score`: figures from a run, or from a log of another tool."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from earvoice.errors import UsageError
from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.interop import read_simuleval, read_simulstream
from earvoice.eval.lines import read_lines
from earvoice.eval.references import read_segments
from earvoice.eval.runlog import LOG_FILE, read_runlog
from earvoice.eval.score import (
    LONG_DEFAULT,
    SHORT_DEFAULT,
    Scores,
    items_of_segments,
    items_of_sentences,
    score,
)
from earvoice.eval.units import Unit, default_unit

_READERS = {"earvoice": read_runlog, "simuleval": read_simuleval, "simulstream": read_simulstream}
_TEXT = """\
Scores what was written: with --segments as long form (the output is cut at the references'
segments by SoftSegmenter), without as short form (one reference per recording).

  quality    bleu chrf ter                                 (sacrebleu; tokenizer by language)
  short      al laal dal ap atd yaal start_offset end_offset
  long       long_al long_laal long_dal long_ap long_yaal
  computing  NAME_ca_queue  NAME_ca_simuleval  NAME_ca_chunk: the same with computing counted
             by one queue, as SimulEval piles it up, or per chunk

examples:
  earvoice eval score runs/k3 --tgt-lang de
  earvoice eval score --log instances.log --log-format simuleval --tgt-lang de
  earvoice eval score --log log.jsonl --log-format simulstream --segments ref.yaml \\
      --references ref.txt --tgt-lang de --metrics bleu,long_yaal,long_yaal_ca_queue --json
"""


def add_score(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "score",
        help="quality and latency of a log",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="?", type=Path, help="folder of `earvoice eval simulate`")
    parser.add_argument("--log", type=Path, help="a log file instead")
    parser.add_argument("--log-format", choices=tuple(_READERS), default="earvoice")
    parser.add_argument("--references", type=Path, help="one line per item or segment")
    parser.add_argument("--segments", type=Path, help="YAML or JSON: offset, duration, wav")
    parser.add_argument("--tgt-lang", required=True, help="language of the output, e.g. de")
    parser.add_argument("--unit", choices=("word", "char"), help="(default: by the language)")
    parser.add_argument("--metrics", help="names with commas (default: all of the form)")
    parser.add_argument("--json", action="store_true", help="one object, with every item")


def run_score(args: argparse.Namespace) -> int:
    """Scores and prints; returns 0."""
    if (args.run is None) == (args.log is None):
        raise UsageError("name a run folder, or a log with --log")
    unit: Unit = args.unit or default_unit(args.tgt_lang)
    folder: Path | None = args.run
    log = args.log if folder is None else folder / LOG_FILE
    hypotheses: list[Hypothesis] = _READERS[args.log_format](log, unit)
    segments = args.segments or _beside(folder, "segments.yaml")
    references = args.references or _beside(folder, "references.txt")
    if segments is not None:
        if references is None:
            raise UsageError("--segments needs --references, one line per segment")
        items = items_of_segments(hypotheses, read_segments(segments, references))
    else:
        lines = None if references is None else [line.strip() for line in read_lines(references)]
        items = items_of_sentences(hypotheses, lines)
    default = SHORT_DEFAULT if segments is None else LONG_DEFAULT
    names = default if args.metrics is None else tuple(args.metrics.split(","))
    found = score(items, names, args.tgt_lang, long_form=segments is not None)
    print(json.dumps(found.to_json(), ensure_ascii=False) if args.json else _table(found))
    return 0


def _beside(folder: Path | None, name: str) -> Path | None:
    if folder is None or not (folder / name).is_file():
        return None
    return folder / name


def _table(found: Scores) -> str:
    width = max(len(name) for name in found.metrics)
    lines = []
    for name, value in found.metrics.items():
        shown = found.undefined.get(name, "undefined") if value is None else f"{value:.3f}"
        lines.append(f"{name:<{width}}  {shown:>12}  {found.signature.get(name, '')}".rstrip())
    return "\n".join(lines)
