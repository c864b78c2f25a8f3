"""Augmentation: the noise is as loud as it says, time stays where it is, draws are repeatable."""

import random

import numpy as np
import pytest

from earvoice.data.augment import NOISE_SAMPLES, Augment, AugmentConfig, coloured_noise

NOTHING = {"noise": 0.0, "filter": 0.0, "room": 0.0, "gain_db": (0.0, 0.0), "noises": 4}


def augment(**changes):
    return Augment(AugmentConfig(**(NOTHING | changes)))


def speech(seconds=10.0, level=0.05, seed=0):
    """Something that is loud and quiet by turns."""
    count = round(seconds * 16000)
    envelope = 0.5 + 0.5 * np.sin(np.arange(count) * 2 * np.pi * 3 / 16000)
    noise = np.random.default_rng(seed).standard_normal(count)
    return (level * envelope * noise).astype(np.float32)


def power_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_the_ratio_it_was_asked_for(snr_db, seed):
    clean = speech()
    noisy = augment(noise=1.0, snr_db=(snr_db, snr_db))(clean, len(clean), random.Random(seed))
    assert power_db(clean) - power_db(noisy - clean) == pytest.approx(snr_db, abs=0.5)


def test_the_ratio_is_to_speech_and_not_to_the_silence_after_it():
    clean = np.concatenate([speech(5.0), np.zeros(80000, np.float32)])
    ratios, covered = [], 0
    for seed in range(12):
        noisy = augment(noise=1.0, snr_db=(10.0, 10.0))(clean, 80000, random.Random(seed))
        noise = noisy - clean
        ratios.append(power_db(clean[:80000]) - power_db(noise[:80000]))
        covered += bool(noise[80000:].any())
    assert np.median(ratios) == pytest.approx(10.0, abs=0.5)  # parts of a noise differ a little
    assert max(abs(ratio - 10.0) for ratio in ratios) < 3.0
    assert 2 <= covered <= 10, "silence is noisy in about half of the cases"


def test_strength_zero_changes_only_the_level():
    clean = speech(2.0)
    distort = augment(noise=1.0, filter=1.0, room=1.0, gain_db=(-12.0, 6.0))
    distort.strength = 0.0
    for seed in range(5):
        out = distort(clean, len(clean), random.Random(seed))
        gain = float(out @ clean / (clean @ clean))
        assert 10 ** (-12 / 20) <= gain <= 10 ** (6 / 20)
        np.testing.assert_allclose(out, gain * clean, atol=1e-7, rtol=1e-5)


def test_strength_scales_how_often():
    clean = speech(0.2)
    distort = augment(noise=1.0)
    for strength, least, most in ((0.25, 8, 45), (1.0, 100, 100)):
        distort.strength = strength
        changed = sum(
            not np.array_equal(distort(clean, len(clean), random.Random(seed)), clean)
            for seed in range(100)
        )
        assert least <= changed <= most


@pytest.mark.parametrize("kind", ["noise", "filter", "room"])
def test_each_distortion_changes_the_sound_and_not_its_length_or_type(kind):
    clean = speech(1.0)
    before = clean.copy()
    out = augment(**{kind: 1.0})(clean, len(clean), random.Random(0))
    assert out.shape == clean.shape
    assert out.dtype == np.float32
    assert not np.array_equal(out, clean)
    assert np.array_equal(clean, before), "the input is not changed in place"
    assert np.isfinite(out).all()


@pytest.mark.parametrize("kind", ["filter", "room"])
def test_a_click_stays_where_it_is(kind):
    # Labels keep their times, so the direct sound may not move: the peak is within 1 ms.
    click = np.zeros(16000, np.float32)
    click[8000] = 0.5
    for seed in range(5):
        out = augment(**{kind: 1.0})(click, 16000, random.Random(seed))
        assert abs(int(np.argmax(np.abs(out))) - 8000) <= 16


def test_a_room_rings_after_the_sound_and_not_before_it():
    click = np.zeros(16000, np.float32)
    click[8000] = 0.5
    out = augment(room=1.0)(click, 16000, random.Random(0))
    assert np.abs(out[:8000]).max() < 1e-6
    assert np.abs(out[8001:9000]).max() > 1e-3


def test_full_scale_is_not_left():
    loud = np.full(1600, 0.9, np.float32)
    out = augment(gain_db=(6.0, 6.0))(loud, 1600, random.Random(0))
    assert np.array_equal(out, np.ones(1600, np.float32))


@pytest.mark.parametrize("heard", [0, 1, 800])
def test_short_and_silent_audio(heard):
    distort = augment(noise=1.0, filter=1.0, room=1.0, babble=1.0)
    out = distort(np.zeros(800, np.float32), heard, random.Random(0))
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 0.1
    distort.babble(np.zeros((4, 800), np.float32), random.Random(0))


def test_the_generator_decides():
    distort = augment(noise=0.5, filter=0.5, room=0.5, gain_db=(-6.0, 6.0))
    clean = speech(0.5)
    first = [distort(clean, 8000, random.Random(seed)) for seed in range(6)]
    twin = augment(noise=0.5, filter=0.5, room=0.5, gain_db=(-6.0, 6.0))
    again = [twin(clean, 8000, random.Random(seed)) for seed in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({a.tobytes() for a in first}) == 6


def crowd(batch=4):
    return np.stack([speech(3.0, 0.02 * (row + 1), seed=row) for row in range(batch)])


def test_babble_has_the_ratio_it_was_asked_for():
    clean = crowd()
    mixed = clean.copy()
    augment(babble=1.0, babble_snr_db=(10.0, 10.0)).babble(mixed, random.Random(0))
    for row in range(4):
        noise = mixed[row] - clean[row]
        assert power_db(clean[row]) - power_db(noise) == pytest.approx(10.0, abs=0.5)


def test_babble_is_made_of_the_other_voices_as_they_were():
    # Each voice has a tone of its own; what is added to a row holds tones of the batch only.
    time_s = np.arange(16000) / 16000
    tones_hz = (400, 700, 1100, 1500)
    clean = np.stack([0.1 * np.sin(2 * np.pi * hz * time_s) for hz in tones_hz]).astype(np.float32)
    mixed = clean.copy()
    augment(babble=1.0, babble_snr_db=(0.0, 0.0)).babble(mixed, random.Random(1))
    for row in range(4):
        spectrum = np.abs(np.fft.rfft(mixed[row] - clean[row]))
        assert spectrum[list(tones_hz)].max() > 100
        rest = np.delete(spectrum, list(tones_hz))
        assert rest.max() < 1.0


def test_babble_needs_a_crowd_a_chance_and_strength():
    for batch, babble, strength in ((2, 1.0, 1.0), (4, 0.0, 1.0), (4, 1.0, 0.0)):
        clean = crowd(batch)
        mixed = clean.copy()
        distort = augment(babble=babble)
        distort.strength = strength
        distort.babble(mixed, random.Random(0))
        assert np.array_equal(mixed, clean)
    mixed, again = crowd(), crowd()
    for samples in (mixed, again):
        augment(babble=0.5).babble(samples, random.Random(3))
    assert np.array_equal(mixed, again)


def test_prepared_noises_have_unit_power_and_differ():
    generator = np.random.default_rng(0)
    noises = [coloured_noise(NOISE_SAMPLES, generator) for _ in range(4)]
    for noise in noises:
        assert noise.dtype == np.float32
        assert power_db(noise) == pytest.approx(0.0, abs=0.01)
    correlation = np.corrcoef(noises)
    assert np.abs(correlation[~np.eye(4, dtype=bool)]).max() < 0.2
