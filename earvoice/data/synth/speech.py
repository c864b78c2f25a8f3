"""What every synthesizer gives: one spoken sentence with word and phone times.

`Synthesizer.speak` takes the sentences of one voice in one call, because some programs start
slowly; espeak-ng simply loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import soxr

from earvoice.audio.signal import Float32
from earvoice.data.manifest import PAUSE, TimedPhone
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Seconds

_HEAD_S = 0.02
_TAIL_S = 0.06
_FADE_S = 0.005


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a sentence is said. 1.0 and 0.0 are the voice's own manner.

    - `tempo`: speed, relative (1.2 is 20 % faster).
    - `pitch`: semitones up or down, where the engine has a pitch control.
    - `liveliness`: pitch range, relative.
    - `size`: vocal tract and larynx scaled together by resampling; 1.1 sounds smaller and higher.
      Tempo is compensated, so it changes who speaks, not how fast. Works with every engine.
    """

    tempo: float = 1.0
    pitch: float = 0.0
    liveliness: float = 1.0
    size: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("tempo", 0.5, 2.0), ("pitch", -12.0, 12.0), ("liveliness", 0.0, 2.0),
            ("size", 0.7, 1.4),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise AudioError(f"prosody {name} is {value}, it must be in {low} .. {high}")


def drift(manner: Prosody, rng: np.random.Generator) -> Prosody:
    """A person's manner for one sentence: each is said a little differently."""
    return replace(
        manner,
        tempo=manner.tempo * float(rng.uniform(0.95, 1.05)),
        pitch=manner.pitch + float(rng.uniform(-0.5, 0.5)),
    )


@dataclass(frozen=True, slots=True)
class Speech:
    """One sentence: float32 [W] at 16 kHz, `words[k]` = (start, end) of token k, and its phones."""

    samples: Float32
    words: tuple[tuple[Seconds, Seconds], ...]
    phones: tuple[TimedPhone, ...]


class Synthesizer(Protocol):
    """A program that speaks. `version` names it and its version, for the corpus' record."""

    version: str

    def speak(
        self, sentences: Sequence[Sequence[str]], voice: str, prosodies: Sequence[Prosody]
    ) -> list[Speech]:
        """Says each sentence (a sequence of tokens) with the voice; same order, same length."""
        ...


def spoken_text(words: Sequence[str]) -> str:
    """The tokens as one string that ends like a sentence, so that its melody falls."""
    text = " ".join(words)
    return text if text.endswith((".", "?", "!", "。", "？", "！")) else text + "."


def word_times(
    phones: Sequence[TimedPhone], owners: Sequence[int], count: int
) -> tuple[tuple[Seconds, Seconds], ...]:
    """From phones without pauses and the word of each: when each of `count` words is said.

    A token without a phone (punctuation, or swallowed in fast speech) gets no time at the end of
    the word before it.
    """
    spans: list[tuple[Seconds, Seconds]] = []
    end = phones[0].start_s if phones else 0.0
    for word in range(count):
        own = [phone for phone, owner in zip(phones, owners, strict=True) if owner == word]
        start, end = (own[0].start_s, own[-1].end_s) if own else (end, end)
        spans.append((start, end))
    return tuple(spans)


def at_16k(samples: Float32, rate: int, size: float) -> Float32:
    """Resampled to 16 kHz; with `size` > 1 the sound is also squeezed in time by that factor."""
    # The size is rounded to whole hertz, so that the same number always gives the same samples.
    source = round(rate * size)
    if source == SAMPLE_RATE:
        return samples.astype(np.float32, copy=False)
    return np.asarray(soxr.resample(samples, source, SAMPLE_RATE, quality="HQ"), dtype=np.float32)


def finish(
    samples: Float32, rate: int, size: float, words: Sequence[tuple[Seconds, Seconds]],
    phones: Sequence[TimedPhone],
) -> Speech:  # fmt: skip
    """What a synthesizer made, at 16 kHz, without its leading and trailing silence.

    `samples` are at `rate`; times are in seconds of them. 20 ms before the first phone and 60 ms
    after the last one stay, faded, so that nothing audible is cut.
    """
    said = [phone for phone in phones if phone.symbol != PAUSE and phone.end_s > phone.start_s]
    if not said:
        raise AudioError("the synthesizer returned a sentence without any sound")
    factor = round(rate * size) / rate
    resampled = at_16k(samples, rate, size)
    first = max(0, round((said[0].start_s / factor - _HEAD_S) * SAMPLE_RATE))
    last = min(len(resampled), round((said[-1].end_s / factor + _TAIL_S) * SAMPLE_RATE))
    kept = resampled[first:last].copy()
    ramp = np.linspace(0.0, 1.0, round(_FADE_S * SAMPLE_RATE), dtype=np.float32)
    kept[: len(ramp)] *= ramp
    kept[-len(ramp) :] *= ramp[::-1]
    offset, limit = first / SAMPLE_RATE, (last - first) / SAMPLE_RATE

    def moved(time_s: Seconds) -> Seconds:
        return min(max(time_s / factor - offset, 0.0), limit)

    inner = phones[phones.index(said[0]) : len(phones) - phones[::-1].index(said[-1])]
    return Speech(
        samples=kept,
        words=tuple((moved(start), moved(end)) for start, end in words),
        phones=tuple(
            replace(phone, start_s=moved(phone.start_s), end_s=moved(phone.end_s))
            for phone in inner
        ),
    )
