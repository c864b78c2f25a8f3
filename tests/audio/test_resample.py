import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio, Resampler
from earvoice.errors import AudioError

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000]


def noise(n_samples, channels, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, (channels, n_samples)).astype(np.float32)


def resample(samples, rate_hz, cuts):
    resampler = Resampler()
    out = [resampler.push(Audio(part, rate_hz)) for part in np.split(samples, sorted(cuts), axis=1)]
    return np.concatenate([*out, resampler.flush()])


@settings(max_examples=40)
@given(
    st.sampled_from(RATES),
    st.integers(0, 20000),
    st.integers(1, 3),
    st.lists(st.floats(0, 1), max_size=12),
)
def test_packets_do_not_matter(rate_hz, n_samples, channels, places):
    samples = noise(n_samples, channels)
    cuts = [round(place * n_samples) for place in places]
    whole = resample(samples, rate_hz, [])
    assert np.array_equal(whole, resample(samples, rate_hz, cuts))


@pytest.mark.parametrize("rate_hz", RATES)
def test_single_sample_packets(rate_hz):
    samples = noise(3000, 1)
    whole = resample(samples, rate_hz, [])
    assert np.array_equal(whole, resample(samples, rate_hz, range(1, 3000)))


@pytest.mark.parametrize("channels", [2, 8, 16, 64])
@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_single_sample_packets_of_many_channels(rate_hz, channels):
    samples = noise(300, channels)
    whole = resample(samples, rate_hz, [])
    assert np.array_equal(whole, resample(samples, rate_hz, range(1, 300)))
    columns = np.asfortranarray(samples)
    assert np.array_equal(whole, resample(columns, rate_hz, []))


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_tone_stays_a_tone(rate_hz):
    time_s = np.arange(rate_hz) / rate_hz
    tone = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)[np.newaxis]
    out = resample(tone, rate_hz, [])
    assert abs(len(out) - 16000) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert np.abs(out[2000:14000] - expected[2000:14000]).max() < 0.01


def test_16_khz_passes_untouched():
    samples = noise(777, 1)
    assert np.array_equal(resample(samples, 16000, [5, 90]), samples[0])


@pytest.mark.parametrize(("rate_hz", "channels"), [(48000, 1), (16000, 2)])
def test_a_changed_format_is_refused(rate_hz, channels):
    resampler = Resampler()
    resampler.push(Audio(noise(100, 1), 16000))
    with pytest.raises(AudioError, match="a stream keeps its format"):
        resampler.push(Audio(noise(100, channels), rate_hz))


def test_little_is_held_back():
    resampler = Resampler()
    given_s = got = 0
    for _ in range(100):
        got += len(resampler.push(Audio(noise(480, 1), 48000)))
        given_s += 0.01
    assert given_s - got / 16000 < 0.06


def test_after_flush_a_new_stream_begins():
    resampler = Resampler()
    resampler.push(Audio(noise(999, 2), 44100))
    resampler.flush()
    samples = noise(400, 1)
    assert np.array_equal(resampler.push(Audio(samples, 16000)), samples[0])
