"""How long a word takes from when it was spoken to when its translation no longer changes.

    source word spoken   |----|
                              ^ end of the last word that the target word needs
    target word               Draft "Tsg" . . Draft "Tag" . . Commit "Tag"
                              |--finalization-->|

Per unit of the output that stands beside a word of the reference (equal, or in its place): the
time of its last change minus the end of the source word which that reference word needs. Both
come from a manifest with word times and needs. Negative: written before it was spoken. Without
such a manifest nobody knows when a word was spoken, and there is no value.

`segment_finalization` asks no more than what every run has: per segment (short form: recording),
the last change of any of its units minus the end of its speech.

    segment              |---- speech ----|
                                          ^ its end
    its translation        Draft ... Commit ... Commit (the last)
                                          |--segment_finalization-->|
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from earvoice.eval.behaviour import percentile_ms, unit_of
from earvoice.eval.history import Settled, histories_of, settle
from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.longform import cut_at_segments
from earvoice.eval.scored import Metric, Result, Scored
from earvoice.eval.tokens import TOKENIZER, segmenter_of

SPOKEN = "spoken"
"""The key in `Scored.extras` of a function from what is scored to a `Spoken` per item."""

_NOT_SPOKEN = (
    "where the source's words end is not known; name a manifest with --words, or ask for "
    "segment_finalization"
)


@dataclass(frozen=True)
class Spoken:
    """What an item's reference words wait for: ends of source words, us from the first sample.

    needed_us: one per word of the reference; empty where nobody knows.
    """

    needed_us: tuple[int, ...]


def _finalization(scored: Scored, percent: int) -> Result:
    find: Callable[[Scored], Sequence[Spoken]] | None = scored.extras.get(SPOKEN)
    if find is None:
        return Result(None, undefined=_NOT_SPOKEN)
    spoken = find(scored)
    reason = _reason(scored, spoken) or _several_streams(scored)
    if reason is not None:
        return Result(None, undefined=reason)
    pieces = _pieces(scored)
    all_us: list[int] = []
    per_item: list[float | None] = []
    units = 0
    for item, words, (said, times_us) in zip(scored.items, spoken, pieces, strict=True):
        units += len(said)
        pairs = aligned(item.reference.split(), said) if words.needed_us else []
        waits = [times_us[at] - words.needed_us[of] for of, at in pairs]
        per_item.append(percentile_ms(waits, percent))
        all_us += waits
    signature = f"p{percent}|units:{len(all_us)}/{units}|clock:run|ms"
    why = "no unit of the output stands beside a word of the references"
    return Result(percentile_ms(all_us, percent), per_item, signature, why)


def _segment_finalization(scored: Scored, percent: int) -> Result:
    reason = _several_streams(scored)
    if reason is not None:
        return Result(None, undefined=reason)
    waits: list[int | None] = []
    for index, (item, (_, times_us)) in enumerate(zip(scored.items, _pieces(scored), strict=True)):
        start_us = scored.segments[index].offset_us if scored.form == "long" else 0
        end_us = start_us + item.timed(None).source_us
        waits.append(max(times_us) - end_us if times_us else None)
    there = [wait for wait in waits if wait is not None]
    per_item = [None if wait is None else wait / 1000 for wait in waits]
    signature = f"p{percent}|items:{len(there)}/{len(waits)}|clock:run|ms"
    return Result(percentile_ms(there, percent), per_item, signature, "nothing was written")


def _reason(scored: Scored, spoken: Sequence[Spoken]) -> str | None:
    if not any(item.needed_us for item in spoken):
        return "the manifest does not say which source word each target word needs, and its end"
    if unit_of(scored) != "word":
        return "the manifest's needs are per word, the output is counted in characters"
    return None


def _several_streams(scored: Scored) -> str | None:
    names = [history.name for history in histories_of(scored)]
    if len(set(names)) < len(names):
        return "a recording has several streams of output"
    return None


def _pieces(scored: Scored) -> list[tuple[Sequence[str], Sequence[int]]]:
    """Per item its units, and when each last changed, us from the recording's first sample."""
    unit = unit_of(scored)
    settled = {item.name: settle(item, unit) for item in histories_of(scored)}
    if scored.form == "short":
        whole = [settled[item.recording] for item in scored.items]
        return [(found.units, found.settled_us) for found in whole]
    final = [_at_rest(item, settled[item.name]) for item in scored.hypotheses]
    segmenter = segmenter_of(scored.extras.get(TOKENIZER, "none"), scored.language)
    return [
        (cut.units, [time + cut.segment.offset_us for time in cut.delays_us])
        for cut in cut_at_segments(final, scored.segments, segmenter)
    ]


def _at_rest(hypothesis: Hypothesis, settled: Settled) -> Hypothesis:
    """The hypothesis with the time of its last change in the place of each delay."""
    return replace(hypothesis, units=settled.units, delays_us=settled.settled_us, clocks={})


def aligned(reference: Sequence[str], said: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (word of the reference, unit of the output) of a minimum edit alignment."""
    if not reference or not said:
        return []
    from jiwer import process_words

    wanted, written = (" ".join(map(_compared, words)) for words in (reference, said))
    found = process_words(wanted, written)
    return [
        pair
        for part in found.alignments[0]
        if part.type in ("equal", "substitute")
        for pair in zip(
            range(part.ref_start_idx, part.ref_end_idx),
            range(part.hyp_start_idx, part.hyp_end_idx),
            strict=True,
        )
    ]


def _compared(word: str) -> str:
    folded = unicodedata.normalize("NFKC", word).casefold()
    kept = "".join(letter for letter in folded if letter.isalnum())
    return kept or "#"


def _entry(compute: Callable[[Scored, int], Result], percent: int, what: str) -> Metric:
    return Metric(lambda scored: compute(scored, percent), "behaviour", f"{what}, p{percent}")


_WORD = "end of the spoken word to the last change of its translation (--words)"
_SEGMENT = "end of a segment's speech to the last change of its translation"

FINALIZATION: Mapping[str, Metric] = MappingProxyType(
    {
        "finalization": _entry(_finalization, 50, _WORD),
        "finalization_p95": _entry(_finalization, 95, _WORD),
        "segment_finalization": _entry(_segment_finalization, 50, _SEGMENT),
        "segment_finalization_p95": _entry(_segment_finalization, 95, _SEGMENT),
    }
)
