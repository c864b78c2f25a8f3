"""What `earvoice eval score` is given: a run or a log, and the files beside it."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earvoice.cli.eval_speakers import add_speakers, conversations
from earvoice.errors import UsageError
from earvoice.eval.chunks import CHUNKS, ChunkCuts, read_cuts, written_cuts
from earvoice.eval.comet import COMET_BATCH, COMET_MODELS, MODELS
from earvoice.eval.finalization import SPOKEN
from earvoice.eval.history import HISTORIES, HISTORY_READERS
from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.judge import JUDGE, Judge
from earvoice.eval.lags import SEGMENTER
from earvoice.eval.longform import Segmenter, soft_segmenter
from earvoice.eval.references import read_references, read_segments
from earvoice.eval.runlog import LOG_FILE
from earvoice.eval.runs import READERS
from earvoice.eval.scored import (
    Scored,
    is_of_sentences,
    items_of_recordings,
    items_of_segments,
    items_of_sentences,
)
from earvoice.eval.speakers.metrics import EXTRA as SPEAKERS_EXTRA
from earvoice.eval.terms import GLOSSARY, read_glossary
from earvoice.eval.tokens import TOKENIZERS, moses_segmenter
from earvoice.eval.units import Unit, default_unit
from earvoice.eval.wer import NORMALISATIONS, NORMALISE


@dataclass(frozen=True)
class Inputs:
    """What is scored, and the log it came from."""

    scored: Scored
    log: Path


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name what is scored."""
    parser.add_argument("run", nargs="?", type=Path, help="folder of `earvoice eval simulate`")
    parser.add_argument("--log", type=Path, metavar="F", help="a log file instead")
    parser.add_argument("--log-format", choices=tuple(READERS), default="earvoice")
    parser.add_argument("--references", type=Path, metavar="F", help="one line per item or segment")
    parser.add_argument(
        "--segments", type=Path, metavar="F", help="YAML or JSON: offset, duration, wav"
    )
    parser.add_argument(
        "--sources", type=Path, metavar="F", help="what was said, one line per reference"
    )
    parser.add_argument(
        "--segmenter-tokenizer",
        choices=TOKENIZERS,
        default="none",
        help="moses: SoftSegmenter aligns Moses tokens of words, as OmniSTEval --lang does; needs "
        "sacremoses (default: none, as OmniSTEval without --lang)",
    )
    parser.add_argument("--tgt-lang", required=True, help="language of the output, e.g. de")
    parser.add_argument("--src-lang", help="language of the speech, e.g. en")
    parser.add_argument(
        "--terms",
        type=Path,
        metavar="F",
        help="glossary: JSON lines or TSV of src, trg and where it is said: recording, segment",
    )
    parser.add_argument(
        "--words", type=Path, metavar="F", help="corpus or cuts.jsonl with word times and needs"
    )
    parser.add_argument(
        "--chunks", type=Path, metavar="F", help="cut-offs of the reference, of `corpus chunks`"
    )
    parser.add_argument(
        "--judge-url", metavar="URL", help="OpenAI-compatible endpoint; texts are sent there"
    )
    parser.add_argument(
        "--judge-model", metavar="NAME", help="the judge; its key is read from EARVOICE_JUDGE_KEY"
    )
    for name, model in MODELS.items():
        parser.add_argument(f"--{name}-model", metavar="NAME|CKPT", help=f"(default: {model})")
    parser.add_argument("--comet-batch", type=int, default=8, help="items at a time (default: 8)")
    parser.add_argument("--unit", choices=("word", "char"), help="(default: by the language)")
    parser.add_argument(
        "--normalise",
        choices=tuple(NORMALISATIONS),
        default="none",
        help="before wer and cer; basic: NFKC, case folded, no punctuation (default: none)",
    )
    add_speakers(parser)


def open_inputs(args: argparse.Namespace) -> Inputs:
    """Reads everything. Raises: UsageError, DataError."""
    unit: Unit = args.unit or default_unit(args.tgt_lang)
    if args.run is None and args.log is None and args.speakers_output is not None:
        spoken = {NORMALISE: args.normalise, SPEAKERS_EXTRA: conversations(args, None, unit)}
        return Inputs(Scored((), "short", args.tgt_lang, extras=spoken), args.speakers_output)
    if (args.run is None) == (args.log is None):
        raise UsageError("name a run folder, or a log with --log")
    folder: Path | None = args.run
    log: Path = args.log if folder is None else folder / LOG_FILE
    hypotheses = READERS[args.log_format](log, unit)
    if args.comet_batch < 1:
        raise UsageError(f"--comet-batch is {args.comet_batch}, it must be 1 or more")
    extras: dict[str, Any] = {
        NORMALISE: args.normalise,
        COMET_MODELS: {"comet": args.comet_model, "xcomet": args.xcomet_model},
        COMET_BATCH: args.comet_batch,
    }
    if args.terms is not None:
        extras[GLOSSARY] = read_glossary(args.terms)
    if args.judge_url is not None:
        if args.judge_model is None:
            raise UsageError("--judge-url needs --judge-model")
        key = os.environ.get("EARVOICE_JUDGE_KEY", "")
        extras[JUDGE] = Judge(args.judge_url, args.judge_model, key)
    if args.chunks is not None:
        if args.log_format != "earvoice":
            raise UsageError("--chunks needs a log of earvoice; others do not say where they cut")
        extras[CHUNKS] = ChunkCuts(read_cuts(args.chunks), written_cuts(log))
    extras[SPEAKERS_EXTRA] = conversations(args, log, unit)
    if args.log_format in HISTORY_READERS:
        extras[HISTORIES] = functools.cache(lambda: HISTORY_READERS[args.log_format](log))
    scored = _scored(args, folder, hypotheses, extras)
    if args.words is not None:
        from earvoice.cli.eval_words import spoken_of

        extras[SPOKEN] = spoken_of(args.words, scored)
        scored = replace(scored, extras=extras)
    return Inputs(scored, log)


def _scored(
    args: argparse.Namespace,
    folder: Path | None,
    hypotheses: Sequence[Hypothesis],
    extras: dict[str, Any],
) -> Scored:
    segments = args.segments or _beside(folder, "segments.yaml")
    references = args.references or _beside(folder, "references.txt")
    sources = args.sources
    if sources is None and args.references is None and args.segments is None:
        sources = _beside(folder, "sources.txt")
    if segments is not None:
        if references is None:
            raise UsageError("--segments needs --references, one line per segment")
        cut = read_segments(segments, references, sources)
        if args.segments is None and is_of_sentences(cut):
            whole = items_of_recordings(hypotheses, cut)
            return Scored(whole, "short", args.tgt_lang, hypotheses, (), args.src_lang, extras)
        segmenter: Segmenter = soft_segmenter
        if args.segmenter_tokenizer == "moses":
            segmenter = moses_segmenter(args.tgt_lang)
            extras[SEGMENTER] = "soft+moses"
        items = items_of_segments(hypotheses, cut, segmenter)
        return Scored(items, "long", args.tgt_lang, hypotheses, cut, args.src_lang, extras)
    lines, spoken = (
        None if path is None else read_references(path) for path in (references, sources)
    )
    items = items_of_sentences(hypotheses, lines, spoken)
    return Scored(items, "short", args.tgt_lang, hypotheses, (), args.src_lang, extras)


def _beside(folder: Path | None, name: str) -> Path | None:
    if folder is None or not (folder / name).is_file():
        return None
    return folder / name
