"""A session's audio buffer with its microphones kept apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earvoice.audio import Audio
from earvoice.audio.arrays import MicrophoneArray, check_array_channels
from earvoice.audio.microphones import check_microphones, silent_channels
from earvoice.events import Note
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.units import SAMPLE_RATE, Samples, Seconds

Fault = tuple[str, tuple[int, ...]]
"""What is wrong, and with which channels."""
WATCH_S: Seconds = 2.0
"""Seconds over which power is compared."""
CHECK_S: Seconds = 4.0
"""Seconds in which unrelated and exchanged microphones are looked for, first at the start."""
MOST_PAUSE_S: Seconds = 60.0
"""The longest time between two such looks."""


class ChannelBuffer:
    """Exact segments of every microphone, from packets of any size and rate.

    One microphone: channels are mixed down. Several: the audio must have exactly as many.
    """

    def __init__(self, size: Samples, array: MicrophoneArray) -> None:
        self.array = array
        self._buffers = [SegmentBuffer(size) for _ in range(array.channels)]
        self._watch = MicrophoneWatch(array)

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
    """Notices silent, unrelated and exchanged microphones. Notes each fault once.

    Silence is looked for every 2 s. The rest takes some computing and is looked for in 4 s of
    sound, ever more rarely, and has to be found twice in a row: a recording has one array, and a
    shout from an odd place is no fault.
    """

    def __init__(self, array: MicrophoneArray) -> None:
        self._array = array
        self._power = np.zeros(array.channels)
        self._samples: Samples = 0
        self._noted: set[Fault] = set()
        self._suspected: set[Fault] = set()
        self._held: list[NDArray[np.float32]] = []
        self._held_samples: Samples = 0
        self._rest: Samples = 0
        self._pause_s: Seconds = CHECK_S

    def hear(self, samples: NDArray[np.float32]) -> list[Note]:
        """Takes in a segment [C, W]."""
        if self._array.channels == 1:
            return []
        return self._notes([*self._silent(samples), *self._odd(samples)])

    def _silent(self, samples: NDArray[np.float32]) -> set[Fault]:
        self._power += np.square(samples, dtype=np.float64).sum(1)
        self._samples += samples.shape[1]
        if self._samples < WATCH_S * SAMPLE_RATE:
            return set()
        found: set[Fault] = {("silent", (channel,)) for channel in silent_channels(self._power)}
        self._power[:] = 0.0
        self._samples = 0
        return found

    def _odd(self, samples: NDArray[np.float32]) -> set[Fault]:
        if self._rest > 0:
            self._rest -= samples.shape[1]
            return set()
        self._held.append(samples)
        self._held_samples += samples.shape[1]
        if self._held_samples < CHECK_S * SAMPLE_RATE:
            return set()
        problems = check_microphones(np.concatenate(self._held, axis=1), self._array)
        self._held, self._held_samples = [], 0
        found: set[Fault] = {
            (item.problem, item.channels) for item in problems if item.problem != "silent"
        }
        sure, self._suspected = found & self._suspected, found
        if not found - self._noted:  # what is suspected is looked at again at once
            self._rest = round(self._pause_s * SAMPLE_RATE)
            self._pause_s = min(2 * self._pause_s, MOST_PAUSE_S)
        return sure

    def _notes(self, faults: Sequence[Fault]) -> list[Note]:
        new = sorted(set(faults) - self._noted)
        self._noted |= set(new)
        return [Note("microphone", {"problem": p, "channels": list(c)}) for p, c in new]
