"""`earvoice eval report`: one page about one or more runs, for a browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice.cli.eval_extras import add_extras, open_with_extras
from earvoice.cli.eval_inputs import add_several, warn
from earvoice.cli.eval_metrics import metrics_of
from earvoice.errors import UsageError

if TYPE_CHECKING:
    from earvoice.eval.report import Heard

_TEXT = """\
Writes one HTML file that needs nothing else: quality against latency, latency of the segments,
what was heard and written when, the worst segments beside their reference, and every figure with
its interval and signature. The first run is the baseline of the differences.

With --data, the timelines show the words of the recording at their times.

examples:
  earvoice eval report runs/k3 --tgt-lang de --out report.html
  earvoice eval report runs/k* --tgt-lang de --data corpora/test --out report.html
"""


def add_report(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "report",
        help="one page about one or more runs",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_several(parser)
    add_extras(parser)
    parser.add_argument("--metrics", help="names with commas (default: all of the form)")
    parser.add_argument("--data", type=Path, help="corpus of the runs, for times of words")
    parser.add_argument("--title", default="Simultaneous translation")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")


def run_report(args: argparse.Namespace) -> int:
    """Writes the page and prints its name; returns 0."""
    from earvoice.eval.compare import CURVE_LATENCY
    from earvoice.eval.report import report_page
    from earvoice.eval.runs import score_run

    if args.out.is_dir():
        raise UsageError(f"--out is {args.out}, a folder; it must be a file, e.g. report.html")
    runs = open_with_extras(args.runs, args)
    warn([run.scored for run in runs])
    form = runs[0].scored.form
    latency = CURVE_LATENCY[form]
    # The page draws chrF per segment and both clocks, whatever else is asked for.
    drawn = ("bleu", "chrf", latency, f"{latency}_ca_queue")
    metrics = tuple(dict.fromkeys((*metrics_of(args.metrics, form), *drawn)))
    scored = [score_run(run, metrics) for run in runs]
    page = report_page(scored, title=args.title, spoken=_spoken(args.data))
    args.out.write_text(page, encoding="utf-8")
    print(args.out)
    return 0


def _spoken(data: Path | None) -> dict[str, list[Heard]]:
    """The words of every talk of a corpus, with their times."""
    if data is None:
        return {}
    from earvoice.data.manifest import load_talks
    from earvoice.eval.report import Heard

    return {
        talk.id: [
            Heard(word.text, round(word.start_s * 1_000_000), round(word.end_s * 1_000_000))
            for sentence in talk.sentences
            for word in sentence.words
        ]
        for talk in load_talks(data)
    }
