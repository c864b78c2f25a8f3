"""Semantic chunks: the smallest pieces an interpreter would render by themselves.

    words       I went home early,  |  because the train  was late.
    needs          0 0 2 3          |    4      7  7  8           (last source word of each target)
    chunk       [0, t1) Ich ging früh nach Hause,  [t1, t2) weil der Zug Verspätung hatte.

The rule, for any recording with word times and translations of its sentences (CLASI, 2407.21646,
sections 1 and 2.3, names pauses, commas, conjunctions and meaning, and publishes no rule):

1.  A place between two words is *open* after punctuation, before a conjunction, and in a pause of
    `pause_s`. A sentence's end always is. Beside a slip that the corpus marks (a filler, a word
    said again or corrected; notes "disfluent") only a conjunction opens a place.
2.  An open place is *clean* when the translation divides there: no word of what is translated by
    then depends on a later source word, none of the rest depends on earlier ones alone. That is
    known from `needs`; without, only where source and translation have equally many clause marks.
3.  From left to right, a clean place ends a chunk when the chunk has at least `least_words` words,
    `least_s` seconds, and as much is left of its sentence.
4.  A chunk of more than `most_s` seconds also ends at clean places that are not open.
5.  The cut-off is in the middle of the pause after its last word, at most `margin_s` after it.

Chunks are in order, do not overlap, and hold every word of the source and of the translation once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from earvoice.config import Config, Count, Positive
from earvoice.data.manifest import SpokenSentence, Talk, TimedWord
from earvoice.text.spacing import joined
from earvoice.units import Seconds

_MARKS = re.compile(r"[,;:.!?…，。；：、！？—–]+[\"'”’)»]*$")
_CLAUSE_MARK = re.compile(r"[,;:，；：、—–]")
_CONJUNCTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": frozenset("and but or so because although though while when if since that".split()),
        "de": frozenset(
            "und aber oder denn weil obwohl während wenn falls da dass sondern".split()
        ),
        "es": frozenset("y e pero o u porque aunque mientras cuando si que sino".split()),
        "zh": frozenset(
            "而且 但是 可是 但 或者 因为 所以 虽然 尽管 如果 以便 而 当 然后 并且".split()
        ),
    }
)


class ChunkRule(Config):
    """The sizes of the rule in the module's docstring."""

    pause_s: Positive = 0.25
    least_words: Count = 3
    least_s: Positive = 0.8
    most_s: Positive = 6.0
    margin_s: Positive = 0.1


@dataclass(frozen=True)
class Chunk:
    """A piece of a talk: heard from `start_s` on, cut off at `end_s`.

    words: with their times in the talk. ends_sentence: whether its last word ends one.
    """

    start_s: Seconds
    end_s: Seconds
    words: tuple[TimedWord, ...]
    translation: str
    ends_sentence: bool

    @property
    def transcript(self) -> str:
        """The words that are said."""
        return joined(word.text for word in self.words)


def chunks_of(
    talk: Talk, src_lang: str, tgt_lang: str, rule: ChunkRule | None = None
) -> list[Chunk]:
    """The chunks of a talk; a sentence without word times is one chunk.

    Raises: KeyError for a sentence without a translation into `tgt_lang`.
    """
    rule = rule or ChunkRule()
    found: list[Chunk] = []
    begin_s = 0.0
    for number, sentence in enumerate(talk.sentences):
        later = talk.sentences[number + 1 :]
        next_s = later[0].start_s if later else talk.duration_s
        for chunk in _of_sentence(sentence, src_lang, tgt_lang, rule, begin_s, next_s):
            found.append(chunk)
            begin_s = chunk.end_s
    return found


def _of_sentence(
    sentence: SpokenSentence,
    src_lang: str,
    tgt_lang: str,
    rule: ChunkRule,
    begin_s: Seconds,
    next_s: Seconds,
) -> list[Chunk]:
    words = sentence.words
    text = sentence.targets[tgt_lang].text
    ends = clean_places(sentence, tgt_lang)
    slips = frozenset(sentence.notes.get("disfluent", ()))
    chosen = _chosen(words, src_lang, ends, rule, slips) if words else []
    target = sentence.targets[tgt_lang].words
    found: list[Chunk] = []
    first, first_target = 0, 0
    for last in [*chosen, len(words) - 1]:
        is_last = last == len(words) - 1
        following_s = next_s if is_last else words[last + 1].start_s
        spoken_s = words[last].end_s if words else sentence.end_s
        end_s = spoken_s + min(max(0.0, following_s - spoken_s) / 2, rule.margin_s)
        end_target = len(target) if is_last else ends[last]
        part = text if is_last and not found else joined(target[first_target:end_target])
        own = tuple(words[first : last + 1])
        found.append(Chunk(begin_s, max(begin_s, end_s), own, part, is_last))
        begin_s, first, first_target = max(begin_s, end_s), last + 1, end_target
    return found


def clean_places(sentence: SpokenSentence, tgt_lang: str) -> dict[int, int]:
    """Source words after which the translation divides -> how many target words stand before."""
    target = sentence.targets[tgt_lang]
    pieces = target.words
    if len(target.needs) == len(pieces):
        return _by_needs(target.needs)
    return _by_marks([word.text for word in sentence.words], pieces)


def _by_needs(needs: Sequence[int]) -> dict[int, int]:
    """`count` target words need no word after i, all others need one."""
    found: dict[int, int] = {}
    most = -1
    for count in range(1, len(needs)):
        most = max(most, needs[count - 1])
        least = min(needs[count:])
        for place in range(most, least):
            found.setdefault(place, count)
    return found


def _by_marks(words: Sequence[str], target: Sequence[str]) -> dict[int, int]:
    """Clause marks of both sides, paired in order, where there are equally many of each."""
    ours = [i for i, word in enumerate(words[:-1]) if _CLAUSE_MARK.search(word[-1:])]
    theirs = [i + 1 for i, word in enumerate(target[:-1]) if _CLAUSE_MARK.search(word[-1:])]
    return dict(zip(ours, theirs, strict=True)) if len(ours) == len(theirs) else {}


def _chosen(
    words: Sequence[TimedWord],
    src_lang: str,
    ends: Mapping[int, int],
    rule: ChunkRule,
    slips: frozenset[int],
) -> list[int]:
    """The last words of all chunks of a sentence but its last."""
    opens = {
        i
        for i in range(len(words) - 1)
        if is_open(words, i, src_lang, rule)
        and (slips.isdisjoint((i, i + 1)) or _joins(words[i + 1], src_lang))
    }
    found: list[int] = []
    first = used = 0
    while True:
        enough = [
            i
            for i in sorted(ends)
            if i < len(words) - 1
            and ends[i] > used
            and _enough(words[first : i + 1], rule)
            and _enough(words[i + 1 :], rule)
        ]
        good = [i for i in enough if i in opens]
        first_s = words[first].start_s
        limit = [i for i in enough if words[i].end_s - first_s <= rule.most_s]
        if good and (words[good[0]].end_s - first_s <= rule.most_s or not limit):
            place = good[0]
        elif words[-1].end_s - first_s > rule.most_s and enough:
            # The widest pause of what is not too long, else the first place there is.
            place = max(limit, key=lambda i: _pause_s(words, i)) if limit else enough[0]
        else:
            return found
        found.append(place)
        first, used = place + 1, ends[place]


def is_open(words: Sequence[TimedWord], place: int, src_lang: str, rule: ChunkRule) -> bool:
    """Whether the place after a word is marked, a pause, or before a conjunction."""
    return (
        _MARKS.search(words[place].text) is not None
        or _joins(words[place + 1], src_lang)
        or _pause_s(words, place) >= rule.pause_s
    )


def _joins(word: TimedWord, src_lang: str) -> bool:
    """Whether a word is a conjunction."""
    return word.text.casefold().strip("\"'“‘(«") in _CONJUNCTIONS.get(src_lang, frozenset())


def _pause_s(words: Sequence[TimedWord], place: int) -> Seconds:
    return words[place + 1].start_s - words[place].end_s


def _enough(words: Sequence[TimedWord], rule: ChunkRule) -> bool:
    long = words[-1].end_s - words[0].start_s >= rule.least_s if words else False
    return long and len(words) >= rule.least_words
