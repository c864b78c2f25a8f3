"""Silent, unrelated and swapped microphones are found, and whole arrays are left alone."""

import itertools

import numpy as np
import pytest

from earvoice.audio.arrays import (
    GLASSES,
    SINGLE,
    MicrophoneArray,
    array_named,
    check_array_channels,
)
from earvoice.audio.microphones import check_microphones
from earvoice.errors import AudioError
from tests.array_sounds import heard

LENGTH = 3 * 16000
MIRRORED = {(1, 2), (3, 4)}


def test_a_whole_array_is_left_alone():
    for seed in range(3):
        assert check_microphones(heard(seed), GLASSES) == []


def test_a_silent_microphone():
    for level in (0.0, 1e-4):
        samples = heard()
        samples[3] *= level
        (found,) = check_microphones(samples, GLASSES)
        assert (found.problem, found.channels) == ("silent", (3,))
        assert found.text() == "the microphone rear left (channel 3) gives no sound"


@pytest.mark.parametrize("dead", [(1, 2), (1, 2, 3), (0, 1, 3, 4)])
def test_most_microphones_may_be_silent(dead):
    samples = heard()
    samples[list(dead)] = 0.0
    found = check_microphones(samples, GLASSES)
    assert [(item.problem, item.channels) for item in found] == [("silent", (d,)) for d in dead]


def test_a_microphone_that_is_much_too_loud_makes_no_others_silent():
    samples = heard()
    samples[2] *= 1000.0
    assert not any(item.problem == "silent" for item in check_microphones(samples, GLASSES))


def test_an_unrelated_microphone():
    samples = heard()
    samples[1] = 0.1 * np.random.default_rng(9).standard_normal(LENGTH)
    (found,) = check_microphones(samples, GLASSES)
    assert (found.problem, found.names) == ("unrelated", ("lower left",))


@pytest.mark.parametrize(
    "pair", [pair for pair in itertools.combinations(range(5), 2) if pair not in MIRRORED]
)
def test_swapped_microphones(pair):
    order = list(range(5))
    order[pair[0]], order[pair[1]] = pair[1], pair[0]
    (found,) = check_microphones(heard()[order], GLASSES)
    assert (found.problem, found.channels) == ("swapped", pair)
    assert "seem to be exchanged" in found.text()


def test_nothing_is_said_of_silence_short_sound_and_one_microphone():
    assert check_microphones(np.zeros((5, LENGTH), dtype=np.float32), GLASSES) == []
    assert check_microphones(heard()[:, :16000], GLASSES) == []
    assert check_microphones(heard()[:1], SINGLE) == []


def test_wind_blames_nobody():
    noise = np.random.default_rng(1).standard_normal((5, LENGTH)).astype(np.float32)
    assert not any(p.problem == "unrelated" for p in check_microphones(noise, GLASSES))


def test_arrays_are_checked():
    with pytest.raises(AudioError, match="1 channel, this model needs 5"):
        check_array_channels(1, GLASSES)
    with pytest.raises(AudioError, match="no array 'hat'; there are glasses, single"):
        array_named("hat")
    with pytest.raises(AudioError, match="2 microphones and 1 positions"):
        MicrophoneArray("a", ("x", "y"), ((0.0, 0.0, 0.0),), (0.1, 0.0, 0.0))
    with pytest.raises(AudioError, match="reference 3"):
        MicrophoneArray("a", ("x",), ((0.0, 0.0, 0.0),), (0.1, 0.0, 0.0), reference=3)
