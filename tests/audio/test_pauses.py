"""Where a pause is found, by loudness and by WebRTC's detector."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.audio import Resampler, read
from earvoice.audio.pauses import (
    FRAME,
    EnergyPauses,
    NoPauses,
    WebRtcPauses,
    pause_finder,
    quietest,
)
from earvoice.errors import UsageError

RATE = 16000
TALK = Path(__file__).parents[2] / "earvoice/assets/talk-en.wav"
EMPTY = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def talk():
    resampler = Resampler()
    return np.concatenate([resampler.push(read(TALK)), resampler.flush()])


def noise(samples, level=0.2, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_a_silence_is_a_pause_and_its_middle_is_given():
    segment = noise(RATE)
    segment[8000:12000] = 0
    place = EnergyPauses().hear(segment, EMPTY)
    assert 8000 + 5 * FRAME <= place <= 12000 - 5 * FRAME
    assert EnergyPauses().hear(noise(RATE), EMPTY) is None


def test_quiet_is_what_the_window_is_not():
    """The same murmur is a pause after loud speech and none by itself."""
    murmur = noise(RATE, 0.01)
    assert EnergyPauses().hear(murmur, EMPTY) is None
    assert EnergyPauses().hear(murmur, noise(4 * RATE, 0.5)) is not None


def test_short_silence_is_no_pause():
    segment = noise(RATE)
    segment[8000 : 8000 + 8 * FRAME] = 0
    assert EnergyPauses().hear(segment, EMPTY) is None


def test_nothing_is_a_pause_where_windows_are_fixed():
    assert NoPauses().hear(np.zeros(RATE, np.float32), noise(RATE)) is None


def test_webrtc_finds_a_pause_that_noise_fills(talk):
    """A pause in a talk with a fan: not quiet enough for energy, no speech for the detector."""
    pytest.importorskip("webrtcvad")
    speech = talk[RATE : 4 * RATE].copy()
    speech[40000:44800] = 0
    noisy = speech + noise(speech.size, 0.02)
    webrtc, found = WebRtcPauses(), []
    for start in range(0, noisy.size, RATE):
        segment = noisy[start : start + RATE]
        found.append(webrtc.hear(segment, noisy[:start]))
    assert found[2] is not None
    assert 40000 <= 2 * RATE + found[2] <= 44800
    assert EnergyPauses().hear(noisy[2 * RATE :], noisy[: 2 * RATE]) is None


def test_webrtc_streams_are_independent(talk):
    pytest.importorskip("webrtcvad")
    segments = [talk[start : start + RATE] for start in range(0, 6 * RATE, RATE)]
    alone = [WebRtcPauses().hear(segment, EMPTY) for segment in segments[:1]]
    one, other = WebRtcPauses(), WebRtcPauses()
    mixed = []
    for segment in segments:
        mixed.append(one.hear(segment, EMPTY))
        other.hear(np.zeros(RATE, np.float32), EMPTY)
    again = WebRtcPauses()
    assert mixed == [again.hear(segment, EMPTY) for segment in segments]
    assert mixed[:1] == alone


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(UsageError, match="extra `vad`"):
        pause_finder("webrtc")()


@given(
    size=st.integers(1, 5000),
    before=st.integers(0, 3000),
    kind=st.sampled_from(["energy", "webrtc", "fixed"]),
    level=st.sampled_from([0.0, 1e-4, 0.3, 4.0]),
)
def test_a_place_lies_in_the_segment(size, before, kind, level):
    pytest.importorskip("webrtcvad")
    segment = noise(size, level)
    place = pause_finder(kind)().hear(segment, noise(before, 1.0))
    assert place is None or 0 <= place <= size
    assert 0 <= quietest(segment)[0] <= size
