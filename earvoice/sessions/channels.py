"""A session's audio buffer with its microphones kept apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earvoice.audio import Audio
from earvoice.audio.arrays import MicrophoneArray, check_array_channels
from earvoice.events import Note
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.units import SAMPLE_RATE, Samples, Seconds

DEAD_SHARE = 1e-4
"""A microphone with less than this share (-40 dB) of the median microphone's power is dead."""
WATCH_S: Seconds = 2.0
"""Seconds over which power is compared."""


class ChannelBuffer:
    """Exact segments of every microphone, from packets of any size and rate.

    One microphone: channels are mixed down. Several: the audio must have exactly as many.
    """

    def __init__(self, size: Samples, array: MicrophoneArray) -> None:
        self.array = array
        self._buffers = [SegmentBuffer(size) for _ in range(array.channels)]
        self._watch = MicrophoneWatch(array.channels)

    @property
    def heard(self) -> Samples:
        """Samples received so far, at 16 kHz."""
        return self._buffers[0].heard

    @property
    def waiting_s(self) -> Seconds:
        """Seconds that wait."""
        return self._buffers[0].waiting_s

    @property
    def has_segment(self) -> bool:
        """Whether a whole segment waits."""
        return self._buffers[0].has_segment

    def push(self, audio: Audio) -> None:
        """Adds audio. Raises: AudioError for another number of channels or a changed format."""
        if self.array.channels == 1:
            self._buffers[0].push(audio)
            return
        check_array_channels(audio.channels, self.array)
        for buffer, samples in zip(self._buffers, audio.samples, strict=True):
            buffer.push(Audio(samples[None], audio.rate_hz))

    def finish(self) -> int:
        """Pads what waits to whole segments with silence; returns how many wait then."""
        return max(buffer.finish() for buffer in self._buffers)

    def take(self) -> tuple[NDArray[np.float32], list[Note]]:
        """The next whole segment [C, W], and what is to be said about its microphones."""
        samples = np.stack([buffer.take() for buffer in self._buffers])
        return samples, self._watch.hear(samples)


class MicrophoneWatch:
    """Notices microphones that give nothing while the others do. Notes once for each."""

    def __init__(self, microphones: int) -> None:
        self._power = np.zeros(microphones)
        self._samples = 0
        self._noted: set[int] = set()

    def hear(self, samples: NDArray[np.float32]) -> list[Note]:
        """Takes in a segment [C, W]."""
        if len(samples) == 1:
            return []
        self._power += np.square(samples, dtype=np.float64).sum(1)
        self._samples += samples.shape[1]
        if self._samples < WATCH_S * SAMPLE_RATE:
            return []
        limit = DEAD_SHARE * float(np.median(self._power))
        dead = {int(index) for index in np.flatnonzero(self._power < limit)} - self._noted
        self._noted |= dead
        self._power[:] = 0.0
        self._samples = 0
        return [
            Note("microphone", {"channel": index, "problem": "silent"}) for index in sorted(dead)
        ]
