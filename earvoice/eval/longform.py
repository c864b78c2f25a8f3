"""Long recordings cut at their references' segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earvoice.eval.hypotheses import DataError, Hypothesis, by_name
from earvoice.eval.latency import Timed
from earvoice.eval.references import Segment
from earvoice.eval.soft_segmenter import assign, pieces_of
from earvoice.eval.units import Unit, joined, reference_units, units_of

BEYOND_US = 1_000_000
"""A segment may end this much after its audio: rounding, or a last packet that was cut off."""
Segmenter = Callable[[Sequence[Sequence[str]], Sequence[str], Unit], list[int | None]]
"""From the units of each segment and those written, in order, to the segment of each written unit.

The answer counts the segments from 0; None: the unit belongs to none."""


@dataclass(frozen=True)
class Cut:
    """A segment with the part of the output that belongs to it; times from its start, in us."""

    segment: Segment
    unit: Unit
    units: tuple[str, ...]
    delays_us: tuple[int, ...]
    clocks: dict[str, tuple[int, ...]]

    @property
    def text(self) -> str:
        """The output of this segment."""
        return joined(list(self.units), self.unit)

    def timed(self, clock: str | None = None) -> Timed:
        """For the latency metrics: by the ideal clock, or a computation-aware one."""
        return Timed(
            self.delays_us if clock is None else self.clocks[clock],
            self.segment.duration_us,
            reference_units(reference_text(self.segment, self.unit), self.unit),
            self.segment.end_us,
        )


def reference_text(segment: Segment, unit: Unit) -> str:
    """The reference as it is counted: without spaces where characters count."""
    return segment.reference if unit == "word" else segment.reference.replace(" ", "")


def soft_segmenter(
    references: Sequence[Sequence[str]], hypothesis: Sequence[str], unit: Unit
) -> list[int | None]:
    """SoftSegmenter on whole words, without a tokenizer."""
    reference = [word for segment in references for word in segment]
    numbers = [number for number, segment in enumerate(references) for _ in segment]
    return assign(pieces_of(reference), numbers, pieces_of(hypothesis), unit == "char")


def matched(hypotheses: Sequence[Hypothesis], segments: Sequence[Segment]) -> dict[str, Hypothesis]:
    """Hypotheses by recording, each of which has segments.

    Raises: DataError for a recording without a hypothesis, a hypothesis without references, and
    a segment that ends after its audio.
    """
    said = by_name(hypotheses)
    wanted = dict.fromkeys(segment.recording for segment in segments)
    for name, hypothesis in said.items():
        if name not in wanted:
            raise DataError(
                f"{hypothesis.where}: recording {name!r} has no segments; there are "
                f"{', '.join(list(wanted)[:5])}"
            )
    missing = [name for name in wanted if name not in said]
    if missing:
        first = next(segment for segment in segments if segment.recording == missing[0])
        raise DataError(f"{first.where}: recording {missing[0]!r} has no hypothesis")
    for segment in segments:
        _check_inside(segment, said[segment.recording])
    return said


def cut_at_segments(
    hypotheses: Sequence[Hypothesis],
    segments: Sequence[Segment],
    segmenter: Segmenter = soft_segmenter,
) -> list[Cut]:
    """Every reference segment with its part of the output, in the order of the segments.

    Raises: DataError for a recording without a hypothesis, a hypothesis without references, and
    a segment that ends after its audio.
    """
    said = matched(hypotheses, segments)
    owners = {name: _owners(said[name], segments, segmenter) for name in said}
    return [
        _cut(said[item.recording], owners[item.recording][i], item)
        for i, item in enumerate(segments)
    ]


def _check_inside(segment: Segment, hypothesis: Hypothesis) -> None:
    end_us = segment.offset_us + segment.duration_us
    if hypothesis.source_us is None or end_us <= hypothesis.source_us + BEYOND_US:
        return
    raise DataError(
        f"{segment.timed_where or segment.where}: the segment ends at {end_us / 1e6:g} s, "
        f"recording {segment.recording!r} at {hypothesis.source_us / 1e6:g} s "
        f"({hypothesis.where}); are these the segments of this audio, in seconds?"
    )


def _owners(
    hypothesis: Hypothesis, segments: Sequence[Segment], segmenter: Segmenter
) -> dict[int, list[int]]:
    """Segment number -> indices of the units that belong to it."""
    unit = hypothesis.unit
    numbers = [i for i, item in enumerate(segments) if item.recording == hypothesis.name]
    references = [units_of(segments[number].reference, unit) for number in numbers]
    found: dict[int, list[int]] = defaultdict(list)
    for index, owner in enumerate(segmenter(references, hypothesis.units, unit)):
        if owner is not None:
            found[numbers[owner]].append(index)
    return found


def _cut(hypothesis: Hypothesis, indices: Sequence[int], segment: Segment) -> Cut:
    def shifted(times: Sequence[int]) -> tuple[int, ...]:
        return tuple(times[index] - segment.offset_us for index in indices)

    return Cut(
        segment=segment,
        unit=hypothesis.unit,
        units=tuple(hypothesis.units[index] for index in indices),
        delays_us=shifted(hypothesis.delays_us),
        clocks={name: shifted(times) for name, times in hypothesis.clocks.items()},
    )
