import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.audio import Audio, AudioClock
from earvoice.errors import AudioError


def test_shape_and_duration():
    audio = Audio(np.zeros((2, 8000), np.float32), 16000)
    assert (audio.channels, audio.n_samples, audio.duration_s) == (2, 8000, 0.5)


def test_mono_is_the_mean():
    audio = Audio(np.array([[1, 0, -1], [0, 1, -1]], np.float32))
    assert audio.mono().tolist() == [0.5, 0.5, -1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 17.0, -20000.0])
def test_the_first_bad_sample_is_named(bad):
    samples = np.zeros((2, 16000), np.float32)
    samples[1, 4000] = bad
    samples[0, 9000] = bad
    with pytest.raises(AudioError, match=r"at 0\.2500 s"):
        Audio(samples)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((1, 4)), 16000, "float64"),
        (np.zeros((1, 4), np.int16), 16000, "int16"),
        ([[0.0]], 16000, "list"),
        (np.zeros(4, np.float32), 16000, "Audio.of"),
        (np.zeros((0, 4), np.float32), 16000, "0 channels"),
        (np.zeros((65, 4), np.float32), 16000, "65 channels"),
        (np.zeros((1, 4), np.float32), 0, "sample rate is 0"),
        (np.zeros((1, 4), np.float32), 1, "sample rate"),
        (np.zeros((1, 4), np.float32), -16000, "sample rate"),
        (np.zeros((1, 4), np.float32), 16000.0, "sample rate"),
        (np.zeros((1, 4), np.float32), True, "sample rate"),
        (np.zeros((1, 4), np.float32), 10**9, "sample rate"),
    ],
)
def test_what_is_no_audio_is_refused(samples, rate_hz, message):
    with pytest.raises(AudioError, match=message):
        Audio(samples, rate_hz)


def test_no_samples_are_legal():
    assert Audio(np.zeros((3, 0), np.float32)).duration_s == 0


@given(st.lists(st.integers(-32768, 32767), max_size=40), st.integers(1, 3))
def test_pcm16(values, channels):
    values = values[: len(values) // channels * channels]
    audio = Audio.from_pcm16(np.array(values, "<i2").tobytes(), channels=channels)
    assert (audio.samples.T.reshape(-1) * 32768).astype(int).tolist() == values


def test_pcm16_refuses_half_frames():
    with pytest.raises(AudioError, match="whole frames"):
        Audio.from_pcm16(b"\0" * 6, channels=2)


@given(st.lists(st.integers(0, 5000), max_size=30))
def test_clock_adds_whole_samples(packets):
    clock = AudioClock()
    for size in packets:
        clock.advance(size)
    assert clock.seconds == sum(packets) / 16000
