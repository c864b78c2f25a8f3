"""The live path under a stopwatch: encoder and language model apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from earvoice.audio import Audio
from earvoice.events import Event
from earvoice.nn.state import State
from earvoice.session import Request, Session
from earvoice.sessions.append import AppendInterpreter, SpeechModel
from earvoice.units import SAMPLE_RATE, Samples, Seconds

Progress = Callable[[str], None]
"""Told what is being done now, for people who wait."""


def silent_progress(_: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one segment.

    `lm_s` is everything but the encoder and its adapter: language model, decoding, policy, cache,
    text, buffers.
    """

    encoder_s: Seconds
    lm_s: Seconds


class TimedSpeech:
    """A speech model that adds up the CPU time spent in it. Implements `SpeechModel`."""

    def __init__(self, inner: SpeechModel) -> None:
        self._inner = inner
        self.spent_s: Seconds = 0.0

    @property
    def segment_samples(self) -> Samples:
        """As the model's."""
        return self._inner.segment_samples

    def init_state(self, rows: int, like: Tensor) -> State:
        """As the model's."""
        return self._inner.init_state(rows, like)

    def __call__(self, x: Tensor, state: Any = None, rows: Sequence[int] | None = None) -> Tensor:
        """As the model's, timed."""
        start_s = time.process_time()
        out = self._inner(x, state, rows)
        self.spent_s += time.process_time() - start_s
        return out


class TimedInterpreter:
    """An interpreter whose sessions are pushed one segment at a time, timed."""

    def __init__(self, interpreter: AppendInterpreter, rows: int) -> None:
        self._speech = TimedSpeech(interpreter.speech)
        self.inner = AppendInterpreter(
            self._speech, interpreter.lm, interpreter.tokenizer, interpreter.settings, rows=rows
        )
        self.request = Request(interpreter.settings.src_lang, interpreter.settings.tgt_lang)

    @property
    def segment_s(self) -> Seconds:
        """Seconds of audio in a segment."""
        return self.inner.segment_samples / SAMPLE_RATE

    def open(self) -> Session:
        """A new stream."""
        return self.inner.open(self.request)

    def push(self, session: Session, samples: NDArray[np.float32]) -> tuple[Cost, list[Event]]:
        """One segment, as a listener's packet would come in. Shapes: float32 [W]."""
        encoder_s = self._speech.spent_s
        start_s = time.process_time()
        events = session.push(Audio.of(samples))
        total_s = time.process_time() - start_s
        encoder_s = self._speech.spent_s - encoder_s
        return Cost(encoder_s, total_s - encoder_s), events

    def state_bytes(self) -> int:
        """Bytes of state of one stream, by its formula: preallocated, never more."""
        cache, speech = self.inner.cache, self.inner.speech_state
        return (cache.nbytes() + speech.nbytes()) // cache.rows


def noise_segment(seed: int, index: int, size: Samples) -> NDArray[np.float32]:
    """Segment `index` of a stream of noise: the same for the same seed. Shapes: float32 [size]."""
    generator = np.random.default_rng((seed, index))
    return (0.1 * generator.standard_normal(size)).astype(np.float32)
