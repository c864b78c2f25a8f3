"""What is legal and yet hardly meant: sentences to warn with, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import is_normalized

from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.longform import BEYOND_US
from earvoice.eval.pace import pace_warning
from earvoice.eval.references import Segment
from earvoice.eval.scored import Scored
from earvoice.eval.units import default_unit
from earvoice.text.languages import primary

LONG_WORD = 60
"""Characters; the longest words of any dictionary have fewer, some addresses more."""
BYTE_MARK = "\u0120"
"""What such vocabularies write for a space."""
LONG_RUN = 15
"""Characters without a space, where a language writes none between words."""


def doubts(scored: Scored) -> Iterator[str]:
    """Sentences, at most one of each kind."""
    pace = pace_warning(scored)
    if pace is not None:
        yield pace
    yield from _long_words(scored.hypotheses, scored.language)
    yield from _byte_pieces(scored.hypotheses, scored.language)
    yield from _forms(scored)
    yield from _late(scored.hypotheses)
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


def _byte_pieces(hypotheses: Sequence[Hypothesis], language: str) -> Iterator[str]:
    """Words that begin as the pieces of byte-level vocabularies do; in Maltese some words do."""
    for hypothesis in hypotheses:
        piece = next((unit for unit in hypothesis.units if unit.startswith(BYTE_MARK)), None)
        if piece is not None and primary(language) != "mt":
            yield (
                f"{hypothesis.where}: {piece!r} looks like a piece of a byte-level vocabulary, "
                "which was not put together to words; have the tool log words"
            )
            return


def _forms(scored: Scored) -> Iterator[str]:
    """Output and references in different forms of Unicode: every accent would be an error."""
    for what, other, texts, against in (
        ("output", "references", "text", "reference"),
        ("references", "output", "reference", "text"),
    ):
        apart = (getattr(item, texts) for item in scored.items)
        text = next((one for one in apart if not is_normalized("NFC", one)), None)
        if text is None or not all(is_normalized("NFC", getattr(i, against)) for i in scored.items):
            continue
        word = next((word for word in text.split() if not is_normalized("NFC", word)), text)
        yield (
            f"{word[:20]!r} of the {what} is in another form of Unicode than NFC, as the {other} "
            "are: equal letters count as errors; write both in NFC"
        )


def _late(hypotheses: Sequence[Hypothesis]) -> Iterator[str]:
    """Delays beyond the source, and such as go back: nobody hears what is not there."""
    for hypothesis in hypotheses:
        delays, source_us = hypothesis.delays_us, hypothesis.source_us
        if not delays or source_us is None:
            continue
        if max(delays) > source_us + BEYOND_US:
            yield (
                f"{hypothesis.where}: a delay is {max(delays) / 1000:g} ms, the source ends at "
                f"{source_us / 1000:g} ms; a delay is the audio heard, in the log's own unit"
            )
            return
        back = next((i for i in range(1, len(delays)) if delays[i] < delays[i - 1]), None)
        if back is not None:
            yield (
                f"{hypothesis.where}: delay {back + 1} is {delays[back] / 1000:g} ms, less than "
                f"the one before, {delays[back - 1] / 1000:g} ms; delays are in order of time"
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
