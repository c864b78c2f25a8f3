"""What is scored, what a metric is, and what it answers: the words that all metrics share.

A metric is an entry in a table, `name -> Metric`. A module of metrics exports such a table and
`earvoice.eval.score` joins the tables:

    def compute(scored: Scored) -> Result: ...

    SPEED = {"speed": Metric(compute, "behaviour", "words per second of speech")}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from earvoice.eval.hypotheses import DataError, Hypothesis, by_name
from earvoice.eval.latency import Timed
from earvoice.eval.longform import (
    Cut,
    Segmenter,
    cut_at_segments,
    matched,
    reference_text,
    soft_segmenter,
)
from earvoice.eval.references import Segment
from earvoice.eval.units import reference_units

Form = Literal["short", "long"]
FORMS: tuple[Form, ...] = ("short", "long")


@dataclass(frozen=True)
class Item:
    """What is scored at once: a sentence, or a segment of a recording.

    timed: the times for the latency metrics, by the ideal clock (None) or one of `clocks`.
    recording: its name. source: what was said, where known.
    """

    text: str
    reference: str
    timed: Callable[[str | None], Timed]
    clocks: frozenset[str]
    recording: str = ""
    source: str | None = None


@dataclass(frozen=True)
class Scored:
    """All that a metric may look at.

    items: in the order of the references. form: `short`, one item per recording; `long`, items
    are segments. language: BCP-47 of the output. hypotheses: what was written, whole recordings.
    segments: of long form. extras: what else was given, by name (the modules that use one say
    which): a glossary, event histories, word times.
    """

    items: Sequence[Item]
    form: Form
    language: str
    hypotheses: Sequence[Hypothesis] = ()
    segments: Sequence[Segment] = ()
    source_language: str | None = None
    extras: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Result:
    """A value, or None with the reason in `undefined`; the items' values; how it was computed.

    parts: of a figure that is pooled, (counted, of how many) per item; it is the sum of the first
    over the sum of the second.
    """

    value: float | None
    per_item: Sequence[float | None] | None = None
    signature: str = ""
    undefined: str | None = None
    parts: Sequence[tuple[float, float]] | None = None


@dataclass(frozen=True)
class Metric:
    """An entry of the table.

    group: `quality`, `latency`, ... for the help. what: a few words on it. forms: where it is
    defined. default: where it is computed when no names are given.
    """

    compute: Callable[[Scored], Result]
    group: str
    what: str
    forms: tuple[Form, ...] = FORMS
    default: tuple[Form, ...] = ()


@dataclass
class Scores:
    """Figures by name: a value or None with its reason, the items' values, how it was computed.

    parts: as in `Result`, for resampling.
    """

    metrics: dict[str, float | None] = field(default_factory=dict)
    per_item: dict[str, list[float | None]] = field(default_factory=dict)
    signature: dict[str, str] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Sequence[tuple[float, float]]] = field(default_factory=dict)

    def add(self, name: str, result: Result) -> None:
        """Takes a metric's answer."""
        self.metrics[name] = result.value
        if result.per_item is not None:
            self.per_item[name] = list(result.per_item)
        if result.parts is not None:
            self.parts[name] = result.parts
        if result.signature:
            self.signature[name] = result.signature
        if result.value is None:
            self.undefined[name] = result.undefined or "there are no items"

    def to_json(self) -> dict[str, Any]:
        """The object that `earvoice eval score --json` prints."""
        return {
            "metrics": self.metrics,
            "per_item": self.per_item,
            "signature": self.signature,
            "undefined": self.undefined,
        }


def items_of_sentences(
    hypotheses: Sequence[Hypothesis],
    references: Sequence[str] | None,
    sources: Sequence[str] | None = None,
) -> list[Item]:
    """Whole recordings with one reference each: from the list, in order, or from the log.

    Raises: DataError when there are not as many, or none at all, and for two of one name.
    """
    by_name(hypotheses)
    for what, lines in (("references", references), ("sources", sources)):
        if lines is not None and len(lines) != len(hypotheses):
            raise DataError(f"{len(lines)} {what} and {len(hypotheses)} hypotheses; each has one")
    named = [item.reference for item in hypotheses] if references is None else list(references)
    spoken = [None] * len(hypotheses) if sources is None else list(sources)
    return [_sentence(*triple) for triple in zip(hypotheses, named, spoken, strict=True)]


def _sentence(hypothesis: Hypothesis, reference: str | None, source: str | None) -> Item:
    if reference is None:
        raise DataError(f"{hypothesis.where}: no reference; name a file with --references")
    if hypothesis.source_us is None:
        raise DataError(
            f"{hypothesis.where}: the length of the source is not known; only long form, with "
            "--segments, can do without"
        )
    source_us = hypothesis.source_us
    units = reference_units(reference, hypothesis.unit)

    def timed(clock: str | None) -> Timed:
        times = hypothesis.delays_us if clock is None else hypothesis.clocks[clock]
        return Timed(times, source_us, units, source_type=hypothesis.source_type)

    clocks = frozenset(hypothesis.clocks)
    return Item(hypothesis.written, reference, timed, clocks, hypothesis.name, source)


def items_of_segments(
    hypotheses: Sequence[Hypothesis],
    segments: Sequence[Segment],
    segmenter: Segmenter = soft_segmenter,
) -> list[Item]:
    """The segments of long recordings, cut by SoftSegmenter or another segmenter."""
    return [item_of_cut(cut) for cut in cut_at_segments(hypotheses, segments, segmenter)]


def is_of_sentences(segments: Sequence[Segment]) -> bool:
    """Whether every recording is one segment: a corpus of sentences, scored as short form."""
    names = [segment.recording for segment in segments]
    return len(set(names)) == len(names)


def items_of_recordings(
    hypotheses: Sequence[Hypothesis], segments: Sequence[Segment]
) -> list[Item]:
    """Whole recordings in the order of the segments, of which each has one.

    Raises: DataError for a recording without a hypothesis, or a hypothesis without references.
    """
    said = matched(hypotheses, segments)
    return [
        _sentence(said[segment.recording], segment.reference, segment.source)
        for segment in segments
    ]


def item_of_cut(cut: Cut) -> Item:
    """A segment with its part of the output."""
    segment = cut.segment
    reference = reference_text(segment, cut.unit)
    clocks = frozenset(cut.clocks)
    return Item(cut.text, reference, cut.timed, clocks, segment.recording, segment.source)
