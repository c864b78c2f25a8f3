"""Log-mel energies: the same however many streams are computed at once."""

import torch

from earvoice.models import features
from earvoice.models.features import LogMel, spectral_power


def test_power_is_the_squared_magnitude():
    spectra = torch.fft.rfft(torch.randn(3, 50))
    torch.testing.assert_close(spectral_power(spectra), spectra.abs().square())


def test_streams_at_once_are_streams_alone(monkeypatch):
    mel, x = LogMel(8), torch.randn(5, 1600)
    alone = torch.cat([mel(row[None]) for row in x])
    for samples in (1, 4000, 1_000_000):  # one at a time, two, all
        monkeypatch.setattr(features, "_SAMPLES_AT_ONCE", samples)
        torch.testing.assert_close(mel(x), alone, atol=1e-6, rtol=1e-6)
