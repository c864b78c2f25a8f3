"""Where a speaker pauses: what tells a window where to end.

    segment   ~~~~~~~~~~~~~.......~~~~~~         ~ speech, . at least 0.2 s without
    pause                     ^                  its middle

`energy` needs nothing and knows loudness only; `webrtc` is WebRTC's voice activity detector, which
also tells speech from steady noise (extra `vad`); `fixed` finds none, so every window is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from earvoice.errors import UsageError
from earvoice.units import SAMPLE_RATE, Samples

FRAME: Samples = SAMPLE_RATE // 50
"""20 ms, a length that WebRTC's detector takes."""
QUIET_FRAMES = 10
"""Frames that a pause has at least."""
PAUSE_LEVEL = 0.1
"""A pause is that much quieter than the window, in amplitude (-20 dB)."""
AGGRESSIVENESS = 2
"""Of WebRTC's detector, 0 to 3: how readily it says that there is no speech."""

PauseKind: TypeAlias = Literal["energy", "webrtc", "fixed"]


class PauseFinder(Protocol):
    """Listens to one stream, segment by segment."""

    def hear(self, segment: NDArray[np.float32], before: NDArray[np.float32]) -> Samples | None:
        """The middle of a pause in the newest segment, None if there is none.

        Shapes: float32 [W] each; before: what the window holds in front of the segment.
        """
        ...


class EnergyPauses:
    """A pause is 0.2 s far quieter than the window on the whole."""

    def hear(self, segment: NDArray[np.float32], before: NDArray[np.float32]) -> Samples | None:
        """See `PauseFinder`."""
        place, energy = quietest(segment)
        total = float(np.square(before).sum()) + float(np.square(segment).sum())
        loud = total / max(1, before.size + segment.size)
        return place if energy < loud * PAUSE_LEVEL**2 else None


class WebRtcPauses:
    """A pause is the longest stretch of 0.2 s and more in which nobody speaks.

    State: the detector's model of the noise, which goes on from segment to segment.
    Raises: UsageError where the package is missing.
    """

    def __init__(self) -> None:
        try:
            import webrtcvad
        except ImportError:
            raise UsageError(
                "pauses by webrtc need webrtcvad, which is not installed: install the extra `vad`, "
                "or take pauses: energy"
            ) from None
        self._detector: Any = webrtcvad.Vad(AGGRESSIVENESS)

    def hear(self, segment: NDArray[np.float32], before: NDArray[np.float32]) -> Samples | None:
        """See `PauseFinder`."""
        pcm = (segment.clip(-1.0, 1.0) * 32767).astype("<i2")
        whole = range(0, pcm.size - FRAME + 1, FRAME)
        spoken = [
            self._detector.is_speech(pcm[at : at + FRAME].tobytes(), SAMPLE_RATE) for at in whole
        ]
        best, start = (0, 0), 0
        for index, speech in enumerate([*spoken, True]):
            if speech:
                best = max(best, (index - start, start))
                start = index + 1
        count, first = best
        return first * FRAME + count * FRAME // 2 if count >= QUIET_FRAMES else None


class NoPauses:
    """Finds none."""

    def hear(self, segment: NDArray[np.float32], before: NDArray[np.float32]) -> Samples | None:
        """None."""
        return None


def pause_finder(kind: PauseKind) -> Callable[[], PauseFinder]:
    """What makes the finder of a stream."""
    if kind == "webrtc":
        return WebRtcPauses
    return EnergyPauses if kind == "energy" else NoPauses


def quietest(samples: NDArray[np.float32]) -> tuple[Samples, float]:
    """The middle of the quietest 0.2 s, and its mean energy. Shapes: float32 [W], W > 0."""
    frames = max(1, samples.size // FRAME)
    width = samples.size // frames
    energies = np.square(samples[: frames * width]).reshape(frames, width).mean(axis=1)
    stretch = min(QUIET_FRAMES, frames)
    means = np.convolve(energies, np.full(stretch, 1 / stretch), mode="valid")
    first = int(means.argmin())
    return max(1, first * width + stretch * width // 2), float(means[first])
