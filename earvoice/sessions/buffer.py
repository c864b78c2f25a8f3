"""A session's own audio buffer: packets of any size in, exact segments out."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from earvoice.audio import Audio, Resampler
from earvoice.errors import UsageError
from earvoice.units import SAMPLE_RATE, Samples, Seconds


class SegmentBuffer:
    """Resamples to 16 kHz and cuts into segments of `size` samples, whatever the packets are.

    heard: samples received so far, at 16 kHz. Taking a segment costs what a segment holds, not
    what waits: an hour pushed at once is no slower than an hour in packets.
    """

    def __init__(self, size: Samples) -> None:
        self.size = size
        self.heard: Samples = 0
        self._resampler = Resampler()
        self._packets: deque[NDArray[np.float32]] = deque()
        self._waiting: Samples = 0
        self._silence: Samples = 0

    @property
    def waiting_s(self) -> Seconds:
        """Seconds that wait."""
        return self._waiting / SAMPLE_RATE

    @property
    def has_segment(self) -> bool:
        """Whether a whole segment waits."""
        return self._waiting >= self.size

    @property
    def pads_next(self) -> bool:
        """Whether silence that nobody said fills the next segment, or some of it."""
        return self._waiting - self._silence < self.size

    def push(self, audio: Audio) -> None:
        """Adds audio. Raises: AudioError when its format changes."""
        self._add(self._resampler.push(audio))

    def finish(self) -> int:
        """Pads what waits to whole segments with silence; returns how many wait then."""
        self._add(self._resampler.flush())
        segments = -(-self._waiting // self.size)
        self._add_silence(segments * self.size - self._waiting)
        return segments

    def add_silence(self, segments: int) -> None:
        """Whole segments of silence, which nobody said and `heard` does not count."""
        for _ in range(segments):
            self._add_silence(self.size)

    def save(self) -> NDArray[np.float32]:
        """The samples that wait; `heard` and these are all there is. Shapes: float32 [W].

        Raises: UsageError for audio that is resampled, whose filter history cannot be saved.
        """
        if not self._resampler.passes_through:
            raise UsageError("only a session that hears 16 kHz can be saved")
        return np.concatenate([np.zeros(0, np.float32), *self._packets])

    def restore(self, heard: Samples, samples: NDArray[np.float32]) -> None:
        """Makes an empty buffer what a saved one was. Shapes: `samples` float32 [W]."""
        self.heard = heard
        self._append(samples)

    def take(self) -> NDArray[np.float32]:
        """The next whole segment. Shapes: float32 [size]."""
        parts, missing = [], self.size
        while missing:
            packet = self._packets.popleft()
            if packet.size > missing:
                self._packets.appendleft(packet[missing:])
                packet = packet[:missing]
            parts.append(packet)
            missing -= packet.size
        self._waiting -= self.size
        return np.concatenate(parts)

    def _add(self, samples: NDArray[np.float32]) -> None:
        self.heard += samples.size
        self._append(samples.copy())  # whoever recorded them may fill the same array again

    def _add_silence(self, count: Samples) -> None:
        self._silence += count
        self._append(np.zeros(count, dtype=np.float32))

    def _append(self, samples: NDArray[np.float32]) -> None:
        if samples.size:
            self._packets.append(samples)
            self._waiting += samples.size
