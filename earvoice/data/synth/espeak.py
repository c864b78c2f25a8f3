"""Sentences spoken by espeak-ng, with exact word and phone times.

Times come from the library's events, in samples. Three quirks shape the code (seen in 1.51, 1.52):

- Function words are fused ("in the", "of the"): one WORD event for both, and an SSML mark between
  them arrives only after both. So the phones of a fused group are divided by aligning them with
  each word's citation form (`word_split`); every token gets its own time.
- The closure of a stop lies between the WORD event and the phone's own event. It belongs to the
  stop, so the phone starts at the WORD event. Where the word before ends in a nasal, though, the
  WORD event comes at the start of that nasal; what counts is the order of events, not their times.
- Output depends on everything said before in the process (flutter, echo, `rand`). The same calls
  in the same order in a fresh process give the same samples, and only they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earvoice.data.manifest import PAUSE, TimedPhone
from earvoice.data.synth.espeak_library import (
    PHONEME,
    PITCH,
    RANGE,
    RATE,
    VOLUME,
    WORD,
    EspeakLibrary,
    Mark,
    load_library,
)
from earvoice.data.synth.phones import from_espeak
from earvoice.data.synth.speech import Prosody, Speech, finish, spoken_text, word_times
from earvoice.data.synth.voices import spoken_language
from earvoice.data.synth.word_split import split_phones
from earvoice.errors import AudioError

NORMAL_WPM = 165
_VOLUME = 70
"""Below the normal 100, at which the loudest voices clip; levels are set later anyway."""
_LEAST_PHONE_S = 0.015
_PITCH_STEPS_PER_SEMITONE = 5.0
"""50 +- 50 steps of the pitch parameter span about ten semitones each way."""


@dataclass(frozen=True, slots=True)
class _Phone:
    """A phone before it gets seconds: label, first sample, which of the events it was."""

    label: str
    sample: int
    event: int


class EspeakSynthesizer:
    """Speaks with espeak-ng. `seed` fixes the random part of its voices. One per process."""

    def __init__(self, seed: int = 0) -> None:
        self._library: EspeakLibrary = load_library()
        self._library.seed(seed)
        self.version = self._library.version
        self._citations: dict[tuple[str, str], tuple[str, ...]] = {}

    def speak(
        self, sentences: Sequence[Sequence[str]], voice: str, prosodies: Sequence[Prosody]
    ) -> list[Speech]:
        """Says each sentence with a voice such as `en-us+f3`; see `Synthesizer.speak`."""
        return [
            self.speak_one(words, voice, prosody)
            for words, prosody in zip(sentences, prosodies, strict=True)
        ]

    def speak_one(self, words: Sequence[str], voice: str, prosody: Prosody) -> Speech:
        """One sentence. `words` are its tokens; none may contain white space or be empty."""
        library = self._library
        library.set_voice(voice)
        # `size` squeezes time, so the voice speaks slower first; its pitch rise is kept.
        wpm = round(NORMAL_WPM * prosody.tempo / prosody.size)
        library.set_parameter(RATE, min(max(wpm, 80), 450))
        library.set_parameter(VOLUME, _VOLUME)
        pitch = round(50 + _PITCH_STEPS_PER_SEMITONE * prosody.pitch)
        library.set_parameter(PITCH, min(max(pitch, 0), 99))
        library.set_parameter(RANGE, min(max(round(50 * prosody.liveliness), 0), 99))
        samples, marks = library.say(spoken_text(words))
        least = round(_LEAST_PHONE_S * library.rate)
        phones = _phones(marks, len(samples), least, spoken_language(voice))
        sounding = [phone for phone in phones if phone.label != PAUSE]
        owners = self._owners(words, sounding, marks, voice)
        timed = _timed(phones, len(samples), library.rate)
        spans = word_times([phone for phone in timed if phone.symbol != PAUSE], owners, len(words))
        audio = samples.astype(np.float32) / np.float32(32768.0)
        return finish(audio, library.rate, prosody.size, spans, timed)

    def _owners(
        self, words: Sequence[str], phones: Sequence[_Phone], marks: Sequence[Mark], voice: str
    ) -> list[int]:
        """The token of each sounding phone: WORD events cut, alignment divides what they fuse."""
        heads = _heads(words, marks)
        owners: list[int] = []
        groups = [*sorted(heads), len(words)]
        at = 0
        for group, first in enumerate(groups[:-1]):
            stop = groups[group + 1]
            end = at
            limit = heads.get(stop)
            while end < len(phones) and (limit is None or phones[end].event < limit):
                end += 1
            labels = [phone.label for phone in phones[at:end]]
            citations = [self._citation(word, voice) for word in words[first:stop]]
            inside = split_phones(labels, citations)
            owners.extend(first + owner for owner in inside)
            at = end
        return owners

    def _citation(self, word: str, voice: str) -> tuple[str, ...]:
        """The phones of a word said alone."""
        accent = voice.partition("+")[0]
        if (accent, word) not in self._citations:
            language = spoken_language(voice)
            folded = (from_espeak(name, language) for name in self._library.mnemonics(word))
            self._citations[accent, word] = tuple(p for p in folded if p and p != PAUSE)
        return self._citations[accent, word]


def _phones(marks: Sequence[Mark], length: int, least: int, language: str) -> list[_Phone]:
    """The phones in order; a phone right after a WORD event starts where that event does.

    Not where that would leave fewer than `least` samples to the phone before.
    """
    phones: list[_Phone] = []
    word_start: int | None = None
    for event, mark in enumerate(marks):
        if mark.kind == WORD:
            word_start = mark.sample
            continue
        label = from_espeak(mark.mnemonic, language) if mark.kind == PHONEME else None
        if label is None:
            continue
        sample = mark.sample
        before = phones[-1].sample if phones else -least
        if word_start is not None and label != PAUSE:
            if before + least <= word_start < sample:
                sample = word_start
            word_start = None
        phones.append(_Phone(label, min(max(sample, before, 0), length), event))
    if not phones:
        raise AudioError("espeak-ng gave no phoneme events")
    return phones


def _timed(phones: Sequence[_Phone], length: int, rate: int) -> list[TimedPhone]:
    """Each phone lasts until the next one starts."""
    ends = [phone.sample for phone in phones[1:]] + [length]
    return [
        TimedPhone(phone.label, phone.sample / rate, end / rate)
        for phone, end in zip(phones, ends, strict=True)
    ]


def _heads(words: Sequence[str], marks: Sequence[Mark]) -> dict[int, int]:
    """Token -> index of its WORD event, for the tokens that have one.

    Positions count characters of the text from 1. An event inside a token ("o'clock", "twenty-one"
    give several or odd ones) announces nothing; token 0 always starts the sentence.
    """
    starts: dict[int, int] = {}
    position = 1
    for token, word in enumerate(words):
        lead = len(word) - len(word.lstrip("\"'([¿¡"))
        for early in range(lead + 1):
            starts.setdefault(position + early, token)
        position += len(word) + 1
    heads: dict[int, int] = {}
    latest = -1
    for event, mark in enumerate(marks):
        token = starts.get(mark.position, -1) if mark.kind == WORD else -1
        if token > latest:
            heads[token] = event
            latest = token
    heads[0] = 0
    return heads
