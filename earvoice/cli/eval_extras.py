"""What metrics look at besides output and references: glossary, word times, judge, speakers ...

One set of options for all actions of `earvoice eval` that score, and one way from it to
`Scored.extras`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from earvoice.cli.eval_inputs import add_files, where_of
from earvoice.cli.eval_speakers import add_speakers, conversations, read_speakers
from earvoice.errors import UsageError
from earvoice.eval.chunks import CHUNKS, ChunkCuts, read_cuts, written_cuts
from earvoice.eval.comet import COMET_BATCH, COMET_MODELS, MODELS
from earvoice.eval.finalization import SPOKEN
from earvoice.eval.judge import JUDGE, Judge
from earvoice.eval.runs import Run, open_runs
from earvoice.eval.scored import Scored
from earvoice.eval.speakers.metrics import EXTRA as SPEAKERS
from earvoice.eval.terms import GLOSSARY, read_glossary
from earvoice.eval.units import default_unit
from earvoice.eval.wer import NORMALISATIONS, NORMALISE


def add_extras(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_files(
        parser,
        {
            "--terms": "glossary: JSON lines or TSV of src, trg and where it is said: recording, "
            "segment",
            "--words": "corpus or cuts.jsonl with word times and needs",
            "--chunks": "cut-offs of the reference, of `corpus chunks`",
        },
    )
    add = parser.add_argument
    add("--judge-url", metavar="URL", help="OpenAI-compatible endpoint; texts are sent there")
    add("--judge-model", metavar="NAME", help="the judge; its key is read from EARVOICE_JUDGE_KEY")
    for name, model in MODELS.items():
        add(f"--{name}-model", metavar="NAME|CKPT", help=f"(default: {model})")
    add("--comet-batch", type=int, default=8, help="items at a time (default: 8)")
    add(
        "--normalise",
        choices=tuple(NORMALISATIONS),
        default="none",
        help="before wer and cer; basic: NFKC, case folded, no punctuation (default: none)",
    )
    add_speakers(parser)


def open_with_extras(
    paths: Sequence[Path], args: argparse.Namespace, speakers_output: Path | None = None
) -> list[Run]:
    """The runs, with all that the options name. Raises: UsageError, DataError.

    speakers_output: what was said by whom, where the logs do not say it.
    """
    shared = _shared(args)
    spoken = read_speakers(args, speakers_output)
    runs = [_with(run, shared, args) for run in open_runs(paths, where_of(args))]
    if spoken is None:
        return runs
    unit = args.unit or default_unit(args.tgt_lang)
    return [
        _extended(
            run,
            SPEAKERS,
            conversations(spoken, args, unit, (run.log, run.log_format), speakers_output),
        )
        for run in runs
    ]


def scored_by_speakers(args: argparse.Namespace, output: Path) -> Scored:
    """Two files with speakers and no log. Raises: UsageError, DataError."""
    spoken = read_speakers(args, output) or ()
    unit = args.unit or default_unit(args.tgt_lang)
    extras = {
        NORMALISE: args.normalise,
        SPEAKERS: conversations(spoken, args, unit, None, output),
    }
    return Scored((), "short", args.tgt_lang, extras=extras)


def _shared(args: argparse.Namespace) -> dict[str, Any]:
    """What is the same for all runs."""
    if args.comet_batch < 1:
        raise UsageError(f"--comet-batch is {args.comet_batch}, it must be 1 or more")
    extras: dict[str, Any] = {
        NORMALISE: args.normalise,
        COMET_MODELS: {"comet": args.comet_model, "xcomet": args.xcomet_model},
        COMET_BATCH: args.comet_batch,
    }
    if args.terms is not None:
        extras[GLOSSARY] = read_glossary(args.terms)
    if args.words is not None:
        from earvoice.cli.eval_words import spoken_in

        extras[SPOKEN] = spoken_in(args.words)
    if (args.judge_url is None) != (args.judge_model is None):
        raise UsageError("--judge-url and --judge-model go together")
    if args.judge_url is not None:
        key = os.environ.get("EARVOICE_JUDGE_KEY", "")
        extras[JUDGE] = Judge(args.judge_url, args.judge_model, key)
    return extras


def _with(run: Run, shared: dict[str, Any], args: argparse.Namespace) -> Run:
    run = replace(run, scored=replace(run.scored, extras={**run.scored.extras, **shared}))
    if args.chunks is not None:
        if run.log_format != "earvoice":
            raise UsageError("--chunks needs a log of earvoice; others do not say where they cut")
        run = _extended(run, CHUNKS, ChunkCuts(read_cuts(args.chunks), written_cuts(run.log)))
    return run


def _extended(run: Run, key: str, value: Any) -> Run:
    extras = {**run.scored.extras, key: value}
    return replace(run, scored=replace(run.scored, extras=extras))
