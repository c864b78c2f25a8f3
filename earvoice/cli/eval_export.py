"""`earvoice eval export`: a run as the logs that other tools score."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from earvoice.cli.eval_run_folder import language_of
from earvoice.errors import UsageError

_TEXT = """\
Writes a run of `earvoice eval simulate` as another tool's log, with what that tool wants beside
it, and prints how to score it there. The latency figures are those of `earvoice eval score`.

  simuleval     instances.log, config.yaml          SimulEval 1.1, OmniSTEval
  simulstream   metrics.jsonl, eval.yaml            simulstream 1.0, OmniSTEval

Times with computing counted are each tool's own: SimulEval's log has audio heard plus all
computing so far, simulstream's the computing of every chunk.

examples:
  earvoice eval export runs/k3 --to simuleval --out exports/simuleval
  earvoice eval export runs/k3 --to simulstream --out exports/simulstream --tgt-lang de
"""


def add_export(actions: Any) -> None:
    """Adds the action."""
    parser = actions.add_parser(
        "export",
        help="a run as the log of another tool",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of `earvoice eval simulate`")
    parser.add_argument("--to", choices=("simuleval", "simulstream"), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--tgt-lang", help="language, for the unit (default: the run's own)")
    parser.add_argument("--unit", choices=("word", "char"), help="(default: by the language)")


def run_export(args: argparse.Namespace) -> int:
    """Exports and prints what to run; returns 0."""
    from earvoice.eval.runlog import LOG_FILE, read_recordings
    from earvoice.eval.units import Unit, default_unit

    if args.out.resolve() == args.run.resolve():
        raise UsageError("--out is the run itself; name another folder")
    recordings = read_recordings(args.run / LOG_FILE)
    if not recordings:
        raise UsageError(f"{args.run / LOG_FILE} has no recordings")
    language = args.tgt_lang or language_of(args.run)
    unit: Unit = args.unit or ("word" if language is None else default_unit(language))
    args.out.mkdir(parents=True, exist_ok=True)
    for name in ("segments.yaml", "references.txt"):
        if (args.run / name).is_file():
            shutil.copyfile(args.run / name, args.out / name)
    export = _to_simuleval if args.to == "simuleval" else _to_simulstream
    print("\n".join(export(args, recordings, unit)))
    return 0


def _to_simuleval(args: argparse.Namespace, recordings: Any, unit: Any) -> list[str]:
    from earvoice.eval.interop import simuleval
    from earvoice.eval.references import read_segments
    from earvoice.eval.written import hypothesis_of

    out = args.out
    lines: dict[str, list[str]] = {}
    for segment in read_segments(args.run / "segments.yaml", args.run / "references.txt"):
        lines.setdefault(segment.recording, []).append(segment.reference)
    references = {name: " ".join(found) for name, found in lines.items()}
    hypotheses = [hypothesis_of(recorded, unit) for recorded in recordings]
    simuleval.write_simuleval(out / simuleval.LOG_NAME, hypotheses, references)
    (out / "config.yaml").write_text(simuleval.CONFIG, encoding="utf-8")
    level = "--char_level" if unit == "char" else "--word_level"
    return [
        f"simuleval --score-only --output {out} --eval-latency-unit {unit}",
        f"omnisteval longform --hypothesis_file {out / simuleval.LOG_NAME} "
        f"--hypothesis_format jsonl {level} {_longform(out)}",
    ]


def _to_simulstream(args: argparse.Namespace, recordings: Any, unit: Any) -> list[str]:
    from earvoice.eval.interop import simulstream_export as export

    log, config = args.out / export.LOG_NAME, args.out / "eval.yaml"
    export.write_simulstream(log, recordings, unit)
    config.write_text(export.config(unit), encoding="utf-8")
    level = "--char_level" if unit == "char" else "--word_level"
    return [
        f"simulstream_score_latency --scorer stream_laal --latency-unit {unit} --log-file {log} "
        f"--eval-config {config} --reference {args.out / 'references.txt'} "
        f"--audio-definition {args.out / 'segments.yaml'}",
        f"simulstream_stats --log-file {log} --eval-config {config} --latency-unit {unit}",
        f"omnisteval longform --hypothesis_file {log} --hypothesis_format simulstream "
        f"--simulstream_config_file {config} {level} {_longform(args.out)}",
    ]


def _longform(out: Path) -> str:
    return (
        f"--speech_segmentation {out / 'segments.yaml'} "
        f"--ref_sentences_file {out / 'references.txt'}"
    )
