import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.synth import acoustics
from earvoice.errors import AudioError


def rng(seed=0):
    return np.random.default_rng(seed)


def bursts(seconds=4):
    """Half a second of tone, half a second of silence, and so on: speech with pauses."""
    time = np.arange(16000 * seconds) / 16000
    return (np.sin(2 * np.pi * 440 * time) * (time % 1.0 < 0.5) * 0.1).astype(np.float32)


def decibel(value):
    return 20 * np.log10(value)


@pytest.mark.parametrize("kind", acoustics.NOISE_KINDS)
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
def test_the_measured_snr_is_the_asked_one(kind, snr_db):
    speech = bursts()
    noise = acoustics.noise(kind, len(speech), rng(3))
    mixed = acoustics.mix_at_snr(speech, noise, snr_db)
    active = speech[(np.arange(len(speech)) / 16000) % 1.0 < 0.5]
    measured = decibel(acoustics.rms(active)) - decibel(acoustics.rms(mixed - speech))
    # hum and babble swell, so a short piece is not exactly at RMS 1
    assert measured == pytest.approx(snr_db, abs=0.2)


def test_pauses_do_not_lower_the_level_of_speech():
    assert decibel(acoustics.active_rms(bursts())) == pytest.approx(decibel(0.1 / np.sqrt(2)), 0.01)
    assert acoustics.active_rms(np.zeros(16000, np.float32)) == 0.0
    assert acoustics.active_rms(np.zeros(0, np.float32)) == 0.0


@given(st.floats(-50, -12), st.floats(0.001, 1.0))
def test_levels_are_set_and_never_clip(level_db, scale):
    speech = bursts(1) * np.float32(scale)
    out = acoustics.set_level(speech, level_db)
    assert decibel(acoustics.active_rms(out)) == pytest.approx(level_db, abs=0.05)
    loud = acoustics.set_level(speech, 20.0)
    assert np.abs(loud).max() == pytest.approx(0.97, abs=1e-3)


@pytest.mark.parametrize(("kind", "slope_db"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
def test_noise_has_its_colour(kind, slope_db):
    spectrum = np.abs(np.fft.rfft(acoustics.noise(kind, 1 << 18, rng(1)))) ** 2
    hertz = np.fft.rfftfreq(1 << 18, 1 / 16000)
    octaves = [spectrum[(hertz >= f) & (hertz < 2 * f)].mean() for f in (250, 500, 1000, 2000)]
    measured = np.diff(10 * np.log10(octaves))
    assert measured == pytest.approx([slope_db] * 3, abs=0.6)


def test_noise_repeats_without_a_click_and_by_its_seed():
    long = acoustics.noise("brown", 3_000_000, rng(5))
    steps = np.diff(long)  # the seam lies somewhere in it, at least twice
    assert np.abs(steps).max() < 6.0 * acoustics.rms(steps)
    assert np.array_equal(
        acoustics.noise("pink", 5000, rng(7)), acoustics.noise("pink", 5000, rng(7))
    )
    assert not np.array_equal(
        acoustics.noise("pink", 5000, rng(7)), acoustics.noise("pink", 5000, rng(8))
    )


def test_babble_is_every_voice_at_rms_one():
    voices = [bursts(1) * np.float32(scale) for scale in (0.01, 1.0)]
    crowd = acoustics.babble(voices, 40000, rng(2))
    assert crowd.shape == (40000,)
    assert acoustics.rms(crowd) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(AudioError, match="at least one voice"):
        acoustics.babble([], 100, rng())


@pytest.mark.parametrize("rt60_s", [0.1, 0.3, 0.6])
def test_a_room_decays_by_60_db_in_its_time_and_delays_nothing(rt60_s):
    response = acoustics.room_response(rt60_s, rng(4))
    assert response[0] == 1.0
    rest = response.copy()
    rest[0] = 0.0
    assert decibel(np.sqrt(np.sum(rest**2))) == pytest.approx(-6.0, abs=0.1)
    length = len(response)
    start, end = (rest[int(a * length) : int(b * length)] for a, b in ((0.35, 0.45), (0.85, 0.95)))
    fall_db = decibel(acoustics.rms(start)) - decibel(acoustics.rms(end))
    assert fall_db == pytest.approx(30.0, abs=3.0)


@given(st.integers(1, 60000), st.integers(1, 9000))
def test_convolution_is_convolution(length, taps):
    generator = rng(length + taps)
    samples = generator.standard_normal(length).astype(np.float32)
    response = np.zeros(taps, np.float32)
    positions = generator.integers(taps, size=3)
    response[positions] = (0.5, -1.0, 2.0)
    expected = np.zeros(length)
    for position in set(positions.tolist()):
        moved = np.zeros(length)
        moved[position:] = samples[: max(length - position, 0)]
        expected += moved * response[position]
    assert acoustics.convolve(samples, response) == pytest.approx(expected, abs=2e-4)


def test_the_equaliser_tilts_and_limits_without_moving():
    impulse = np.zeros(4096, np.float32)
    impulse[2000] = 1.0
    tilted = acoustics.equalise(impulse, tilt_db_per_octave=2.0)
    assert np.argmax(np.abs(tilted)) == 2000
    gains = np.abs(np.fft.rfft(tilted))
    at = {hertz: decibel(gains[round(hertz * 4096 / 16000)]) for hertz in (500, 1000, 2000, 4000)}
    assert at[4000] - at[1000] == pytest.approx(4.0, abs=0.5)
    assert at[1000] - at[500] == pytest.approx(2.0, abs=0.5)
    narrow = np.abs(np.fft.rfft(acoustics.equalise(impulse, low_hz=300.0, high_hz=3400.0)))
    assert decibel(narrow[round(100 * 4096 / 16000)]) < -15
    assert decibel(narrow[round(6000 * 4096 / 16000)]) < -25
    assert decibel(narrow[round(1000 * 4096 / 16000)]) == pytest.approx(0.0, abs=0.5)


def test_impossible_rooms_and_noises_are_refused():
    with pytest.raises(AudioError, match="reverberation time is 0"):
        acoustics.room_response(0.0, rng())
    with pytest.raises(AudioError, match="noise kind 'blue'"):
        acoustics.noise("blue", 10, rng())
