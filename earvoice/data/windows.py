"""Training windows: a span of a talk, cut as a live session would see it.

A window covers `segments` whole segments from `start_s` on. Three ways to cut:

    utterance   one or more whole sentences, then silence                 (the source ends)
    fresh       starts just before a sentence, stops anywhere             (a stream's beginning)
    slid        starts anywhere, after the session dropped older segments (a stream's middle)

In a slid window the text of words heard before the window but written inside it stands there as
history without loss: just what a live session keeps when its window slides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from earvoice.data.manifest import SpokenSentence, Talk, TimedPhone, TimedWord
from earvoice.policies.schedule import OFFLINE_K, write_steps
from earvoice.units import Seconds

CONTEXT_WORDS = 40
"""Words of context that a window keeps; a system takes the last so many of them."""
EARLIEST_S = 0.5
"""A window begins in the pause before its sentence, at most so much early."""
MARGIN_S = 0.03
"""A word counts as heard this long after its end: the front-end's receptive field."""


@dataclass(frozen=True)
class Cut:
    """What to cut: segments of `segment_s` seconds, wait k, stride n, and whether to hold.

    missed: steps at which the writer fails to write, see `policies/schedule.py`.
    """

    segments: int
    segment_s: float
    k: int
    n: int
    hold: bool
    missed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Window:
    """A training example before tokenisation; times in seconds from the window's start.

    audio_s: how much of the talk is used; silence fills the rest. ended: the source ends inside.
    target: words with the step each is written at and whether it carries loss. speed: how fast
    the talk is played; all times but `start_s` are of the played sound. context: what was written
    before the window, for systems that are told (`told_before`).
    """

    talk: Talk
    start_s: float
    audio_s: float
    segments: int
    words: tuple[TimedWord, ...]
    phones: tuple[TimedPhone, ...]
    target: tuple[str, ...]
    steps: tuple[int, ...]
    supported: tuple[bool, ...]
    first_step: int
    ended: bool
    k: int
    n: int
    missed: frozenset[int] = frozenset()
    speed: float = 1.0
    context: tuple[str, ...] = ()

    def at_speed(self, speed: float) -> Window:
        """The same, played `speed` times as fast; `start_s` stays a time of the talk."""
        if speed == 1.0:
            return self
        return replace(
            self,
            audio_s=self.audio_s / speed,
            words=tuple(
                TimedWord(word.text, word.start_s / speed, word.end_s / speed)
                for word in self.words
            ),
            phones=tuple(
                TimedPhone(phone.symbol, phone.start_s / speed, phone.end_s / speed)
                for phone in self.phones
            ),
            speed=speed,
        )


def cut_utterances(
    talk: Talk, language: str, cut: Cut, rng: random.Random, first: int, most: int | None = None
) -> Window | None:
    """Sentences from `first` on, as many as fit, then silence; None when not even one fits.

    most: no more sentences than that.

    Room is left for the k - 1 silent segments a session appends so that everything is written.
    """
    room_s = (cut.segments - flushed(cut.k, hold=cut.hold)) * cut.segment_s
    start_s = _start_before(talk, first, rng)
    last, behind = first, len(talk.sentences)
    if most is not None:
        behind = min(behind, first + most)
    while last < behind and talk.sentences[last].end_s - start_s <= room_s:
        last += 1
    if last == first:
        return None
    end_s = max(sentence.end_s for sentence in talk.sentences[first:last])  # they may overlap
    following = talk.sentences[last].start_s if last < len(talk.sentences) else end_s + 0.3
    following = max(following, end_s)
    audio_s = min(room_s, end_s - start_s + rng.uniform(0.05, 0.3), following - start_s)
    window = _window(talk, talk.sentences[first:last], language, cut, start_s, audio_s, ended=True)
    return replace(window, context=told_before(talk, language, first, start_s))


def flushed(k: int, *, hold: bool) -> int:
    """Silent segments that a session appends so that everything is written."""
    return 0 if k >= OFFLINE_K or not hold else k - 1


def told_before(talk: Talk, language: str, first: int, start_s: Seconds) -> tuple[str, ...]:
    """The last words of the translation before sentence `first`, for half of all windows.

    The other half is told nothing, as the first window of a live stream is. Which half follows
    from the place alone, so that the draws of batches are the same with context and without.
    """
    if random.Random(f"{talk.id}/{first}/{start_s}").random() < 0.5:
        return ()
    words: list[str] = []
    for sentence in reversed(talk.sentences[:first]):
        words = [*sentence.targets[language].words, *words]
        if len(words) >= CONTEXT_WORDS:
            break
    return tuple(words[-CONTEXT_WORDS:])


def cut_fresh(talk: Talk, language: str, cut: Cut, rng: random.Random, first: int) -> Window | None:
    """A stream that starts at sentence `first`; None when the talk is too short."""
    start_s = _start_before(talk, first, rng)
    audio_s = cut.segments * cut.segment_s
    if start_s + audio_s > talk.duration_s:
        return None
    inside = [s for s in talk.sentences[first:] if s.start_s < start_s + audio_s]
    return _window(talk, inside, language, cut, start_s, audio_s, ended=False)


def cut_slid(talk: Talk, language: str, cut: Cut, rng: random.Random) -> Window | None:
    """A window from the middle of a stream; None when the talk is too short."""
    audio_s = cut.segments * cut.segment_s
    if talk.duration_s < audio_s + 1.0:
        return None
    start_s = rng.uniform(0.5, talk.duration_s - audio_s)
    before_s = start_s - 20.0 - cut.k * cut.segment_s
    inside = [s for s in talk.sentences if s.end_s > before_s and s.start_s < start_s + audio_s]
    return _window(talk, inside, language, cut, start_s, audio_s, ended=False, slid=True)


def _start_before(talk: Talk, first: int, rng: random.Random) -> float:
    """A start in the pause before a sentence, at most half a second early."""
    begin_s = talk.sentences[first].start_s
    earlier_s = talk.sentences[first - 1].end_s if first else 0.0
    wanted_s = max(earlier_s, begin_s - rng.uniform(0.0, EARLIEST_S), 0.0)
    return min(begin_s, wanted_s)  # where sentences overlap, not after its beginning


def _window(
    talk: Talk,
    sentences: Sequence[SpokenSentence],
    language: str,
    cut: Cut,
    start_s: float,
    audio_s: float,
    *,
    ended: bool,
    slid: bool = False,
) -> Window:
    """The window over a stretch of a talk: what is heard in it, and what is written when."""
    offline = cut.k >= OFFLINE_K
    last_step = cut.segments
    target: list[str] = []
    available: list[int] = []
    whole: list[bool] = []
    for sentence in sentences:
        for word, (heard_from_s, heard_to_s) in _sources(sentence, language):
            target.append(word)
            available.append(int((heard_to_s - start_s + MARGIN_S) // cut.segment_s) + 1)
            whole.append(heard_from_s >= start_s - 0.1)
    if offline:
        steps = [last_step] * len(target)
    else:
        end = last_step if ended else None
        steps = write_steps(available, cut.k, cut.n, end, hold=cut.hold, missed=cut.missed)
    kept = [index for index, step in enumerate(steps) if 1 <= step <= last_step]
    first_step = last_step if offline else 1 if slid else min(cut.k, last_step)
    words, phones = _spoken(sentences, start_s, audio_s)
    return Window(
        talk=talk,
        start_s=start_s,
        audio_s=audio_s,
        segments=cut.segments,
        words=words,
        phones=phones,
        target=tuple(target[index] for index in kept),
        steps=tuple(steps[index] for index in kept),
        supported=tuple(whole[index] for index in kept),
        first_step=first_step,
        ended=ended,
        k=cut.k,
        n=cut.n,
        missed=cut.missed,
    )


def _spoken(
    sentences: Sequence[SpokenSentence], start_s: float, audio_s: float
) -> tuple[tuple[TimedWord, ...], tuple[TimedPhone, ...]]:
    """Words that lie whole in a stretch of a talk and phones that begin in it, in its own time."""
    words = [
        TimedWord(word.text, word.start_s - start_s, word.end_s - start_s)
        for sentence in sentences
        for word in sentence.words
    ]
    phones = [
        TimedPhone(phone.symbol, phone.start_s - start_s, phone.end_s - start_s)
        for sentence in sentences
        for phone in sentence.phones
    ]
    return (
        tuple(w for w in words if w.start_s >= -0.01 and w.end_s <= audio_s + 0.01),
        tuple(phone for phone in phones if 0 <= phone.start_s < audio_s),
    )


def _sources(
    sentence: SpokenSentence, language: str
) -> Iterator[tuple[str, tuple[Seconds, Seconds]]]:
    """Target words, each with start and end of what has to be heard for it.

    Where a corpus does not say which words that is, it is the whole sentence.
    """
    side = sentence.targets[language]
    words = side.words
    if len(side.needs) != len(words):
        for word in words:
            yield word, (sentence.start_s, sentence.end_s)
        return
    for word, needed in zip(words, side.needs, strict=True):
        source = sentence.words[needed]
        yield word, (source.start_s, source.end_s)
