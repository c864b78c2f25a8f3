"""What the beams gain: signal to noise against the best single microphone, in simulated rooms.

A mouth and diffuse noise are heard through the same rooms apart from one another, and each goes
through the beams apart: they are linear, so the ratio of the two powers is the SNR, at any level.
Talker and noise have the spectrum of speech; noise with other spectra is reported beside it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earvoice.audio.signal import Float32
from earvoice.bench.live import Progress, silent_progress
from earvoice.bench.machine import describe
from earvoice.data.synth import acoustics, rooms
from earvoice.models.beams import DIRECTIONS
from earvoice.models.frontend import Beams, Frontend, FrontendConfig
from earvoice.models.steering import read_filters
from earvoice.units import SAMPLE_RATE, Seconds

BANDS_HZ = ((500, 3000), (500, 1000), (1000, 2000), (2000, 3000), (100, 500), (3000, 7000))
NOISES = ("speech-shaped", "pink", "white")
_MOUTH = -1

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class MicrophoneSettings:
    """rooms: how many. seconds: of noise in each. steering: a file instead of free-field sound."""

    rooms: int = 10
    seconds: Seconds = 4.0
    seed: int = 1
    steering: Path | None = None


def run(settings: MicrophoneSettings, progress: Progress = silent_progress) -> dict[str, Any]:
    """Measures; the keys of `earvoice bench microphones --json`. Gains in dB."""
    config = FrontendConfig()
    array = config.geometry
    filters = None
    if settings.steering is not None:
        filters = read_filters(settings.steering, array, config.beams, config.taps)
    frontend = Frontend(config, filters).eval()
    beams = frontend.chain.members[0]
    assert isinstance(beams, Beams)
    gains: dict[str, list[list[float]]] = {name: [] for name in ("wearer", "partner", *NOISES)}
    for number in range(settings.rooms):
        progress(f"room {number + 1} of {settings.rooms}")
        rng = np.random.default_rng([settings.seed, number])
        scene = rooms.simulate(rng, array)
        length = round(settings.seconds * SAMPLE_RATE)
        talker = acoustics.noise("speech-shaped", length, rng)
        wearer = rooms.through(talker, scene.mouth)
        partner = rooms.through(talker, scene.partners[0])
        towards = round(scene.azimuths[0] / (360 / DIRECTIONS)) % DIRECTIONS
        for kind in NOISES:
            noise = rooms.diffuse_noise(kind, length, array, rng)
            gains[kind].append(_gains(beams, wearer, noise, _MOUTH))
            if kind == NOISES[0]:
                gains["wearer"].append(gains[kind][-1])
                gains["partner"].append(_gains(beams, partner, noise, towards))
    rows = [
        {
            "band_hz": f"{low}-{high}",
            **{f"{name}_db": _mean(values, band) for name, values in gains.items()
               if name != NOISES[0]},
        }
        for band, (low, high) in enumerate(BANDS_HZ)
    ]  # fmt: skip
    worst = min(values[0] for values in gains["wearer"])
    return {
        "benchmark": "microphones",
        **describe(),
        "rooms": settings.rooms,
        "seed": settings.seed,
        "steering": settings.steering.name if settings.steering else "free field",
        "wearer_gain_500_3000_db": _mean(gains["wearer"], 0),
        "wearer_gain_worst_room_db": round(worst, 2),
        "partner_gain_500_3000_db": _mean(gains["partner"], 0),
        "frontend_rtf": _cost(frontend),
        "bands": rows,
    }


def _gains(beams: Beams, speech: Float32, noise: Float32, beam: int) -> list[float]:
    """Of one beam over the best microphone, per band."""
    heard = [_powers(samples) for samples in (speech, noise)]
    formed = [_powers(_beamed(beams, samples)[[beam]]) for samples in (speech, noise)]
    single = (heard[0] / heard[1]).max(axis=0)
    return [float(gain) for gain in 10.0 * np.log10((formed[0] / formed[1])[0] / single)]


def _beamed(beams: Beams, samples: Float32) -> Float32:
    with torch.inference_mode():
        found: Float32 = beams(torch.from_numpy(samples.T.copy())[None])[0].T.numpy()
    return found


def _powers(samples: Float32) -> Float64:
    """Power of each channel in each band, [C, bands]."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    step_hz = SAMPLE_RATE / samples.shape[1]
    return np.stack(
        [spectrum[:, int(low / step_hz) : int(high / step_hz)].sum(1) for low, high in BANDS_HZ],
        axis=1,
    )


def _mean(values: list[list[float]], band: int) -> float:
    return round(float(np.mean([row[band] for row in values])), 2)


def _cost(frontend: Frontend) -> float:
    """CPU seconds a second of sound, live in chunks of 240 ms on one thread."""
    chunk = torch.randn(1, 3840, frontend.config.microphones)
    state = frontend.init_state(1, chunk)
    with torch.inference_mode():
        for _ in range(4):
            frontend(chunk, state)
        begun_s = time.process_time()
        for _ in range(25):
            frontend(chunk, state)
    return round((time.process_time() - begun_s) / (25 * 0.24), 4)
