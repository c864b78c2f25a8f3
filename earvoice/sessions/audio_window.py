"""The audio that a window session looks at, and where one window ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earvoice.units import SAMPLE_RATE, Samples

FRAME: Samples = SAMPLE_RATE // 50
QUIET_FRAMES = 10
"""A window is cut in the middle of the quietest 0.2 s of its newest segment."""
PAUSE_LEVEL = 0.1
"""A pause is that much quieter than the window, in amplitude (-20 dB)."""


class AudioWindow:
    """At most `most` segments of audio, and no more memory than that.

        segments   1   2   3   4   5   6            most = 6, pause_after = 3
        speech     ~~~ ~~~ ~~~ ~~~ ~ ~ ~~~
        cut                         ^               in the first pause from segment 3 on,
                                                    else at the quietest place of segment 6

    What follows the cut begins the next window; no word heard so far is given twice, because
    nothing was written yet that came after the cut.
    """

    def __init__(self, segment: Samples, most: int, pause_after: int) -> None:
        self._segment, self._pause_after = segment, pause_after
        self._buffer = np.zeros(most * segment, dtype=np.float32)
        self.start: Samples = 0
        self.size: Samples = 0

    @property
    def segments(self) -> int:
        """Segments heard, begun ones counted whole."""
        return -(-self.size // self._segment)

    def add(self, samples: NDArray[np.float32]) -> None:
        """One more segment."""
        self._buffer[self.size : self.size + samples.size] = samples
        self.size += samples.size

    def end_at(self, heard: Samples) -> None:
        """Forgets the silence that pads a stream behind its `heard` samples."""
        self.size = min(self.size, max(0, heard - self.start))

    def samples(self, end: Samples) -> NDArray[np.float32]:
        """A copy of the audio before `end`. Shapes: float32 [end]."""
        return self._buffer[:end].copy()

    def cut(self) -> Samples | None:
        """Where this window ends; None while it goes on."""
        full = self.size + self._segment > self._buffer.size
        if not full and self.size < self._pause_after * self._segment:
            return None
        newest = max(0, self.size - self._segment)
        place, energy = _quietest(self._buffer[newest : self.size])
        loud = float(np.square(self._buffer[: self.size]).mean())
        return newest + place if full or energy < loud * PAUSE_LEVEL**2 else None

    def drop(self, count: Samples) -> None:
        """Forgets the first `count` samples."""
        rest = self._buffer[count : self.size].copy()
        self._buffer[: rest.size] = rest
        self.start, self.size = self.start + count, rest.size


def _quietest(samples: NDArray[np.float32]) -> tuple[Samples, float]:
    """The middle of the quietest stretch, and its mean energy."""
    frames = max(1, samples.size // FRAME)
    width = samples.size // frames
    energies = np.square(samples[: frames * width]).reshape(frames, width).mean(axis=1)
    stretch = min(QUIET_FRAMES, frames)
    means = np.convolve(energies, np.full(stretch, 1 / stretch), mode="valid")
    first = int(means.argmin())
    return max(1, first * width + stretch * width // 2), float(means[first])
