"""What a report shows of its runs, gathered once for all its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earvoice.eval.compare import CURVE_LATENCY, Comparison, Estimate
from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.scored import Form, Scored
from earvoice.eval.units import joined, units_of


@dataclass(frozen=True)
class Heard:
    """A word of the source and where it is spoken, in microseconds of its recording."""

    text: str
    start_us: int
    end_us: int


@dataclass(frozen=True)
class Written:
    """Units written at one time. segment: number of their item, None where not known.

    at_us: how much source had been heard; done_us: when computing was done, by one queue.
    """

    text: str
    at_us: int
    done_us: int
    segment: int | None


@dataclass(frozen=True)
class View:
    """All runs with their figures. compared: None where the runs are not on the same data.

    spoken: words by recording, where known.
    """

    title: str
    estimates: Sequence[Estimate]
    quality: Sequence[str]
    compared: Comparison | None
    spoken: Mapping[str, Sequence[Heard]]
    warnings: Sequence[str]

    @property
    def form(self) -> Form:
        """Of all runs."""
        return self.estimates[0].run.scored.form

    @property
    def latency(self) -> str:
        """The latency metric of the curves and histograms, by the ideal clock."""
        return CURVE_LATENCY[self.form]

    @property
    def latency_ca(self) -> str:
        """The same with computing counted, by one queue."""
        return f"{self.latency}_ca_queue"

    def recordings(self) -> dict[str, list[int]]:
        """Recordings of all runs, each with the numbers of the runs that have it."""
        found: dict[str, list[int]] = {}
        for number, one in enumerate(self.estimates):
            for name in dict.fromkeys(item.recording for item in one.run.scored.items):
                found.setdefault(name, []).append(number)
        return found


def written_of(scored: Scored, recording: str) -> list[Written]:
    """What was written of a recording, in order of time."""
    hypothesis = next((one for one in scored.hypotheses if one.name == recording), None)
    if hypothesis is None:
        return []
    units = _by_items(scored, hypothesis)
    if len(units) != len(hypothesis.units):
        units = _alone(hypothesis)
    found: list[Written] = []
    for one in sorted(units, key=lambda unit: unit.at_us):
        last = found[-1] if found else None
        if last is not None and (last.at_us, last.segment) == (one.at_us, one.segment):
            longer = joined([last.text, one.text], hypothesis.unit)
            done_us = max(one.done_us, last.done_us)
            found[-1] = Written(longer, one.at_us, done_us, one.segment)
        else:
            found.append(one)
    return found


def _alone(hypothesis: Hypothesis) -> list[Written]:
    """Every unit, of no item."""
    times = zip(
        hypothesis.units,
        hypothesis.delays_us,
        hypothesis.clocks.get("queue", hypothesis.delays_us),
        strict=True,
    )
    return [Written(text, at, done, None) for text, at, done in times]


def _by_items(scored: Scored, hypothesis: Hypothesis) -> list[Written]:
    """Every unit that an item has, item by item; [] where units and times do not match."""
    found: list[Written] = []
    for number, item in enumerate(scored.items):
        if item.recording != hypothesis.name:
            continue
        start = scored.segments[number].offset_us if scored.form == "long" else 0
        at = item.timed(None).delays_us
        done = item.timed("queue").delays_us if "queue" in item.clocks else at
        texts = units_of(item.text, hypothesis.unit)
        if len(texts) != len(at):
            return []
        found += [
            Written(text, a + start, d + start, number)
            for text, a, d in zip(texts, at, done, strict=True)
        ]
    return found
