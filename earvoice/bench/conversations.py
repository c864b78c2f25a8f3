"""A model on recorded conversations: words, translations, who said them, and how soon.

A conversation is one stream from its beginning to its end. What is committed for a person is cut at
that person's turns (mWER segmentation: where the words fit best), so every turn has its own text:

    turn          |-- where is the station --|
    transcript       where    is the      station
    translation                        dónde     está la estación
                  |------ first -------|
                                             |-------- last -----|

Speaker-attributed: words count for the person whose stream they are in; words of somebody who says
nothing are errors. Latencies are of the ideal clock, computing not counted: seconds of sound heard.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from earvoice.audio import Audio
from earvoice.audio.signal import Float32
from earvoice.bench.quality import bleu_with_interval
from earvoice.data.conversations import SPEAKERS, Conversation, Speaker, Turn
from earvoice.errors import UsageError
from earvoice.eval.mwer import cuts
from earvoice.eval.wer import normalised
from earvoice.events import Commit
from earvoice.session import Request
from earvoice.sessions.frame import FrameInterpreter, FrameSession
from earvoice.units import SAMPLE_RATE, Seconds

SETS = ("conversations", "overlap", "apart")
"""All turns; those during which the other one speaks too; those during which nobody else does."""


@dataclass(frozen=True)
class Word:
    """A committed word, and the seconds of sound heard by then."""

    text: str
    at_s: Seconds


@dataclass(frozen=True)
class TurnHeard:
    """What a person said and what was written for it; errors: of the transcript's words."""

    turn: Turn
    overlapped: bool
    errors: int
    words: int
    translation: tuple[Word, ...]

    @property
    def first_s(self) -> Seconds | None:
        """From the beginning of the turn to the first final word of its translation."""
        return self.translation[0].at_s - self.turn.start_s if self.translation else None

    @property
    def last_s(self) -> Seconds | None:
        """From the end of the turn to the last final word of its translation."""
        return self.translation[-1].at_s - self.turn.end_s if self.translation else None


@dataclass(frozen=True)
class ConversationHeard:
    """All turns of a conversation; spare: words for people who say nothing in it."""

    turns: tuple[TurnHeard, ...]
    spare: int
    duration_s: Seconds


@dataclass(frozen=True)
class Measured:
    """What came out. rtf: CPU seconds for a second of sound of a stream, all sessions together."""

    heard: tuple[ConversationHeard, ...]
    rtf: float


def measure(
    interpreter: FrameInterpreter, conversations: Sequence[Conversation], *, batch: int = 1
) -> Measured:
    """Hears every conversation, `batch` at a time.

    Raises: UsageError for a conversation whose languages the model does not have.
    """
    found: list[ConversationHeard] = []
    spent_s = 0.0
    for start in range(0, len(conversations), batch):
        group = conversations[start : start + batch]
        sounds = [_sound(interpreter, item) for item in group]
        begun_s = time.process_time()
        written = _listen(interpreter, group, sounds)
        spent_s += time.process_time() - begun_s
        found += [_attributed(item, said) for item, said in zip(group, written, strict=True)]
    total_s = sum(item.duration_s for item in found)
    return Measured(tuple(found), round(spent_s / max(total_s, 1e-9), 4))


def figures(measured: Measured, on: str) -> dict[str, Any]:
    """The figures of a set of turns (`SETS`); those that nothing was written for are None.

    bleu of turns with its bootstrap interval; wer in percent, without case and punctuation;
    first_ms, last_ms: medians over turns.
    """
    turns = [turn for item in measured.heard for turn in item.turns if _is_in(turn, on)]
    if not turns:
        return {"turns": 0}
    said = [" ".join(word.text for word in turn.translation) for turn in turns]
    wanted = [turn.turn.target.text for turn in turns]
    bleu, low, high = bleu_with_interval(said, wanted, turns[0].turn.into, 1)
    errors = sum(turn.errors for turn in turns)
    if on == "conversations":
        errors += sum(item.spare for item in measured.heard)
    words = sum(turn.words for turn in turns)
    return {
        "turns": len(turns),
        "bleu": bleu,
        "bleu_low": low,
        "bleu_high": high,
        "wer": round(100 * errors / words, 2) if words else None,
        "first_ms": _median_ms([turn.first_s for turn in turns]),
        "last_ms": _median_ms([turn.last_s for turn in turns]),
    }


def noise_rtf(interpreter: FrameInterpreter, seconds: Seconds, seed: int) -> float:
    """CPU seconds for a second of noise on all microphones, one stream."""
    pair = interpreter.settings.pairs[0]
    session = interpreter.open(Request(*pair, transcript=True))
    step = interpreter.model.step_samples
    generator = np.random.default_rng(seed)
    count = max(1, round(seconds * SAMPLE_RATE / step))
    spent_s = 0.0
    for _ in range(count):
        samples = generator.standard_normal((interpreter.model.array.channels, step))
        packet = Audio((0.05 * samples).astype(np.float32))
        begun_s = time.process_time()
        session.push(packet)
        spent_s += time.process_time() - begun_s
    return round(spent_s * SAMPLE_RATE / (count * step), 4)


def languages(item: Conversation, pairs: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """What the wearer and the partner speak.

    Raises: UsageError where the model has no such pair.
    """
    for turn in item.turns:
        pair = (turn.language, turn.into) if turn.speaker == "self" else (turn.into, turn.language)
        if pair in pairs:
            return pair
        known = ", ".join("-".join(known) for known in pairs)
        raise UsageError(f"the conversation {item.id} is {'-'.join(pair)}; this model has {known}")
    return pairs[0]


def _sound(interpreter: FrameInterpreter, item: Conversation) -> Float32:
    """All channels, or the first for a model of one microphone, as in training."""
    samples = item.read_samples()
    return samples[:1] if interpreter.model.array.channels == 1 else samples


def _listen(
    interpreter: FrameInterpreter, group: Sequence[Conversation], sounds: Sequence[Float32]
) -> list[dict[tuple[str, Speaker], list[Word]]]:
    """Sessions advanced as one batch; what was committed by role and person."""
    pairs = [languages(item, interpreter.settings.pairs) for item in group]
    sessions = [interpreter.open(Request(*pair, transcript=True)) for pair in pairs]
    streams = [_Streams() for _ in group]
    step = interpreter.model.step_samples
    for start in range(0, max(sound.shape[1] for sound in sounds), step):
        going = [i for i, sound in enumerate(sounds) if start < sound.shape[1]]
        for index in going:
            sessions[index].feed(Audio(sounds[index][:, start : start + step]))
        new = interpreter.advance([sessions[index] for index in going])
        for index, events in zip(going, new, strict=True):
            streams[index].take(events, _used_s(sessions[index]))
    for index, session in enumerate(sessions):
        streams[index].take(session.finish(), sounds[index].shape[1] / SAMPLE_RATE)
    return [stream.words() for stream in streams]


def _used_s(session: FrameSession) -> Seconds:
    return session.audio.heard / SAMPLE_RATE - session.lag_s


class _Streams:
    """Committed text by role and person, with the time of every character."""

    def __init__(self) -> None:
        self._text: dict[tuple[str, Speaker], str] = {}
        self._times: dict[tuple[str, Speaker], list[Seconds]] = {}

    def take(self, events: Sequence[Any], at_s: Seconds) -> None:
        for event in events:
            if isinstance(event, Commit):
                who: Speaker = "other" if event.stream.speaker == "OTHER" else "self"
                key = (event.stream.role, who)
                self._text[key] = self._text.get(key, "") + event.text
                self._times.setdefault(key, []).extend([at_s] * len(event.text))

    def words(self) -> dict[tuple[str, Speaker], list[Word]]:
        """A word is there when its last letter is."""
        found: dict[tuple[str, Speaker], list[Word]] = {}
        for key, text in self._text.items():
            words, start = found.setdefault(key, []), 0
            for index, letter in enumerate(text + " "):
                if letter.isspace():
                    if index > start:
                        words.append(Word(text[start:index], self._times[key][index - 1]))
                    start = index + 1
        return found


def _attributed(
    item: Conversation, written: dict[tuple[str, Speaker], list[Word]]
) -> ConversationHeard:
    """Every person's words on that person's turns."""
    turns: list[TurnHeard] = []
    spare = 0
    for speaker in SPEAKERS:
        own = [turn for turn in item.turns if turn.speaker == speaker]
        transcript = written.get(("transcript", speaker), [])
        translation = written.get(("translation", speaker), [])
        if not own:
            spare += len(_compared(" ".join(word.text for word in transcript)))
            continue
        heard = _on_turns([turn.text for turn in own], transcript)
        told = _on_turns([turn.target.text for turn in own], translation)
        for turn, words, translated in zip(own, heard, told, strict=True):
            meant = _compared(turn.text)
            errors = _distance(meant, _compared(" ".join(word.text for word in words)))
            overlapped = any(_together(turn, other) for other in item.turns)
            turns.append(TurnHeard(turn, overlapped, errors, len(meant), tuple(translated)))
    return ConversationHeard(tuple(turns), spare, item.duration_s)


def _on_turns(references: Sequence[str], words: Sequence[Word]) -> list[list[Word]]:
    """The words of each turn, where they fit best."""
    places = cuts([text.split() for text in references], [word.text for word in words])
    return [list(words[a:b]) for a, b in pairwise([0, *places, len(words)])]


def _together(turn: Turn, other: Turn) -> bool:
    same = turn.speaker == other.speaker
    return not same and other.start_s < turn.end_s and turn.start_s < other.end_s


def _compared(text: str) -> list[str]:
    return normalised(text, "basic").split()


def _distance(meant: Sequence[str], said: Sequence[str]) -> int:
    """Insertions, deletions and substitutions."""
    row = list(range(len(said) + 1))
    for count, word in enumerate(meant, 1):
        above, row = row, [count]
        for place, other in enumerate(said, 1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (word != other)))
    return row[-1]


def _is_in(turn: TurnHeard, on: str) -> bool:
    return on == "conversations" or turn.overlapped == (on == "overlap")


def _median_ms(times_s: Sequence[Seconds | None]) -> float | None:
    known = [time_s for time_s in times_s if time_s is not None]
    return round(1000 * statistics.median(known), 1) if known else None
