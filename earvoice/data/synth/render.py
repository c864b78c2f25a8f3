"""Renders a talk: sentences of one voice with pauses, then its room, noise and level.

Everything random comes from the spec's seed and index, and the synthesizer must be in its fresh
state, so a talk is the same whoever renders it and in whatever order (`corpus` gives each talk its
own process for that).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.signal import Float32
from earvoice.data.manifest import SpokenSentence, Talk, Target, TimedWord
from earvoice.data.synth import acoustics
from earvoice.data.synth.grammar import Sentence, sample_talk
from earvoice.data.synth.interpreted.talks import Focus, interpreted_talk
from earvoice.data.synth.speech import Prosody, Speech, Synthesizer, drift
from earvoice.data.synth.voices import Voice, VoiceSplit, voices
from earvoice.text.spacing import joined
from earvoice.units import SAMPLE_RATE, Seconds

Split = Literal["train", "dev", "test", "test-unseen-voices", "test-noise", "test-other-synth"]

Style = Literal["plain", "interpreted"]

_BATCH = 12
_PAUSE_S = (0.15, 1.2)
_EDGE_S = (0.2, 0.8)
_LEAST_SENTENCE_S = 3.2
"""Less than the mean of a few sentences of an interpreted talk with their pauses, which is four."""
_TEST_NOISES = ("babble", "pink", "babble", "white", "speech-shaped", "brown")
_TRAIN_NOISES = (*acoustics.NOISE_KINDS, "babble")
_BABBLE_TALKERS = 6


@dataclass(frozen=True, slots=True)
class SplitRule:
    """What a split is made of: whose sentences, which voices of which engines, which sound."""

    sentences: Literal["train", "dev", "test"]
    voices: tuple[VoiceSplit, ...]
    engines: tuple[str, ...]
    sound: Literal["clean", "mixed", "noise"]


RULES: dict[Split, SplitRule] = {
    "train": SplitRule("train", ("train",), ("espeak", "flite"), "mixed"),
    "dev": SplitRule("dev", ("train", "dev"), ("espeak",), "clean"),
    "test": SplitRule("test", ("train",), ("espeak",), "clean"),
    "test-unseen-voices": SplitRule("test", ("unseen",), ("espeak",), "clean"),
    "test-noise": SplitRule("test", ("train",), ("espeak",), "noise"),
    "test-other-synth": SplitRule("test", ("other",), ("flite", "festival"), "clean"),
}


@dataclass(frozen=True, slots=True)
class TalkSpec:
    """Everything that decides how talk `index` of a corpus sounds.

    `source` is the language it is held in, `languages` those it is translated into. `style` is
    "plain", or "interpreted" with what `focus` names (`interpreted.talks`).
    """

    seed: int
    index: int
    split: Split
    voice: Voice
    duration_s: Seconds
    languages: tuple[str, ...]
    source: str = "en"
    style: Style = "plain"
    focus: Focus = ""

    @property
    def id(self) -> str:
        """The talk's name, unique in its corpus."""
        focus = f"-{self.focus}" if self.focus else ""
        return f"{self.split}{focus}-{self.index:05d}"

    def generator(self, purpose: int) -> np.random.Generator:
        """Independent random numbers for each purpose of each talk."""
        split = list(RULES).index(self.split)
        return np.random.default_rng([self.seed, split, self.index, purpose])


def render_talk(
    spec: TalkSpec, synthesizer: Synthesizer, talkers: Synthesizer | None = None
) -> tuple[Talk, NDArray[np.int16]]:
    """The talk (with `path` None) and its samples, int16 [W] at 16 kHz.

    `talkers` says the background of babble noise; without one babble is speech-shaped noise.
    """
    rng = spec.generator(0)
    spoken = _speak(spec, synthesizer, rng)
    samples, sentences = _lay_out(spoken, spec.languages, rng)
    samples, condition = _treat(samples, spec, talkers, spec.generator(1))
    pcm = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
    talk = Talk(
        id=spec.id,
        path=None,
        sample_rate=SAMPLE_RATE,
        samples=len(pcm),
        voice=spec.voice.name,
        engine=spec.voice.engine,
        sentences=tuple(sentences),
        condition=condition,
        language=spec.source,
    )
    return talk, pcm


def _speak(
    spec: TalkSpec, synthesizer: Synthesizer, rng: np.random.Generator
) -> list[tuple[Sentence, Speech]]:
    """Sentences until the talk is as long as it should be (pauses counted at their mean)."""
    source = random.Random(int(rng.integers(2**63)))
    split = RULES[spec.split].sentences
    # No sentence is shorter than a second with its pause, so these are enough.
    if spec.style == "plain":
        count = math.ceil(spec.duration_s) + 1
        plan = sample_talk(source, count, split=split, language=spec.source)
    else:
        count = math.ceil(spec.duration_s / _LEAST_SENTENCE_S) + 4
        plan = interpreted_talk(source, count, split, spec.source, spec.focus)
    manner = _manner(spec, rng)
    pause_s = sum(_PAUSE_S) / 2
    spoken: list[tuple[Sentence, Speech]] = []
    total_s = 0.0
    for first in range(0, len(plan), _BATCH):
        batch = plan[first : first + _BATCH]
        prosodies = [drift(manner, rng) for _ in batch]
        sources = [sentence.source for sentence in batch]
        for sentence, speech in zip(
            batch, synthesizer.speak(sources, spec.voice.name, prosodies), strict=True
        ):
            spoken.append((sentence, speech))
            total_s += len(speech.samples) / SAMPLE_RATE + pause_s
            if total_s >= spec.duration_s:
                return spoken
    return spoken


def _manner(spec: TalkSpec, rng: np.random.Generator) -> Prosody:
    """The talk's own speed and pitch: 130 to 210 words a minute, tests a little narrower.

    In training half of the talks, and most of flite's few voices, also get another size, which
    makes new speakers out of old ones.
    """
    wide = spec.split == "train"
    low, high = (0.79, 1.27) if wide else (0.85, 1.2)
    resized = wide and rng.random() < (0.5 if spec.voice.engine == "espeak" else 0.8)
    return Prosody(
        tempo=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        pitch=float(rng.uniform(-3.0, 3.0)) * (1.0 if wide else 0.5),
        liveliness=float(rng.uniform(0.6, 1.5)),
        size=float(rng.uniform(0.88, 1.14)) if resized else 1.0,
    )


def _lay_out(
    spoken: Sequence[tuple[Sentence, Speech]], languages: Sequence[str], rng: np.random.Generator
) -> tuple[Float32, list[SpokenSentence]]:
    """One after another with pauses: the samples [W], and the sentences in the talk's time."""
    pieces = [np.zeros(round(float(rng.uniform(*_EDGE_S)) * SAMPLE_RATE), dtype=np.float32)]
    at = len(pieces[0])
    sentences = []
    for sentence, speech in spoken:
        sentences.append(_placed(sentence, speech, languages, at / SAMPLE_RATE))
        pause_s = float(rng.uniform(*_PAUSE_S))
        silence = np.zeros(round(pause_s * SAMPLE_RATE), dtype=np.float32)
        pieces += [speech.samples, silence]
        at += len(speech.samples) + len(silence)
    return np.concatenate(pieces), sentences


def _placed(
    sentence: Sentence, speech: Speech, languages: Sequence[str], offset_s: Seconds
) -> SpokenSentence:
    words = tuple(
        TimedWord(text, offset_s + start_s, offset_s + end_s)
        for text, (start_s, end_s) in zip(sentence.source, speech.words, strict=True)
    )
    return SpokenSentence(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        words=words,
        phones=tuple(
            replace(p, start_s=offset_s + p.start_s, end_s=offset_s + p.end_s)
            for p in speech.phones
        ),
        text=joined(sentence.source),
        targets={
            language: Target.of_words(sentence.targets[language], sentence.needs[language])
            for language in languages
        },
        topic=sentence.topic,
        notes=sentence.notes,
    )


def _treat(
    samples: Float32, spec: TalkSpec, talkers: Synthesizer | None, rng: np.random.Generator
) -> tuple[Float32, dict[str, Any]]:
    """Room, noise and level by the split's rule; what was done, for the manifest."""
    sound = RULES[spec.split].sound
    condition: dict[str, Any] = {}
    if sound == "noise":
        kind = _TEST_NOISES[spec.index % len(_TEST_NOISES)]
        condition = {"noise": kind, "snr_db": 10.0}
    elif sound == "mixed" and rng.random() < 0.5:
        choice = rng.random()
        if choice < 0.6:
            kind = str(rng.choice(_TRAIN_NOISES))
            condition |= {"noise": kind, "snr_db": round(float(rng.uniform(10.0, 30.0)), 1)}
        if choice > 0.4:
            condition["rt60_s"] = round(float(rng.uniform(0.1, 0.6)), 2)
        if rng.random() < 0.3:
            condition["tilt_db"] = round(float(rng.uniform(-2.0, 2.0)), 1)
    if condition.get("noise") == "babble" and talkers is None:
        condition["noise"] = "speech-shaped"
    if "tilt_db" in condition:
        samples = acoustics.equalise(samples, tilt_db_per_octave=condition["tilt_db"])
    if "rt60_s" in condition:
        samples = acoustics.convolve(samples, acoustics.room_response(condition["rt60_s"], rng))
    if "noise" in condition:
        disturbance = _noise(condition["noise"], len(samples), spec, talkers, rng)
        samples = acoustics.mix_at_snr(samples, disturbance, condition["snr_db"])
    return acoustics.set_level(samples, float(rng.uniform(-30.0, -18.0))), condition


def _noise(
    kind: str, length: int, spec: TalkSpec, talkers: Synthesizer | None, rng: np.random.Generator
) -> Float32:
    if kind == "babble" and talkers is not None:
        return acoustics.babble(_background(spec, talkers, rng), length, rng)
    return acoustics.noise(kind, length, rng)


def _background(spec: TalkSpec, talkers: Synthesizer, rng: np.random.Generator) -> list[Float32]:
    """About 20 s each of a few talkers who say other sentences of the same split."""
    pool = voices("espeak", "train", spec.source)
    source = random.Random(int(rng.integers(2**63)))
    said = []
    for number in rng.choice(len(pool), size=_BABBLE_TALKERS, replace=False):
        split = RULES[spec.split].sentences
        lines = [s.source for s in sample_talk(source, 8, split=split, language=spec.source)]
        speeches = talkers.speak(lines, pool[int(number)].name, [Prosody()] * len(lines))
        said.append(np.concatenate([speech.samples for speech in speeches]))
    return said
