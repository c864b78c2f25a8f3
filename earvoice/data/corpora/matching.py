"""Which of an aligner's words is which word of the sentence's text.

Compared are letters and digits only, without case, so that punctuation, apostrophes and hyphens do
not matter. An aligner may split what the text writes as one word, and may join two:

    text        Well-known  people  don't  (Laughter)  --  say  "GPU."
    aligner     well known  people  do n't  <unk>          say  <unk>
    words       Well-known  people  don't                  say  "GPU."

A word that the aligner's dictionary lacks is `<unk>` (`spn`, or anything in brackets), which stands
for a word of the text, for a part of one, or for nothing; but where several stand together, for
nothing only if all do, since nobody knows which otherwise. A remark in brackets may be spoken,
noise or nothing. Every other word must be there, in order, and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earvoice.data.corpora.textgrid import Interval

SILENCES = frozenset({"", "<eps>", "<sil>", "sil", "sp", "pau", "<p:>"})
"""Marks of silence, compared without case; those without brackets may be words too."""

_NOISES = frozenset({"spn", "nsn"})
_BRACKETED = re.compile(r"[<\[({].*[>\])}]", re.DOTALL)
_PARTS = re.compile(r"[-/'\u2010-\u2015\u2019]+")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word as the text writes it (two where the aligner joins them) and when it is said.

    unknown: the aligner did not know it.
    """

    text: str
    start_us: int
    end_us: int
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """No way to match. interval: the last that could not be reached, None if words are left."""

    interval: Interval | None
    expected: str


@dataclass(frozen=True, slots=True)
class _Step:
    """An interval that stands for the letters from `start` to `end`."""

    interval: Interval
    start: int
    end: int
    unknown: bool


@dataclass(frozen=True, slots=True)
class _State:
    """How far the search is: letters and intervals passed; what the unknown words of this run are.

    run: "" before the first one, else "words" or "nothing".
    """

    at: int = 0
    used: int = 0
    run: str = ""


_Move = tuple[_Step | None, _State]


def letters(text: str) -> str:
    """What of a text is compared: letters and digits, without case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")


def is_silence(text: str) -> bool:
    """Whether an interval says nothing, or may say nothing (`sil` is also a word)."""
    return text.strip().lower() in SILENCES


def _is_unknown(text: str) -> bool:
    text = text.strip().lower()
    return text in _NOISES or (_BRACKETED.fullmatch(text) is not None and not is_silence(text))


def match_words(text: str, intervals: Sequence[Interval]) -> list[Word] | Mismatch:
    """The words of a text with the times of an aligner's intervals.

    Words without letters (`--`) and remarks that are noise have no time and are not in the list.
    """
    return _Search(text, intervals).run()


class _Search:
    """Depth first over (letters matched, intervals used), the likeliest step first."""

    def __init__(self, text: str, intervals: Sequence[Interval]) -> None:
        self.tokens = [token for token in text.split() if letters(token)]
        self.text = ""
        self.starts: dict[int, int] = {}  # where a token's letters begin -> its number
        self.ends: dict[int, int] = {}  # where they end -> its number
        self.stops: list[int] = []  # where an unknown word may end: a token's parts, in order
        for number, token in enumerate(self.tokens):
            pieces = [letters(piece) for piece in _PARTS.split(token)]
            if "".join(pieces) != letters(token):
                pieces = [letters(token)]
            self.starts[len(self.text)] = number
            for piece in filter(None, pieces):
                self.text += piece
                self.stops.append(len(self.text))
            self.ends[len(self.text)] = number
        self.remarks = dict(self._remarks(text))
        self.intervals = [i for i in intervals if letters(i.text)]

    def _remarks(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) in letters of the stretches in brackets."""
        at, opened, closing = 0, 0, ""
        for token in text.split():
            if not closing and token[0] in _CLOSING:
                opened, closing = at, _CLOSING[token[0]]
            at += len(letters(token))
            if closing and closing in token:
                if at > opened:
                    yield opened, at
                closing = ""

    def run(self) -> list[Word] | Mismatch:
        path: list[_Step | None] = []
        state = _State()
        choices = [self._moves(state)]
        seen = {state}
        furthest = (0, 0)
        while (state.at, state.used) != (len(self.text), len(self.intervals)):
            move = next(choices[-1], None)
            if move is None:
                choices.pop()
                if not choices:
                    return self._mismatch(*furthest)
                path.pop()
            elif move[1] not in seen:
                step, state = move
                seen.add(state)
                furthest = max(furthest, (state.used, state.at))
                path.append(step)
                choices.append(self._moves(state))
        return self._words([step for step in path if step is not None])

    def _moves(self, state: _State) -> Iterator[_Move]:
        at, used = state.at, state.used
        remark = self.remarks.get(at)
        if used < len(self.intervals):
            interval = self.intervals[used]
            said = letters(interval.text)
            if not interval.text.lstrip().startswith("<") and self.text.startswith(said, at):
                end = at + len(said)
                yield _Step(interval, at, end, unknown=False), _State(end, used + 1)
            if _is_unknown(interval.text):
                yield from self._unknown(interval, state, remark)
            elif is_silence(interval.text):
                yield None, _State(at, used + 1, state.run)
        if remark is not None:
            yield None, _State(remark, used, state.run)

    def _unknown(self, interval: Interval, state: _State, remark: int | None) -> Iterator[_Move]:
        """What an unknown word may be: a word or part of one, a whole remark, nothing."""
        if state.run != "nothing":
            stops = self._stops_after(state.at)
            for end in stops if remark is None else [*stops, remark]:
                step = _Step(interval, state.at, end, unknown=True)
                yield step, _State(end, state.used + 1, "words")
        if state.run != "words":
            yield None, _State(state.at, state.used + 1, "nothing")

    def _stops_after(self, at: int) -> list[int]:
        """Where an unknown word that begins at `at` may end: its token's end, or a part's."""
        stops = []
        for stop in self.stops:
            if stop > at:
                stops.append(stop)
                if stop in self.ends:
                    break
        return stops[::-1]

    def _words(self, steps: list[_Step]) -> list[Word]:
        """Joins steps up to where a step and a token end together."""
        words: list[Word] = []
        group: list[_Step] = []
        for step in steps:
            group.append(step)
            if step.end not in self.ends:
                continue
            first, last = self.starts[group[0].start], self.ends[step.end]
            noise = all(part.unknown for part in group) and any(
                start <= group[0].start and step.end <= end for start, end in self.remarks.items()
            )
            if not noise:
                text = " ".join(self.tokens[first : last + 1])
                times = group[0].interval.start_us, step.interval.end_us
                words.append(Word(text, *times, unknown=any(part.unknown for part in group)))
            group = []
        return words

    def _mismatch(self, used: int, at: int) -> Mismatch:
        rest = [number for end, number in self.ends.items() if end > at]
        expected = self.tokens[rest[0]] if rest else ""
        interval = self.intervals[used] if used < len(self.intervals) else None
        return Mismatch(interval, expected)
