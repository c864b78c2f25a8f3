"""The audio value that every session takes, and the one clock that counts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Samples, Seconds

Float32 = NDArray[np.float32]

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 384_000
MAX_CHANNELS = 64
FULL_SCALE_LIMIT = 16.0
"""24 dB over full scale: codecs overshoot 1.0 a little, unscaled integers overshoot this."""


@dataclass(frozen=True, eq=False)
class Audio:
    """A stretch of audio, checked when it is made.

    Shapes: `samples` float32 [C, W], full scale 1.0; W may be 0, C is 1 to 64.
    `rate_hz`: samples a second, 4000 to 384000.
    Errors: `AudioError` for another type, shape or rate, and for NaN, infinity or values far
    beyond full scale, naming the time of the first bad sample.
    """

    samples: Float32
    rate_hz: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        check_rate(self.rate_hz)
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
            kind = getattr(samples, "dtype", type(samples).__name__)
            raise AudioError(f"samples are {kind}, they must be a float32 array")
        if samples.ndim != 2:
            raise AudioError(
                f"samples have shape {list(samples.shape)}, it must be [channels, samples]; "
                "Audio.of takes one channel without the first axis"
            )
        check_channels(samples.shape[0])
        check_samples(samples, self.rate_hz)

    @classmethod
    def of(cls, samples: Float32, rate_hz: int = SAMPLE_RATE) -> Audio:
        """One channel of audio. Shapes: `samples` float32 [W]."""
        return cls(samples[np.newaxis, :], rate_hz)

    @classmethod
    def from_pcm16(cls, data: bytes, rate_hz: int = SAMPLE_RATE, channels: int = 1) -> Audio:
        """Audio of interleaved signed 16-bit little-endian PCM, whole frames only."""
        check_channels(channels)
        if len(data) % (2 * channels):
            raise AudioError(
                f"{len(data)} bytes of PCM are not whole frames of {channels} x 16 bits"
            )
        values = np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)
        return cls(np.ascontiguousarray(values.reshape(-1, channels).T), rate_hz)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> Samples:
        """Samples per channel, at `rate_hz`."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return self.n_samples / self.rate_hz

    def mono(self) -> Float32:
        """The mean of the channels. Shapes: float32 [W]."""
        if self.channels == 1:
            return self.samples[0]
        # Channel by channel: `mean` adds up in another order where a packet is one sample wide.
        total: Float32 = self.samples[0].copy()
        for channel in self.samples[1:]:
            total += channel
        total /= np.float32(self.channels)
        return total


@dataclass
class AudioClock:
    """Counts samples received; the only notion of time inside a stream (wall clocks jump).

    `seconds` is exact for any packet sizes because whole samples are added, not durations.
    """

    rate_hz: int = SAMPLE_RATE
    samples: Samples = 0

    def advance(self, n_samples: Samples) -> Seconds:
        """Count `n_samples` more; gives the new time."""
        self.samples += n_samples
        return self.seconds

    @property
    def seconds(self) -> Seconds:
        """Seconds of audio received."""
        return self.samples / self.rate_hz


def check_rate(rate_hz: int) -> None:
    """Refuse a sample rate that no recording has. Errors: `AudioError`."""
    legal = isinstance(rate_hz, int) and not isinstance(rate_hz, bool)
    if not legal or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError(
            f"sample rate is {rate_hz!r}, it must be an integer from {MIN_RATE_HZ} to "
            f"{MAX_RATE_HZ} Hz"
        )


def check_channels(channels: int) -> None:
    """Refuse no channel and too many. Errors: `AudioError`."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"audio has {channels} channels, it must have 1 to {MAX_CHANNELS}")


def check_samples(samples: Float32, rate_hz: int, start_s: Seconds = 0.0) -> None:
    """Refuse values that are no sound, naming the time of the first; `start_s` of sample 0.

    Shapes: `samples` float32 [C, W].
    """
    if not samples.size:
        return
    # One reduction in the usual case: NaN fails every comparison.
    peak = np.abs(samples).max()
    if peak <= FULL_SCALE_LIMIT:
        return
    bad = ~(np.abs(samples) <= FULL_SCALE_LIMIT)
    index = int(np.argmax(bad.any(axis=0)))
    value = float(samples[int(np.argmax(bad[:, index])), index])
    raise AudioError(
        f"the sample at {start_s + index / rate_hz:.4f} s is {value}; it must be a number within "
        f"{FULL_SCALE_LIMIT:g} times full scale (1.0)"
    )
