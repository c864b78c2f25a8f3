"""Is the array whole? Finds silent, unrelated and swapped microphones from what they record.

    silent      at least 40 dB below the median or the second loudest microphone, or 80 dB below
                the loudest
    unrelated   below 400 Hz the microphones of a head hear nearly the same, whatever it is; one
                that goes its own way records its own noise, or another room
    swapped     exchanging two channels makes the sound fit the array much better than as it came

Fit is the share of each short-time spectrum's energy that a single direction explains, the best of
a grid of directions and the mouth, averaged over the loud parts. What mirrors into itself cannot
be seen: with only the wearer speaking, left and right are the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.arrays import SPEED_OF_SOUND_M_S, MicrophoneArray, check_array_channels
from earvoice.audio.signal import Float32
from earvoice.units import SAMPLE_RATE, Seconds

Complex = NDArray[np.complex128]

Problem = Literal["silent", "unrelated", "swapped"]
LEAST_S: Seconds = 2.0
"""Less sound than this says nothing."""
SILENT_DB = -40.0
_FFT = 512
_LOW_HZ = (100.0, 400.0)
_FIT_HZ = (300.0, 2500.0)
_LEAST_COHERENCE = 0.15
_BETTER = 1.08
_MOST_FRAMES = 400
_AZIMUTHS = 24


@dataclass(frozen=True, slots=True)
class MicrophoneProblem:
    """What is wrong with which channels (numbered from 0); `names` are the array's."""

    problem: Problem
    channels: tuple[int, ...]
    names: tuple[str, ...]

    def text(self) -> str:
        """One sentence for people."""
        who = " and ".join(f"{n} (channel {c})" for n, c in zip(self.names, self.channels,
                                                               strict=True))  # fmt: skip
        says = {
            "silent": "the microphone {} gives no sound",
            "unrelated": "the microphone {} hears something else than the others",
            "swapped": "the microphones {} seem to be exchanged",
        }
        return says[self.problem].format(who)


def check_microphones(samples: Float32, array: MicrophoneArray) -> list[MicrophoneProblem]:
    """What is wrong with the microphones in a few seconds of sound [C, W] at 16 kHz.

    Empty for less than `LEAST_S`, for silence and for one microphone. Errors: `AudioError` for
    another number of channels than the array's.
    """
    check_array_channels(samples.shape[0], array)
    if array.channels < 2 or samples.shape[1] < LEAST_S * SAMPLE_RATE:
        return []
    powers = np.square(samples, dtype=np.float64).mean(axis=1)
    if float(powers.max()) < 1e-12:
        return []
    silent = silent_channels(powers)
    found = [_problem("silent", (channel,), array) for channel in silent]
    working = [channel for channel in range(array.channels) if channel not in silent]
    spectra = _loud_spectra(samples)
    stray = _unrelated(spectra, working)
    found += [_problem("unrelated", (channel,), array) for channel in stray]
    if not found and array.channels > 2:
        pair = _swapped(spectra, array)
        found += [_problem("swapped", pair, array)] if pair else []
    return found


def silent_channels(powers: NDArray[np.float64]) -> list[int]:
    """The channels that give nothing while others do. powers [C]: of the same stretch.

    Compared with the second loudest too, because most may be dead, and one may be loud because it
    is broken; with the loudest alone only where there is next to nothing.
    """
    loudest = np.sort(powers)[::-1][:2]
    share = 10 ** (SILENT_DB / 10)
    heard = max(float(np.median(powers)), float(loudest[-1]), float(loudest[0]) * share)
    limit = heard * share
    return [int(channel) for channel in np.flatnonzero(powers < limit)]


def _problem(kind: Problem, channels: tuple[int, ...], array: MicrophoneArray) -> MicrophoneProblem:
    return MicrophoneProblem(kind, channels, tuple(array.microphones[c] for c in channels))


def _loud_spectra(samples: Float32) -> Complex:
    """Spectra of the loudest 32 ms frames, [N, F, C]."""
    count = (samples.shape[1] - _FFT) // (_FFT // 2) + 1
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT, axis=1)[:, :: _FFT // 2]
    level = np.square(frames, dtype=np.float64).mean(axis=(0, 2))
    loudest = np.sort(np.argsort(level)[-min(_MOST_FRAMES, max(1, count // 2)) :])
    spectra: Complex = np.fft.rfft(frames[:, loudest] * np.hanning(_FFT), axis=2)
    return spectra.transpose(1, 2, 0)


def _bins(low_hz: float, high_hz: float) -> slice:
    step_hz = SAMPLE_RATE / _FFT
    return slice(int(np.ceil(low_hz / step_hz)), int(high_hz / step_hz) + 1)


def _unrelated(spectra: Complex, working: list[int]) -> list[int]:
    """Channels whose coherence with every other working one is low at low frequencies."""
    low = spectra[:, _bins(*_LOW_HZ)]
    cross = np.einsum("nfc,nfd->fcd", low, low.conj())
    power = np.einsum("fcc->fc", cross).real
    coherence = np.abs(cross) ** 2 / np.maximum(power[:, :, None] * power[:, None, :], 1e-30)
    mean = coherence.mean(axis=0)
    np.fill_diagonal(mean, 0.0)
    best = {c: max((mean[c, d] for d in working if d != c), default=1.0) for c in working}
    related = [channel for channel in working if best[channel] >= _LEAST_COHERENCE]
    # Where nobody is related the sound is to blame (wind), not one microphone.
    return [c for c in working if c not in related] if len(related) >= 2 else []


def _swapped(spectra: Complex, array: MicrophoneArray) -> tuple[int, int] | None:
    """The pair whose exchange fits best, if it fits much better than the order as it came."""
    bins = _bins(*_FIT_HZ)
    band = spectra[:, bins]
    looks = _looks(array, np.fft.rfftfreq(_FFT, 1.0 / SAMPLE_RATE)[bins].astype(np.float64))
    as_it_came = _fit(band, looks)
    fits = {}
    for pair in itertools.combinations(range(array.channels), 2):
        order = list(range(array.channels))
        order[pair[0]], order[pair[1]] = pair[1], pair[0]
        fits[pair] = _fit(band[:, :, order], looks)
    best = max(fits, key=lambda pair: fits[pair])
    return best if fits[best] > _BETTER * as_it_came else None


def _looks(array: MicrophoneArray, hertz: NDArray[np.float64]) -> Complex:
    """Unit vectors of sound from all round and from the mouth, [K, F, C]."""
    places = array.positions()
    azimuths = 2.0 * np.pi * np.arange(_AZIMUTHS) / _AZIMUTHS
    towards = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(_AZIMUTHS)], axis=1)
    wave_number = 2.0 * np.pi * hertz / SPEED_OF_SOUND_M_S
    plane = np.exp(1j * wave_number[None, :, None] * (towards @ places.T)[:, None, :])
    reach_m = np.linalg.norm(places - np.array(array.mouth_m), axis=1)
    mouth = np.exp(-1j * wave_number[:, None] * reach_m) / reach_m
    looks = np.concatenate([plane, mouth[None]])
    unit: Complex = looks / np.linalg.norm(looks, axis=2, keepdims=True)
    return unit


def _fit(spectra: Complex, looks: Complex) -> float:
    """Mean share of the energy that the best single direction explains, per frame; 0 .. 1."""
    energy = np.maximum((np.abs(spectra) ** 2).sum(axis=2), 1e-30)
    along = np.abs(np.einsum("kfc,nfc->nkf", looks.conj(), spectra)) ** 2
    shares = (along / energy[:, None, :]).mean(axis=2)
    return float(shares.max(axis=1).mean())
