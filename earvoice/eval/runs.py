"""Runs beside each other: what each wrote, which system it is, on the same items in one order."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.errors import UsageError
from earvoice.eval.history import HISTORIES, HISTORY_READERS
from earvoice.eval.hypotheses import DataError, Hypothesis
from earvoice.eval.interop import read_simuleval, read_simulstream
from earvoice.eval.lines import read_text
from earvoice.eval.references import Segment, read_references, read_segments
from earvoice.eval.runlog import LOG_FILE, read_runlog
from earvoice.eval.score import Scores, compute
from earvoice.eval.scored import (
    Form,
    Item,
    Scored,
    is_of_sentences,
    items_of_recordings,
    items_of_segments,
    items_of_sentences,
)
from earvoice.eval.stats import group_numbers
from earvoice.eval.tokens import TOKENIZER, Tokenizer, segmenter_of
from earvoice.eval.units import Unit, default_unit

READERS: Mapping[str, Callable[[Path, Unit], list[Hypothesis]]] = MappingProxyType(
    {"earvoice": read_runlog, "simuleval": read_simuleval, "simulstream": read_simulstream}
)
NOTE_FILE = "run.json"


@dataclass(frozen=True)
class Where:
    """How to read runs: the output's language and unit, and what lies beside a bare log.

    segments, references, sources: for all runs; None is what the run's folder holds. tokenizer:
    of the words before SoftSegmenter aligns them.
    """

    language: str
    unit: Unit | None = None
    log_format: str = "earvoice"
    segments: Path | None = None
    references: Path | None = None
    sources: Path | None = None
    source_language: str | None = None
    tokenizer: Tokenizer = "none"


@dataclass(frozen=True)
class Run:
    """What a run wrote, and its figures.

    log: the file it was read from, in log_format. note: its run.json; empty for a bare log.
    """

    name: str
    path: Path
    log: Path
    log_format: str
    scored: Scored
    note: Mapping[str, Any]
    scores: Scores = field(default_factory=Scores)

    @property
    def system(self) -> tuple[str, ...]:
        """What runs of one system at several policies share: the model's and the data's hash."""
        if "model_sha256" not in self.note:
            return ("log", str(self.path))
        keys = ("model", "model_sha256", "data_sha256", "items")
        return tuple(str(self.note.get(key)) for key in keys)

    @property
    def policy(self) -> str:
        """When it wrote, e.g. `wait-k:k=3,n=3`; empty where not known."""
        return str(self.note.get("policy", ""))

    @property
    def model(self) -> str:
        """The model's name, or the run's."""
        return str(self.note.get("model", self.name))


def open_run(path: Path, where: Where, name: str | None = None) -> Run:
    """Reads a run folder, or a log file with what `where` names.

    Raises: DataError naming the file that is missing or wrong, UsageError.
    """
    folder = path if path.is_dir() else None
    log = path if folder is None else folder / LOG_FILE
    log_format = where.log_format if folder is None else "earvoice"
    hypotheses = READERS[log_format](log, where.unit or default_unit(where.language))
    if not hypotheses:
        raise DataError(f"{log}: no recordings")
    extras: dict[str, Any] = {TOKENIZER: where.tokenizer}
    if log_format in HISTORY_READERS:
        extras[HISTORIES] = functools.cache(lambda: HISTORY_READERS[log_format](log))
    note = {} if folder is None else _note(folder / NOTE_FILE)
    scored = _scored(hypotheses, folder, where, extras)
    return Run(name or path.stem, path, log, log_format, scored, note)


def _scored(
    hypotheses: Sequence[Hypothesis], folder: Path | None, where: Where, extras: dict[str, Any]
) -> Scored:
    """Short form without segments, and where a run's own segments are whole recordings."""
    segments = where.segments or _beside(folder, "segments.yaml")
    references = where.references or _beside(folder, "references.txt")
    sources = where.sources
    if sources is None and where.references is None and where.segments is None:
        sources = _beside(folder, "sources.txt")

    def scored(form: Form, items: Sequence[Item], parts: Sequence[Segment] = ()) -> Scored:
        language, spoken = where.language, where.source_language
        return Scored(items, form, language, hypotheses, parts, spoken, extras)

    if segments is None:
        lines, said = (_as_many(file, hypotheses) for file in (references, sources))
        return scored("short", items_of_sentences(hypotheses, lines, said))
    if references is None:
        if where.segments is not None:
            raise UsageError("--segments needs --references, one line per segment")
        raise DataError(f"{folder}: has segments.yaml and no references.txt, one line per segment")
    parts = read_segments(segments, references, sources)
    if where.segments is None and is_of_sentences(parts):
        return scored("short", items_of_recordings(hypotheses, parts))
    segmenter = segmenter_of(where.tokenizer, where.language)
    return scored("long", items_of_segments(hypotheses, parts, segmenter), parts)


def _as_many(path: Path | None, hypotheses: Sequence[Hypothesis]) -> list[str] | None:
    """A line per hypothesis: in the order of the corpus, where the log says which one each is.

    Raises: DataError naming the first line or recording without one.
    """
    if path is None:
        return None
    lines = read_references(path)
    if len(lines) < len(hypotheses):
        raise DataError(
            f"{path} has {len(lines)} lines, there are {len(hypotheses)} recordings; "
            f"{hypotheses[len(lines)].where} has no partner"
        )
    if len(lines) > len(hypotheses):
        raise DataError(
            f"{path} line {len(hypotheses) + 1}: has no partner; there are {len(hypotheses)} "
            "recordings"
        )
    by_line = dict(zip(_in_corpus_order(hypotheses), lines, strict=True))
    return [by_line[number] for number in range(len(lines))]


def _in_corpus_order(hypotheses: Sequence[Hypothesis]) -> list[int]:
    """Numbers of the hypotheses by their index; as they are unless all have one.

    Shards that were put together may be in any order. Raises: DataError for an index that two have.
    """
    known: dict[int, int] = {}
    for number, one in enumerate(hypotheses):
        if one.index is None:
            return list(range(len(hypotheses)))
        if one.index in known:
            raise DataError(
                f"{one.where}: index {one.index} was already in "
                f"{hypotheses[known[one.index]].where}; with a file of references it is a line's"
            )
        known[one.index] = number
    return [number for _, number in sorted(known.items())]


def _beside(folder: Path | None, name: str) -> Path | None:
    if folder is None or not (folder / name).is_file():
        return None
    return folder / name


def _note(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        note = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    if not isinstance(note, dict):
        raise DataError(f"{path}: must be an object, it is {type(note).__name__}")
    return note


def open_runs(paths: Sequence[Path], where: Where) -> list[Run]:
    """All runs, each under a name of its own. Raises: DataError; of forms that differ, too."""
    runs = [open_run(path, where, name) for path, name in zip(paths, _names(paths), strict=True)]
    for run in runs[1:]:
        if run.scored.form != runs[0].scored.form:
            raise DataError(
                f"{runs[0].path} is {runs[0].scored.form} form and {run.path} is "
                f"{run.scored.form} form; long form has segments"
            )
    return runs


def _names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, or as much of it as tells the runs apart."""
    parts = [path.resolve().parts for path in paths]
    depth = 1
    while depth < max(len(part) for part in parts):
        if len({part[-depth:] for part in parts}) == len(set(parts)):
            break
        depth += 1
    names = ["/".join(part[-depth:]) for part in parts]
    return [
        name if names.count(name) == 1 else f"{name} ({index})"
        for index, name in enumerate(names, 1)
    ]


def score_run(run: Run, metrics: Sequence[str]) -> Run:
    """The run with its figures."""
    return replace(run, scores=compute(run.scored, metrics))


def groups_of(scored: Scored) -> tuple[int, ...]:
    """Whose each item is: its talk in long form, itself in short form."""
    if scored.form == "long":
        return group_numbers([item.recording for item in scored.items])
    return tuple(range(len(scored.items)))


def aligned(runs: Sequence[Run]) -> list[Run]:
    """The runs with their items in the first one's order.

    Raises: DataError naming the first item that two runs do not share.
    """
    first = runs[0]
    return [first, *(_as(first, run) for run in runs[1:])]


def _as(first: Run, run: Run) -> Run:
    wanted = [(item.recording, item.reference) for item in first.scored.items]
    there = [(item.recording, item.reference) for item in run.scored.items]
    if wanted == there:
        return run
    places = {key: index for index, key in enumerate(there)}
    if run.scored.form == "short" and len(places) == len(there) and set(wanted) == set(there):
        items = [run.scored.items[places[key]] for key in wanted]
        return replace(run, scored=replace(run.scored, items=items))
    if len(wanted) != len(there):
        raise DataError(
            f"{first.path} has {len(wanted)} items and {run.path} has {len(there)}; "
            "runs are compared on the same data"
        )
    index = next(i for i, (a, b) in enumerate(zip(wanted, there, strict=True)) if a != b)
    raise DataError(
        f"item {index + 1} is {wanted[index]!r} in {first.path} and {there[index]!r} in "
        f"{run.path}; runs are compared on the same data"
    )
