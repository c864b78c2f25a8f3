"""What is legal and yet hardly meant: sentences to warn with, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.references import Segment
from earvoice.eval.scored import Scored
from earvoice.eval.units import default_unit

LONG_WORD = 60
"""Characters; the longest words of any dictionary have fewer, some addresses more."""
LONG_RUN = 15
"""Characters without a space, where a language writes none between words."""


def doubts(scored: Scored) -> Iterator[str]:
    """Sentences, at most one of each kind."""
    yield from _long_words(scored.hypotheses, scored.language)
    yield from _out_of_order(scored.segments)


def _long_words(hypotheses: Sequence[Hypothesis], language: str) -> Iterator[str]:
    """Words that are sentences: the unit does not fit the language."""
    limit = LONG_WORD if default_unit(language) == "word" else LONG_RUN
    for hypothesis in hypotheses:
        longest = max(hypothesis.units, key=len, default="")
        if hypothesis.unit == "word" and len(longest) > limit:
            yield (
                f"{hypothesis.where}: a word of {len(longest)} characters, {longest[:20]!r}...; "
                "is it --unit char?"
            )
            return


def _out_of_order(segments: Sequence[Segment]) -> Iterator[str]:
    """Segments that begin before the one above them: output is cut in the order of the lines."""
    above: dict[str, Segment] = {}
    for segment in segments:
        last = above.get(segment.recording)
        if last is not None and segment.offset_us < last.offset_us:
            yield (
                f"{segment.timed_where or segment.where}: begins at {segment.offset_us / 1e6:g} s, "
                f"before the segment above it at {last.offset_us / 1e6:g} s; the output is cut in "
                "the order of the lines"
            )
            return
        above[segment.recording] = segment
