"""Rooms, noise, equalisers and levels. numpy only; everything random comes from a Generator.

Nothing here moves speech in time (a room's direct path has no delay), so word times stay valid.
Levels are of active speech: the RMS of the 20 ms frames that are within 30 dB of the loud ones,
so pauses do not make a talk "quieter" or its noise "louder".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.signal import Float32
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Samples, Seconds

NOISE_KINDS = ("white", "pink", "brown", "hum", "speech-shaped")

_FRAME = 320
_ACTIVE_DB = 30.0
_PERIOD = 1 << 20
"""Noise repeats after 65 s. It is made by an inverse FFT, so its end joins its beginning."""


def rms(samples: Float32) -> float:
    """Root mean square of [W]; 0 for nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def active_rms(samples: Float32) -> float:
    """RMS of the frames with speech in them (see the module)."""
    frames = len(samples) // _FRAME
    if frames == 0:
        return rms(samples)
    squares = np.square(samples[: frames * _FRAME], dtype=np.float64)
    powers = squares.reshape(frames, _FRAME).mean(axis=1)
    loud = np.quantile(powers, 0.95)
    active = powers[powers >= loud * 10 ** (-_ACTIVE_DB / 10)]
    return float(np.sqrt(active.mean())) if len(active) else 0.0


def set_level(samples: Float32, level_db: float, peak: float = 0.97) -> Float32:
    """Scaled so that active speech has `level_db` dBFS, or less where a peak would clip."""
    present = active_rms(samples)
    if present == 0.0:
        return samples
    gain = 10 ** (level_db / 20) / present
    top = float(np.abs(samples).max())
    return samples * np.float32(min(gain, peak / top))


def noise(kind: str, length: Samples, rng: np.random.Generator) -> Float32:
    """Stationary noise [W] with RMS 1: spectra 1/f (pink), 1/f^2 (brown), mains hum, or speech's.

    "speech-shaped" falls by 9 dB per octave above 500 Hz like the long-term spectrum of speech,
    and swells at 2 to 6 Hz like syllables.
    """
    spectrum = rng.standard_normal(_PERIOD // 2 + 1) + 1j * rng.standard_normal(_PERIOD // 2 + 1)
    hertz = np.maximum(np.fft.rfftfreq(_PERIOD, 1 / SAMPLE_RATE), 20.0)
    if kind == "white":
        shape = np.ones_like(hertz)
    elif kind == "pink":
        shape = hertz**-0.5
    elif kind == "brown":
        shape = hertz**-1.0
    elif kind == "hum":
        shape = _hum_shape(hertz, float(rng.choice((50.0, 60.0))))
    elif kind == "speech-shaped":
        shape = np.where(hertz < 500.0, 1.0, (hertz / 500.0) ** -1.5) * (hertz > 80.0)
    else:
        raise AudioError(f"noise kind {kind!r} does not exist; there are {', '.join(NOISE_KINDS)}")
    wave = np.fft.irfft(spectrum * shape, _PERIOD)
    if kind == "speech-shaped":
        cycles = round(float(rng.uniform(2.0, 6.0)) * _PERIOD / SAMPLE_RATE)
        wave *= 1.0 + 0.7 * np.sin(2 * np.pi * cycles * np.arange(_PERIOD) / _PERIOD)
    wave /= np.sqrt(np.mean(wave**2))
    start = int(rng.integers(_PERIOD))
    return np.resize(np.roll(wave, -start), length).astype(np.float32)


def _hum_shape(hertz: NDArray[np.float64], mains_hz: float) -> NDArray[np.float64]:
    """Lines at the mains frequency and its harmonics over a little hiss."""
    harmonic = np.rint(hertz / mains_hz)
    near = np.abs(hertz - harmonic * mains_hz) < 0.15
    lines = np.where(near & (harmonic >= 1) & (harmonic <= 12), 1.0 / np.maximum(harmonic, 1), 0.0)
    return lines + 0.001


def babble(voices: Sequence[Float32], length: Samples, rng: np.random.Generator) -> Float32:
    """Several talkers at once [W], RMS 1: each of `voices` repeated from a random place."""
    if not voices:
        raise AudioError("babble needs at least one voice")
    total = np.zeros(length, dtype=np.float32)
    for voice in voices:
        level = active_rms(voice)
        if level == 0.0:
            continue
        start = int(rng.integers(len(voice)))
        gain = np.float32(10 ** (float(rng.uniform(-3.0, 3.0)) / 20) / level)
        total += np.resize(np.roll(voice, -start), length) * gain
    return total / np.float32(max(rms(total), 1e-9))


def mix_at_snr(speech: Float32, disturbance: Float32, snr_db: float) -> Float32:
    """Speech plus noise [W], the noise `snr_db` below the active speech."""
    level = rms(disturbance)
    if level == 0.0:
        return speech
    gain = active_rms(speech) / level * 10 ** (-snr_db / 20)
    return speech + disturbance * np.float32(gain)


def room_response(rt60_s: Seconds, rng: np.random.Generator, direct_db: float = 6.0) -> Float32:
    """A simple room: direct path at sample 0, six early reflections, a decaying noise tail.

    `rt60_s` is the time in which the tail falls by 60 dB; `direct_db` how far the direct path lies
    above everything else together. Scaled so that the direct path is 1.
    """
    if not 0.05 <= rt60_s <= 2.0:
        raise AudioError(f"the reverberation time is {rt60_s} s, it must be in 0.05 .. 2.0")
    length = int(rt60_s * SAMPLE_RATE)
    time_s = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * 10 ** (-3.0 * time_s / rt60_s)
    onset = int(0.012 * SAMPLE_RATE)
    tail[:onset] = 0.0
    for delay_s in rng.uniform(0.002, 0.03, size=6):
        at = int(delay_s * SAMPLE_RATE)
        if at < length:
            tail[at] += float(rng.choice((-1.0, 1.0))) * 4.0 * 10 ** (-3.0 * delay_s / rt60_s)
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolve(samples: Float32, response: Float32) -> Float32:
    """`samples` [W] through a filter [N], cut to W: overlap-add, O(W log N)."""
    taps = len(response)
    size = 1 << max(14, (4 * taps - 1).bit_length())
    block = size - taps + 1
    spectrum = np.fft.rfft(response, size)
    out = np.zeros(len(samples) + size, dtype=np.float32)
    for start in range(0, len(samples), block):
        piece = np.fft.rfft(samples[start : start + block], size)
        out[start : start + size] += np.fft.irfft(piece * spectrum, size).astype(np.float32)
    return out[: len(samples)]


def equalise(
    samples: Float32, tilt_db_per_octave: float = 0.0, low_hz: float = 0.0, high_hz: float = 8000.0
) -> Float32:
    """Tilts the spectrum around 1 kHz and keeps `low_hz` .. `high_hz`; zero phase, same length."""
    taps = 513
    hertz = np.maximum(np.fft.rfftfreq(taps - 1, 1 / SAMPLE_RATE), 1.0)
    gain_db = tilt_db_per_octave * np.clip(np.log2(hertz / 1000.0), -3.0, 3.0)
    inside = 1.0 / (1.0 + (low_hz / hertz) ** 8) / (1.0 + (hertz / max(high_hz, 1.0)) ** 16)
    if high_hz >= SAMPLE_RATE / 2:
        inside = 1.0 / (1.0 + (low_hz / hertz) ** 8)
    impulse = np.fft.irfft(10 ** (gain_db / 20) * inside)
    centred = np.roll(impulse, (taps - 1) // 2) * np.hanning(taps)[: taps - 1]
    delay = (taps - 1) // 2
    padded = np.concatenate((samples, np.zeros(delay, dtype=np.float32)))
    return convolve(padded, centred.astype(np.float32))[delay:]
