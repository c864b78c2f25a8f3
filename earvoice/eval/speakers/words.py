"""Words as they are compared: normalised, numbered, and placed in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.speakers.utterances import Utterance
from earvoice.eval.units import Unit, units_of
from earvoice.eval.wer import NORMALISATIONS, normalised

Ids = NDArray[np.int32]
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """How words are made of text. `str(rules)` is its part of a metric's signature.

    normalise: a name in `earvoice.eval.wer.NORMALISATIONS`.
    """

    unit: Unit = "word"
    normalise: str = "none"

    def __str__(self) -> str:
        return f"unit:{self.unit}|norm:{self.normalise}|{NORMALISATIONS[self.normalise]}"

    def words(self, text: str) -> list[str]:
        """The words of a text, or its characters."""
        return units_of(normalised(text, self.normalise), self.unit)

    def timed(self, utterance: Utterance) -> list[tuple[str, int, int]]:
        """(word, start, end) of an utterance, in microseconds.

        Where the times of words are not known, the utterance's time is shared out by the number
        of characters, rounded to the microsecond:

            "ab c" from 0 s to 3 s   ->   ab 0-2 s, c 2-3 s
        """
        if utterance.words_us is None:
            words = self.words(utterance.text)
            return _shared_out(words, utterance.start_us, utterance.end_us)
        found = []
        pieces = zip(utterance.text.split(), utterance.words_us, strict=True)
        for piece, (start_us, end_us) in pieces:
            found += _shared_out(self.words(piece), start_us, end_us)
        return found


def _shared_out(words: Sequence[str], start_us: int, end_us: int) -> list[tuple[str, int, int]]:
    ends = list(accumulate(len(word) for word in words))
    starts = [0, *ends][: len(words)]

    def place(chars: int) -> int:
        return start_us + (2 * (end_us - start_us) * chars + ends[-1]) // (2 * ends[-1])

    return [
        (word, place(start), place(end))
        for word, start, end in zip(words, starts, ends, strict=True)
    ]


class Vocabulary:
    """Numbers for the words of one session: equal words have equal numbers."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def ids(self, words: Iterable[str]) -> Ids:
        """Shapes: [N]."""
        found = [self._ids.setdefault(word, len(self._ids)) for word in words]
        return np.array(found, dtype=np.int32)


@dataclass(frozen=True)
class TimedIds:
    """Numbered words and when each was said. Shapes: all [N]; times in microseconds."""

    ids: Ids
    start_us: Times
    end_us: Times

    def __len__(self) -> int:
        return len(self.ids)
