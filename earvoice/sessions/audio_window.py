"""The audio that a window session looks at, and where one window ends and the next begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.pauses import EnergyPauses, NoPauses, PauseFinder, quietest
from earvoice.errors import UsageError
from earvoice.units import Samples


class AudioWindow:
    """At most `most` segments of audio, and no more memory than that.

        segments   1   2   3   4   5   6            most = 6, pause_after = 3
        speech     ~~~ ~~~ ~~~ ~~~ ~ ~ ~~~
        cut                         ^               in the first pause from segment 3 on,
                                                    else at the quietest place of segment 6

    What follows the cut begins the next window; no word heard so far is given twice, because
    nothing was written yet that came after the cut.
    """

    def __init__(self, segment: Samples, most: int, pause_after: int, pauses: PauseFinder) -> None:
        self._segment, self._pause_after = segment, pause_after
        self._buffer = np.zeros(most * segment, dtype=np.float32)
        self._pauses = pauses
        self._pause: Samples | None = None
        self.start: Samples = 0
        self.size: Samples = 0

    @property
    def segments(self) -> int:
        """Segments heard, begun ones counted whole."""
        return -(-self.size // self._segment)

    def add(self, samples: NDArray[np.float32]) -> None:
        """One more segment."""
        pause = self._pauses.hear(samples, self._buffer[: self.size])
        self._pause = None if pause is None else self.size + pause
        self._buffer[self.size : self.size + samples.size] = samples
        self.size += samples.size

    def end_at(self, heard: Samples) -> None:
        """Forgets the silence that pads a stream behind its `heard` samples."""
        self.size = min(self.size, max(0, heard - self.start))

    def save(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The audio, and where it stands, for JSON. Shapes: float32 [size].

        Raises: UsageError for a finder of pauses that remembers what it heard.
        """
        if not isinstance(self._pauses, EnergyPauses | NoPauses):
            kind = type(self._pauses).__name__
            raise UsageError(f"a session whose pauses are found by {kind} cannot be saved")
        return self._buffer[: self.size].copy(), {"start": self.start, "pause": self._pause}

    def restore(self, samples: NDArray[np.float32], place: Mapping[str, Any]) -> None:
        """Makes an empty window what a saved one was. Raises: KeyError, ValueError."""
        if samples.ndim != 1 or samples.size > self._buffer.size:
            raise ValueError(f"{samples.shape} samples in a window of {self._buffer.size}")
        self._buffer[: samples.size] = samples
        self.size, self.start, self._pause = samples.size, int(place["start"]), place["pause"]

    def samples(self, end: Samples) -> NDArray[np.float32]:
        """A copy of the audio before `end`. Shapes: float32 [end]."""
        return self._buffer[:end].copy()

    def cut(self) -> Samples | None:
        """Where this window ends; None while it goes on."""
        full = self.size + self._segment > self._buffer.size
        if not full and self.size < self._pause_after * self._segment:
            return None
        if self._pause is not None or not full:
            return self._pause
        newest = max(0, self.size - self._segment)
        return newest + quietest(self._buffer[newest : self.size])[0]

    def drop(self, count: Samples) -> None:
        """Forgets the first `count` samples."""
        rest = self._buffer[count : self.size].copy()
        self._buffer[: rest.size] = rest
        self.start, self.size, self._pause = self.start + count, rest.size, None
