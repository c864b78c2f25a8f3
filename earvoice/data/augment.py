"""Augmentation while training: level, tilt, band limits, noise, room. Labels keep their times."""

from __future__ import annotations

import random

import numpy as np
from pydantic import field_validator

from earvoice.config import Config, Count, Probability
from earvoice.units import SAMPLE_RATE

NOISE_SAMPLES = 10 * SAMPLE_RATE


class AugmentConfig(Config):
    """Probabilities and ranges; every example draws its own."""

    noise: Probability = 0.5
    snr_db: tuple[float, float] = (5.0, 30.0)
    babble: Probability = 0.0
    babble_snr_db: tuple[float, float] = (6.0, 25.0)
    filter: Probability = 0.5
    room: Probability = 0.2
    gain_db: tuple[float, float] = (-12.0, 6.0)
    noises: Count = 64
    noise_seed: int = 1

    @field_validator("snr_db", "babble_snr_db", "gain_db")
    @classmethod
    def _in_order(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if not -200 <= ends[0] <= ends[1] <= 200:
            raise ValueError("the least must not be more than the most, both within 200 dB")
        return ends


class Augment:
    """Applies the configured distortions to one example. Only numpy; a few ms a second of audio.

    strength: 0..1, scales all probabilities (a stage may grow it while training).
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config
        self.strength = 1.0
        generator = np.random.default_rng(config.noise_seed)
        self._noises = [coloured_noise(NOISE_SAMPLES, generator) for _ in range(config.noises)]

    def __call__(self, audio: np.ndarray, heard: int, rng: random.Random) -> np.ndarray:
        """Distorts float32 samples [W], of which the first `heard` are speech.

        Noise covers the rest too in half of the cases: a silent room is not digital silence.
        """
        generator = np.random.default_rng(rng.getrandbits(63))
        config, strength = self.config, self.strength
        level = float(np.sqrt(np.mean(audio[:heard] ** 2) + 1e-12)) if heard else 1e-3
        if rng.random() < config.room * strength:
            audio = _reverberate(audio, generator)
        if rng.random() < config.filter * strength:
            audio = _filter(audio, generator)
        if rng.random() < config.noise * strength:
            snr_db = rng.uniform(*config.snr_db)
            noise = self._noise(len(audio), rng) * np.float32(level * 10 ** (-snr_db / 20))
            if rng.random() < 0.5:
                noise[heard:] = 0.0
            audio = audio + noise
        gain = 10 ** (rng.uniform(*config.gain_db) / 20)
        return np.clip(audio * np.float32(gain), -1.0, 1.0)

    def babble(self, samples: np.ndarray, rng: random.Random) -> None:
        """Mixes other examples of the batch behind some of them, in place. samples [B, W]."""
        batch, length = samples.shape
        clean = samples.copy()
        for row in range(batch):
            if batch < 3 or rng.random() >= self.config.babble * self.strength:
                continue
            voices = [
                np.roll(clean[rng.randrange(batch)], rng.randrange(length))
                for _ in range(rng.randint(2, 5))
            ]
            crowd = np.sum(voices, axis=0, dtype=np.float32)
            level = np.sqrt(np.mean(clean[row] ** 2) + 1e-12) / (np.sqrt(np.mean(crowd**2)) + 1e-9)
            gain = level * 10 ** (-rng.uniform(*self.config.babble_snr_db) / 20)
            samples[row] = np.clip(clean[row] + crowd * np.float32(gain), -1.0, 1.0)

    def _noise(self, count: int, rng: random.Random) -> np.ndarray:
        """A stretch of the prepared noises, starting anywhere, sometimes two mixed."""
        picked = [rng.choice(self._noises) for _ in range(rng.choice((1, 1, 2)))]
        parts = [np.resize(np.roll(n, -rng.randrange(len(n))), count) for n in picked]
        mixed = np.asarray(np.sum(parts, axis=0, dtype=np.float32))
        return mixed / np.float32(len(parts) ** 0.5)


def coloured_noise(count: int, generator: np.random.Generator) -> np.ndarray:
    """Unit-power noise with a random spectral slope, band and slow modulation."""
    spectrum = np.fft.rfft(generator.standard_normal(count).astype(np.float32))
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = np.maximum(hz, 30.0) ** (-generator.uniform(0.0, 1.2))
    if generator.random() < 0.4:
        centre = np.exp(generator.uniform(np.log(200), np.log(5000)))
        shape = shape * np.exp(-0.5 * (np.log2(np.maximum(hz, 1.0) / centre) / 0.8) ** 2)
    noise = np.fft.irfft(spectrum * shape, count)
    if generator.random() < 0.5:
        rate_hz = generator.uniform(1.0, 8.0)
        time_s = np.arange(count) / SAMPLE_RATE
        phase = generator.uniform(0, 2 * np.pi)
        noise = noise * (1 + 0.8 * np.sin(2 * np.pi * rate_hz * time_s + phase))
    return (noise / (np.sqrt(np.mean(noise**2)) + 1e-9)).astype(np.float32)


def _filter(audio: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random smooth equaliser (+-8 dB), sometimes a telephone-like band limit."""
    knots = generator.uniform(-8.0, 8.0, 6)
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    octave = np.log2(np.maximum(hz, 50.0) / 50.0) / np.log2(8000 / 50)
    gain_db = np.interp(octave, np.linspace(0, 1, 6), knots)
    if generator.random() < 0.2:
        low, high = generator.uniform(100, 350), generator.uniform(3200, 7000)
        gain_db = gain_db - 24.0 * ((hz < low) | (hz > high))
    gain = (10 ** (gain_db / 20)).astype(np.float32)
    return np.fft.irfft(np.fft.rfft(audio) * gain, len(audio)).astype(np.float32)


def _reverberate(audio: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A small room: a direct path and an exponentially decaying tail."""
    decay_s = generator.uniform(0.1, 0.5)
    count = int(decay_s * SAMPLE_RATE)
    tail = generator.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
    tail *= generator.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = -(-(len(audio) + count) // 10240) * 10240  # small prime factors: a fast transform
    spectrum = np.fft.rfft(audio, size) * np.fft.rfft(tail.astype(np.float32), size)
    return np.fft.irfft(spectrum, size)[: len(audio)].astype(np.float32)
