"""Latency of one scored item, in exact integer arithmetic.

Notation, as in the literature: X source length, y_1..y_n output units, R reference length in the
same unit, d_i how much source had been heard when y_i was written. All times are integer
microseconds from the item's start (for a piece of a long recording they may be negative), so no
rounding can push a unit across the end of the source; a value leaves as float milliseconds.

    metric   source                       what
    AL       Ma et al. 2019, 1810.08398   mean lag behind a translator of even pace
    LAAL     Papi et al. 2022, 2206.05807 AL that does not reward over-long output
    DAL      Arivazhagan 2019, 1906.05218 AL with a minimum time per unit, no cut-off
    AP       Cho & Esipova 2016           mean share of the source heard
    YAAL     Polak et al. 2025, 2509.17349  LAAL over what was written before the end
    ATD      Kano et al. 2023, 2211.13173 end of each output token against its source token's
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from types import MappingProxyType
from typing import Literal

SourceType = Literal["speech", "text"]
ATD_TOKEN_US = 300_000
"""Speech is cut into tokens of 300 ms (2211.13173, section 3)."""
WORD_US = 1000
"""Of a text: logs count its words where they would have milliseconds."""


class Undefined(Exception):
    """A metric has no value for an item; the message says why."""


@dataclass(frozen=True)
class Timed:
    """One item: when its units came, and how long source and reference are.

    delays_us: per unit, the source heard when it was written, or with computation counted.
    source_us: X. reference_units: R. end_us: where the recording ends, for pieces of a long one.
    compute_us: per unit, computation alone (only ATD asks; zeros when the clock is ideal).
    source_type: of a text a word takes the place of a millisecond.
    """

    delays_us: Sequence[int]
    source_us: int
    reference_units: int
    end_us: int | None = None
    compute_us: Sequence[int] | None = None
    source_type: SourceType = "speech"


def _checked(item: Timed) -> Timed:
    if not item.delays_us:
        raise Undefined("nothing was written")
    if item.source_us <= 0:
        raise Undefined(f"the source is {item.source_us} us long")
    return item


def average_lagging(item: Timed) -> float:
    """AL: 1/tau * sum_{i<=tau} d_i - (i - 1) X / R; tau the first unit with d_i >= X."""
    return _lagging(item, item.reference_units)


def length_adaptive_average_lagging(item: Timed) -> float:
    """LAAL: AL with max(R, n) in place of R."""
    return _lagging(item, max(item.reference_units, len(item.delays_us)))


def _lagging(item: Timed, units: int) -> float:
    delays, source = _checked(item).delays_us, item.source_us
    if delays[0] > source:  # written after the end: the delay itself, by convention
        return delays[0] / 1000
    if units < 1:
        raise Undefined("the reference is empty")
    at_end = (index for index, delay in enumerate(delays, 1) if delay >= source)
    return _mean_lag(delays[: next(at_end, len(delays))], source, units)


def _mean_lag(delays: Sequence[int], source: int, units: int) -> float:
    count = len(delays)
    total = 2 * units * sum(delays) - source * count * (count - 1)
    return total / (2000 * units * count)


def yet_another_average_lagging(item: Timed) -> float:
    """YAAL: LAAL's sum over the units written strictly before the source ends."""
    return _before(_checked(item), item.source_us)


def long_yaal(item: Timed) -> float:
    """LongYAAL: YAAL of a piece; the cut-off is the end of the recording, not of the piece."""
    end_us = _checked(item).end_us
    if end_us is None:
        raise Undefined("the end of the recording is not known")
    return _before(item, end_us)


def _before(item: Timed, end_us: int) -> float:
    delays = item.delays_us
    late = (index for index, delay in enumerate(delays) if delay >= end_us)
    kept = delays[: next(late, len(delays))]
    if not kept:
        raise Undefined("nothing was written before the source ended")
    return _mean_lag(kept, item.source_us, max(item.reference_units, len(delays)))


def differentiable_average_lagging(item: Timed) -> float:
    """DAL: g_i = max(d_i, g_{i-1} + X/n); 1/n * sum g_i - (i - 1) X / n."""
    delays, source = _checked(item).delays_us, item.source_us
    count = len(delays)
    last, total = None, 0
    for index, delay in enumerate(delays):  # everything times n, to stay in integers
        last = count * delay if last is None else max(count * delay, last + source)
        total += last - index * source
    return total / (1000 * count * count)


def average_proportion(item: Timed) -> float:
    """AP: sum d_i / (X R). Not a proportion when n > R: it may exceed 1."""
    delays = _checked(item).delays_us
    if item.reference_units < 1:
        raise Undefined("the reference is empty")
    return sum(delays) / (item.source_us * item.reference_units)


def start_offset(item: Timed) -> float:
    """Source heard before the first unit, in milliseconds."""
    return _checked(item).delays_us[0] / 1000


def end_offset(item: Timed) -> float:
    """From the end of the source to the last unit, in milliseconds; negative: stopped early."""
    return (_checked(item).delays_us[-1] - item.source_us) / 1000


def average_token_delay(item: Timed) -> float:
    """ATD: mean of each output token's end minus the end of the source token it is paired with.

    A chunk is a run of equal delays; its source is cut into tokens of 300 ms and a shorter last
    one. Text takes no time to say, so a token ends when it is written, plus what computation
    added since the token before. From text to text a token is a word, on both sides.
    """
    delays = _checked(item).delays_us
    chunks = _chunks(delays)
    text = item.source_type == "text"
    source = _SourceTokens([delay for delay, _ in chunks], WORD_US if text else ATD_TOKEN_US)
    target_total = list(accumulate((count for _, count in chunks), initial=0))
    ends = _target_ends(delays, item.compute_us, WORD_US if text else 0)
    total, token = 0, 0
    for chunk, (_, count) in enumerate(chunks):
        ahead = max(0, target_total[chunk] - source.totals[chunk])
        for _ in range(count):
            token += 1
            paired = min(token - ahead, source.totals[chunk + 1])
            total += ends[token - 1] - source.end_us(paired)
    return total / (1000 * len(delays))


def _chunks(delays: Sequence[int]) -> list[tuple[int, int]]:
    """(delay, tokens) by first appearance of each delay."""
    if list(delays) == sorted(delays):
        return [(delay, len(list(run))) for delay, run in groupby(delays)]
    return [(delay, list(delays).count(delay)) for delay in dict.fromkeys(delays)]


class _SourceTokens:
    """The source of every chunk in tokens, none of which is ever listed: a delay may be huge.

    totals: how many tokens there are before each chunk, and in all.
    """

    def __init__(self, delays_us: Sequence[int], token_us: int) -> None:
        before = [0, *delays_us[:-1]]
        lengths = [max(0, late - early) for early, late in zip(before, delays_us, strict=True)]
        self._token_us = token_us
        self._starts = list(accumulate(lengths, initial=0))
        self.totals = list(accumulate((-(-one // token_us) for one in lengths), initial=0))

    def end_us(self, token: int) -> int:
        """Where a token ends, from 1; that of 0 is the beginning."""
        if token < 1:
            return 0
        chunk = bisect_left(self.totals, token) - 1
        inside = (token - self.totals[chunk]) * self._token_us
        return min(self._starts[chunk] + inside, self._starts[chunk + 1])


def _target_ends(delays: Sequence[int], compute: Sequence[int] | None, token_us: int) -> list[int]:
    ends: list[int] = []
    last = 0
    for index, delay in enumerate(delays):
        added = token_us
        if compute is not None:
            added += compute[index] - (compute[index - 1] if index else 0)
        last = max(delay, last) + added
        ends.append(last)
    return ends


SHORT_FORM = MappingProxyType(
    {
        "al": average_lagging,
        "laal": length_adaptive_average_lagging,
        "dal": differentiable_average_lagging,
        "ap": average_proportion,
        "atd": average_token_delay,
        "yaal": yet_another_average_lagging,
        "start_offset": start_offset,
        "end_offset": end_offset,
    }
)
LONG_FORM = MappingProxyType(
    {
        "long_al": average_lagging,
        "long_laal": length_adaptive_average_lagging,
        "long_dal": differentiable_average_lagging,
        "long_ap": average_proportion,
        "long_yaal": long_yaal,
    }
)


def over_items(
    metric: Callable[[Timed], float], items: Sequence[Timed]
) -> tuple[list[float | None], list[str]]:
    """A metric of every item, None where undefined, and the reasons, in order of the items."""
    values: list[float | None] = []
    reasons: list[str] = []
    for item in items:
        try:
            values.append(metric(item))
        except Undefined as error:
            values.append(None)
            reasons.append(str(error))
    return values, reasons


def mean(values: Sequence[float | None]) -> float | None:
    """The arithmetic mean of the values there are; None when there are none."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
