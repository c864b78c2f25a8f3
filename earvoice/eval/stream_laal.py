"""StreamLAAL: LAAL of a long recording's segments, the output cut by minimum word error rate.

Papi et al. 2024, "StreamAtt" (2024.acl-long.202), as simulstream 1.0.0 computes it with mweralign:
the mean over the segments that received a unit. Times from a segment's start may be negative, for
words written before it began; they stay so (the first published program raised them to 0).

A segment that received nothing has no lag and is left out, so a system that drops hard sentences
looks faster: read the number of items in the signature, or `empty_segments`, beside it.
Only ASCII spaces part words, in the output and in references, so `d. h.` with a no-break space is
one word here.
Spaces count neither as units written nor in the reference; simulstream counts them where
characters count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.lags import by_clocks, lags_of_items
from earvoice.eval.latency import length_adaptive_average_lagging
from earvoice.eval.longform import cut_at_segments
from earvoice.eval.mwer import mwer_segmenter
from earvoice.eval.scored import Metric, Result, Scored, item_of_cut

WORD_JOINER = "\u2060"
_JOINED = {code: WORD_JOINER for code in range(0x80, 0x3001) if chr(code).isspace()}


def _stream_laal(scored: Scored, clock: str | None) -> Result:
    segments, hypotheses = list(scored.segments), list(scored.hypotheses)
    if all(hypothesis.unit == "word" for hypothesis in hypotheses):
        segments = [replace(one, reference=one.reference.translate(_JOINED)) for one in segments]
        hypotheses = [_glued(one) if one.glued else one for one in hypotheses]
    cuts = cut_at_segments(hypotheses, segments, mwer_segmenter)
    items = [item_of_cut(cut) for cut in cuts]
    return lags_of_items(items, length_adaptive_average_lagging, clock, note="segmenter:mwer|")


def _glued(hypothesis: Hypothesis) -> Hypothesis:
    """With the words that a no-break space joins as one, whose time is that of its end."""
    words: list[str] = []
    last: list[int] = []
    for number, word in enumerate(hypothesis.units):
        if number in hypothesis.glued:
            words[-1] += WORD_JOINER + word
            last[-1] = number
        else:
            words.append(word)
            last.append(number)
    clocks = {
        name: tuple(times[number] for number in last) for name, times in hypothesis.clocks.items()
    }
    delays_us = tuple(hypothesis.delays_us[number] for number in last)
    return replace(
        hypothesis, units=tuple(words), delays_us=delays_us, clocks=clocks, glued=frozenset()
    )


STREAM_LAAL: Mapping[str, Metric] = MappingProxyType(
    by_clocks(
        "stream_laal", _stream_laal, "LAAL, cut by minimum word error rate", ("long",), ("long",)
    )
)
