"""From what was written to figures: which metric of which items, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from earvoice.errors import UsageError
from earvoice.eval.hypotheses import CLOCKS, DataError, Hypothesis
from earvoice.eval.latency import LONG_FORM, SHORT_FORM, Timed, mean, over_items
from earvoice.eval.longform import Cut, cut_at_segments, reference_text
from earvoice.eval.quality import QUALITY, quality
from earvoice.eval.references import Segment
from earvoice.eval.units import reference_units

BEHAVIOUR = ("empty_segments", "units")
SHORT_DEFAULT = ("bleu", "chrf", *SHORT_FORM, *BEHAVIOUR)
LONG_DEFAULT = ("bleu", "chrf", *LONG_FORM, *BEHAVIOUR)


@dataclass
class Scores:
    """Figures by name: a value or None with its reason, the items' values, how it was computed."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    per_item: dict[str, list[float | None]] = field(default_factory=dict)
    signature: dict[str, str] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that `earvoice eval score --json` prints."""
        return {
            "metrics": self.metrics,
            "per_item": self.per_item,
            "signature": self.signature,
            "undefined": self.undefined,
        }


@dataclass(frozen=True)
class Item:
    """What is scored at once: a sentence, or a segment of a recording."""

    text: str
    reference: str
    timed: Callable[[str | None], Timed]
    clocks: frozenset[str]


def items_of_sentences(
    hypotheses: Sequence[Hypothesis], references: Sequence[str] | None
) -> list[Item]:
    """Whole recordings with one reference each: from the list, in order, or from the log.

    Raises: DataError when there are not as many, or none at all.
    """
    if references is not None and len(references) != len(hypotheses):
        raise DataError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; each has one"
        )
    lines = [item.reference for item in hypotheses] if references is None else list(references)
    return [_sentence(item, line) for item, line in zip(hypotheses, lines, strict=True)]


def _sentence(hypothesis: Hypothesis, reference: str | None) -> Item:
    if reference is None:
        raise DataError(f"{hypothesis.where}: no reference; name a file with --references")
    if hypothesis.source_us is None:
        raise DataError(f"{hypothesis.where}: the length of the source is not known")
    source_us = hypothesis.source_us
    units = reference_units(reference, hypothesis.unit)

    def timed(clock: str | None) -> Timed:
        times = hypothesis.delays_us if clock is None else hypothesis.clocks[clock]
        return Timed(times, source_us, units)

    return Item(hypothesis.text, reference, timed, frozenset(hypothesis.clocks))


def items_of_segments(hypotheses: Sequence[Hypothesis], segments: Sequence[Segment]) -> list[Item]:
    """The segments of long recordings, cut by SoftSegmenter."""
    return [_segment(cut) for cut in cut_at_segments(hypotheses, segments)]


def _segment(cut: Cut) -> Item:
    return Item(cut.text, reference_text(cut.segment, cut.unit), cut.timed, frozenset(cut.clocks))


def score(
    items: Sequence[Item], metrics: Sequence[str], language: str, *, long_form: bool
) -> Scores:
    """The named metrics of the items.

    A latency metric takes a suffix `_ca_queue`, `_ca_simuleval` or `_ca_chunk`. Latencies are in
    milliseconds. What has no value is None, with a reason in `undefined`.
    Raises: UsageError for a name that is none, with all there are.
    """
    found = Scores()
    latency = LONG_FORM if long_form else SHORT_FORM
    for name in metrics:
        base, _, clock = name.partition("_ca_")
        if name in QUALITY:
            _quality(found, name, items, language)
        elif name in BEHAVIOUR:
            found.metrics[name] = _behaviour(name, items)
        elif base in latency and (not clock or clock in CLOCKS):
            _latency(found, name, latency[base], clock or None, items)
        else:
            legal = ", ".join([*QUALITY, *latency, *BEHAVIOUR])
            raise UsageError(
                f"no metric {name!r} for {'long' if long_form else 'short'} form; there are "
                f"{legal}, and of latencies NAME_ca_{{{','.join(CLOCKS)}}}"
            )
    return found


def _quality(found: Scores, name: str, items: Sequence[Item], language: str) -> None:
    result = quality(
        name, [item.text for item in items], [item.reference for item in items], language
    )
    found.metrics[name] = result.value
    found.per_item[name] = list(result.per_item)
    found.signature[name] = result.signature


def _behaviour(name: str, items: Sequence[Item]) -> float:
    if name == "empty_segments":
        return float(sum(not item.text for item in items))
    return float(sum(len(item.timed(None).delays_us) for item in items))


def _latency(
    found: Scores,
    name: str,
    metric: Callable[[Timed], float],
    clock: str | None,
    items: Sequence[Item],
) -> None:
    if clock is not None and not any(clock in item.clocks for item in items):
        found.metrics[name] = None
        found.undefined[name] = "the log does not say what computing cost"
        return
    timed = [_timed(item, clock, name) for item in items]
    values, reasons = over_items(metric, timed)
    found.metrics[name] = mean(values)
    found.per_item[name] = values
    if found.metrics[name] is None:
        found.undefined[name] = reasons[0] if reasons else "there are no items"
    counted = sum(value is not None for value in values)
    found.signature[name] = f"clock:{clock or 'ideal'}|items:{counted}/{len(values)}|ms"


def _timed(item: Item, clock: str | None, name: str) -> Timed:
    if clock is None or clock not in item.clocks:
        return item.timed(None)
    if not name.startswith("atd"):
        return item.timed(clock)
    ideal, aware = item.timed(None), item.timed(clock)
    pairs = zip(aware.delays_us, ideal.delays_us, strict=True)
    return replace(ideal, compute_us=[a - d for a, d in pairs])
