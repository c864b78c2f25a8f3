"""Beamformer design: one set of weights per look direction, from how sound reaches the microphones.

Per frequency f and look direction with transfer vector g [C] (JSTAR's front-end after AGADIR 2.1):

    minimise   h^H R h      R = diffuse coherence + soft nulls  sum_n alpha g_n g_n^H
    such that  h^H g = 1    and   |h|^2 <= C / |g|^2

The second bound is a floor for the white noise gain: without it the filter would amplify the
microphones' own noise at low frequencies. The optimum is MVDR with diagonal loading,
h = (R + mu I)^-1 g / (g^H (R + mu I)^-1 g), with mu = 0 where the bound holds, else the mu at which
it holds with equality, found by bisection. |h|^2 falls with mu to 1 / |g|^2, so one always exists.

g is measured data of the user's (`models.steering`), or free-field sound: plane waves from
`DIRECTIONS` azimuths, and a spherical wave from the mouth. All of it relative to the reference
microphone, so a beam gives its source as that microphone would hear it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.arrays import SPEED_OF_SOUND_M_S, MicrophoneArray
from earvoice.units import SAMPLE_RATE

Complex = NDArray[np.complex128]
Float64 = NDArray[np.float64]

DIRECTIONS = 12
N_FFT = 512
_ROUNDS = 60


@dataclass(frozen=True)
class Steering:
    """How sound reaches the microphones.

    transfer [K, F, C] complex, F = N_FFT / 2 + 1 frequencies from 0 to 8 kHz; source K - 1 is the
    wearer's mouth. Relative to the reference microphone.
    """

    transfer: Complex

    @property
    def beams(self) -> int:
        """Look directions, the mouth included."""
        return int(self.transfer.shape[0])

    @property
    def channels(self) -> int:
        """Microphones."""
        return int(self.transfer.shape[2])


def frequencies_hz() -> Float64:
    """Of the design, [F]."""
    return np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)


def free_field(array: MicrophoneArray, directions: int = DIRECTIONS) -> Steering:
    """Sound in free space: plane waves from uniform azimuths, and the mouth as a point.

    Azimuth 0 is where the wearer looks; they go round to the left. Microphones nearer to the mouth
    hear it louder.
    """
    places = array.positions()
    wave_number = 2.0 * np.pi * frequencies_hz() / SPEED_OF_SOUND_M_S
    azimuths = 2.0 * np.pi * np.arange(directions) / directions
    towards = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(directions)], axis=1)
    ahead_m = (places - places[array.reference]) @ towards.T  # [C, K]
    plane = np.exp(1j * wave_number[None, :, None] * ahead_m.T[:, None, :])
    reach_m = np.linalg.norm(places - np.array(array.mouth_m), axis=1)
    near = reach_m[array.reference] / reach_m
    further_m = reach_m - reach_m[array.reference]
    mouth = near * np.exp(-1j * wave_number[:, None] * further_m)
    return Steering(np.concatenate([plane, mouth[None]]))


def diffuse_coherence(array: MicrophoneArray) -> Float64:
    """Of sound from everywhere, [F, C, C]."""
    hertz = frequencies_hz()[:, None, None]
    return np.sinc(2.0 * hertz * array.distances() / SPEED_OF_SOUND_M_S)


def minimum_variance(covariance: Complex, look: Complex) -> Complex:
    """The weights h [F, C] for covariances [F, C, C] and look vectors g [F, C] (see the module).

    With the eigenvectors of R and p = |u^H g|^2, both g^H (R + mu)^-1 g and |h|^2 are sums over
    eigenvalues, so a round of the bisection costs nothing.
    """
    values, vectors = np.linalg.eigh(covariance)
    # Below this the covariance is rank deficient to working precision: loading by rounding only.
    values = np.maximum(values, 1e-12 * values[:, -1:])
    projected = np.einsum("fci,fc->fi", vectors.conj(), look)
    power = np.abs(projected) ** 2
    bound = look.shape[1] / power.sum(axis=1)

    def norm(loading: Float64) -> Float64:
        weight = values + loading[:, None]
        total: Float64 = (power / weight**2).sum(1) / (power / weight).sum(1) ** 2
        return total

    low = np.full(len(values), -16.0)
    high = np.full(len(values), 6.0)
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        loud = norm(10.0**middle) > bound
        low, high = np.where(loud, middle, low), np.where(loud, high, middle)
    loading = np.where(norm(np.zeros(len(values))) <= bound, 0.0, 10.0**high)
    weight = values + loading[:, None]
    scale = (power / weight).sum(axis=1, keepdims=True)
    weights: Complex = np.einsum("fci,fi->fc", vectors, projected / weight) / scale
    return weights


def design(steering: Steering, coherence: Float64, mouth_null: float = 0.0) -> Complex:
    """Weights of every beam, [K, F, C].

    mouth_null: alpha of the wearer's mouth in all other beams; 0 is noise from everywhere only.
    """
    mouth = steering.transfer[-1]
    spread = mouth_null * mouth[:, :, None] * mouth[:, None, :].conj()
    beams = []
    for index in range(steering.beams):
        is_mouth = index == steering.beams - 1
        covariance = coherence + (0.0 if is_mouth else 1.0) * spread
        beams.append(minimum_variance(covariance, steering.transfer[index]))
    return np.stack(beams)


def to_filters(weights: Complex, taps: int) -> NDArray[np.float32]:
    """Real causal FIR filters [K, C, taps]; the beam is sum_c (filter_c * x_c).

    They delay by (taps - 1) / 2 samples.

    Raises: ValueError for an even number of taps or more than the design has.
    """
    if taps % 2 == 0 or not 3 <= taps < N_FFT:
        raise ValueError(f"taps is {taps}, it must be odd and in 3 .. {N_FFT - 1}")
    impulse = np.fft.irfft(weights.conj(), N_FFT, axis=1)  # y = h^H x
    half = taps // 2
    centred = np.roll(impulse, half, axis=1)[:, :taps]
    window = 0.5 + 0.5 * np.cos(np.pi * np.arange(-half, half + 1) / (half + 1))
    return np.ascontiguousarray((centred * window[None, :, None]).swapaxes(1, 2), dtype=np.float32)


def filters_for(
    array: MicrophoneArray,
    taps: int,
    steering: Steering | None = None,
    *,
    directions: int = DIRECTIONS,
    mouth_null: float = 0.0,
) -> NDArray[np.float32]:
    """FIR filters [beams, C, taps] of an array; `steering` replaces free-field sound."""
    found = steering or free_field(array, directions)
    return to_filters(design(found, diffuse_coherence(array), mouth_null), taps)
