"""Beams: the design's two constraints, the filters, what they gain, and whose data they take."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from earvoice.audio.arrays import GLASSES, SINGLE
from earvoice.errors import AudioError, CheckpointError
from earvoice.models.beams import (
    Steering,
    design,
    diffuse_coherence,
    filters_for,
    free_field,
    frequencies_hz,
    minimum_variance,
    to_filters,
)
from earvoice.models.frontend import Beams, Frontend, FrontendConfig
from earvoice.models.steering import read_filters


@pytest.fixture(scope="module")
def steering():
    return free_field(GLASSES)


@pytest.fixture(scope="module")
def weights(steering):
    return design(steering, diffuse_coherence(GLASSES))


def test_a_beam_leaves_its_source_as_it_is(steering, weights):
    through = np.einsum("kfc,kfc->kf", weights.conj(), steering.transfer)
    assert np.abs(through - 1).max() < 1e-9


def test_white_noise_is_not_amplified_beyond_the_floor(steering, weights):
    norm = (np.abs(weights) ** 2).sum(axis=2)
    bound = GLASSES.channels / (np.abs(steering.transfer) ** 2).sum(axis=2)
    assert (norm <= bound * (1 + 1e-9)).all()
    assert (norm[:, 5] > bound[:, 5] * 0.999).all(), "low frequencies need all that is allowed"


def test_no_feasible_weights_are_better(steering, weights):
    rng = np.random.default_rng(0)
    coherence = diffuse_coherence(GLASSES)
    for beam, bin_ in ((12, 8), (0, 32), (4, 96)):
        g, h = steering.transfer[beam, bin_], weights[beam, bin_]
        best = (h.conj() @ coherence[bin_] @ h).real
        step = rng.standard_normal((4000, 5)) + 1j * rng.standard_normal((4000, 5))
        step -= np.outer(step @ g.conj(), g) / (g.conj() @ g).real  # g^H step = 0
        others = h + step * 10 ** rng.uniform(-4, 0, (4000, 1))
        feasible = (np.abs(others) ** 2).sum(1) <= 5 / (np.abs(g) ** 2).sum()
        values = np.einsum("nc,cd,nd->n", others.conj(), coherence[bin_], others).real
        assert feasible.sum() > 50
        assert values[feasible].min() >= best - 1e-9


def test_without_need_nothing_is_loaded():
    """Uncorrelated noise: the optimum is delay and sum, |h|^2 = 1 / |g|^2."""
    g = np.exp(1j * np.arange(10.0)).reshape(2, 5)
    h = minimum_variance(np.repeat(np.eye(5, dtype=complex)[None], 2, axis=0), g)
    assert np.allclose(h, g / 5)


def test_filters_keep_their_source_after_windowing(steering, weights):
    filters = to_filters(weights, 161)
    response = np.fft.rfft(filters, 512, axis=2)
    advance = np.exp(2j * np.pi * np.arange(257) / 512 * 80)
    through = np.einsum("kcf,kfc->kf", response, steering.transfer) * advance
    speech = (frequencies_hz() >= 150) & (frequencies_hz() <= 7000)
    assert np.abs(20 * np.log10(np.abs(through[:, speech]))).max() < 0.5
    for taps in (160, 1, 513):
        with pytest.raises(ValueError, match="taps"):
            to_filters(weights, taps)


def test_beams_are_the_plain_convolution():
    rng = np.random.default_rng(0)
    filters = rng.standard_normal((3, 2, 33)).astype(np.float32)
    x = rng.standard_normal((2, 1500)).astype(np.float32)
    found = Beams(filters)(torch.from_numpy(x.T.copy())[None])[0].numpy()
    for beam in range(3):
        plain = sum(np.convolve(x[c], filters[beam, c])[:1500] for c in range(2))
        assert np.abs(found[:, beam] - plain).max() < 1e-4


def test_rows_at_once_change_nothing(monkeypatch):
    config = FrontendConfig(directions=2, taps=33, mels=17)
    net = Frontend(config)
    samples = torch.randn(3, 4000, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = net(samples)
        monkeypatch.setattr("earvoice.models.frontend._SAMPLES_AT_ONCE", 1)
        assert torch.equal(net(samples), together)


def test_the_mouths_beam_gains_more_than_4_db(steering):
    """Free field, noise from everywhere, over the best microphone: each third from 500 Hz."""
    filters = filters_for(GLASSES, 161)
    response = np.fft.rfft(filters[-1], 512, axis=1)
    coherence, hertz = diffuse_coherence(GLASSES), frequencies_hz()
    noise = np.einsum("cf,fcd,df->f", response, coherence, response.conj()).real
    signal = np.abs(np.einsum("cf,fc->f", response, steering.transfer[-1])) ** 2
    best = (np.abs(steering.transfer[-1]) ** 2).max(axis=1)
    for low, high in ((500, 3000), (500, 1000), (1000, 2000), (2000, 3000)):
        band = (hertz >= low) & (hertz <= high)
        gain = signal[band].sum() / noise[band].sum() / best[band].mean()
        assert 10 * np.log10(gain) > 4.0


def test_the_papers_sizes():
    config = FrontendConfig()
    assert (config.microphones, config.beams, config.features) == (5, 13, 1326)
    frames = Frontend(config)(torch.zeros(1, 2 * 960, 5))
    assert frames.shape == (1, 2, 1326)
    single = FrontendConfig(array="single", maps=4)
    assert single.features == 4 * 17 * 6
    assert Frontend(single)(torch.zeros(2, 960, 1)).shape == (2, 1, single.features)


def test_wrong_channels_are_named():
    with pytest.raises(AudioError, match="2 channels, this model needs 5, in this order: nose"):
        Frontend(FrontendConfig())(torch.zeros(1, 960, 2))
    with pytest.raises(AudioError, match="5 channels, this model needs 1"):
        Frontend(FrontendConfig(array="single"))(torch.zeros(1, 960, 5))


def given_transfer(path, transfer):
    arrays = {"transfer_real": transfer.real.copy(), "transfer_imag": transfer.imag.copy()}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


@pytest.mark.parametrize("name", ["s.npz", "s.safetensors"])
def test_measured_steering_replaces_the_free_field(tmp_path, steering, name):
    """The same sound, with another gain of each source and on a grid twice as fine."""
    fine = np.repeat(steering.transfer, 2, axis=1)[:, :-1]
    fine[:, 1::2] = (steering.transfer[:, :-1] + steering.transfer[:, 1:]) / 2
    path = given_transfer(tmp_path / name, 3.0 * fine)
    found = read_filters(path, GLASSES, 13, 161)
    assert np.abs(found - filters_for(GLASSES, 161)).max() < 1e-5
    assert Frontend(FrontendConfig(), found)(torch.zeros(1, 960, 5)).shape == (1, 1, 1326)


def test_ready_filters_are_taken_as_they_are(tmp_path):
    filters = np.random.default_rng(0).standard_normal((13, 5, 161)).astype(np.float32)
    np.savez(tmp_path / "f.npz", filters=filters)
    assert np.array_equal(read_filters(tmp_path / "f.npz", GLASSES, 13, 161), filters)
    with pytest.raises(CheckpointError, match="13 beams of 161 taps, this model needs 13 of 33"):
        read_filters(tmp_path / "f.npz", GLASSES, 13, 33)


def test_bad_steering_data_is_named(tmp_path, steering):
    for name in ("s.npz", "s.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(CheckpointError, match="not readable steering data"):
            read_filters(tmp_path / name, GLASSES, 13, 161)
    np.savez(tmp_path / "p.npz", transfer_real=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="not readable"):
        read_filters(tmp_path / "p.npz", GLASSES, 13, 161)
    np.savez(tmp_path / "e.npz", something=np.zeros(3))
    with pytest.raises(CheckpointError, match="has no transfer_real and no transfer_imag"):
        read_filters(tmp_path / "e.npz", GLASSES, 13, 161)
    broken = steering.transfer.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(CheckpointError, match="no numbers"):
        read_filters(given_transfer(tmp_path / "n.npz", broken), GLASSES, 13, 161)
    with pytest.raises(CheckpointError, match="12 sources, this model needs 13"):
        read_filters(given_transfer(tmp_path / "k.npz", steering.transfer[1:]), GLASSES, 13, 161)
    with pytest.raises(AudioError, match="needs 1"):
        read_filters(given_transfer(tmp_path / "c.npz", steering.transfer), SINGLE, 13, 161)


def test_nulls_weaken_the_wearer_in_the_partners_beams(steering):
    """At 1 kHz the mouth is heard less in every beam but its own."""
    coherence = diffuse_coherence(GLASSES)
    plain, nulled = (design(steering, coherence, mouth_null=w) for w in (0.0, 1.0))
    mouth = steering.transfer[-1, 32]
    leaks = [np.abs(w[:-1, 32].conj() @ mouth) for w in (plain, nulled)]
    assert (leaks[1] < leaks[0]).all()
    assert np.allclose(plain[-1], nulled[-1])


def test_a_steering_value_knows_its_sizes():
    steering = Steering(np.ones((3, 257, 4), dtype=complex))
    assert (steering.beams, steering.channels) == (3, 4)
