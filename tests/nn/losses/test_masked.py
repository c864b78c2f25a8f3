"""Masked prediction: fixed codes, spans, and an LST encoder that learns from sound alone."""

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from earvoice.nn.losses.masked import SPAN_FRAMES, masked_frames, random_codes
from earvoice.systems.lst import Lst
from tests.tiny import lst_config


def test_codes_are_the_same_every_time_and_follow_the_features():
    features = torch.randn(200, 30, generator=torch.Generator().manual_seed(1))
    codes = random_codes(features, 16)
    assert torch.equal(codes, random_codes(features, 16))
    assert torch.equal(codes, random_codes(3.0 * features, 16))  # directions, not lengths
    assert len(codes.unique()) > 8
    assert (random_codes(-features, 16) == codes).float().mean() < 0.1


@given(st.integers(1, 400), st.integers(0, 99))
def test_spans_are_whole_up_to_the_end(frames, seed):
    hidden = masked_frames(frames, torch.Generator().manual_seed(seed)).tolist()
    assert len(hidden) == frames
    assert any(hidden)
    starts = [i for i, here in enumerate(hidden) if here and (i == 0 or not hidden[i - 1])]
    for start in starts:
        assert all(hidden[start : start + SPAN_FRAMES])


def test_about_two_frames_in_five_are_hidden():
    hidden = masked_frames(20_000, torch.Generator().manual_seed(0))
    assert 0.35 < hidden.float().mean() < 0.48


def test_nothing_is_hidden_of_nothing():
    assert masked_frames(0, torch.Generator()).shape == (0,)


def test_an_encoder_learns_from_sound_alone():
    torch.manual_seed(0)
    system = Lst(lst_config(phones=8))
    time = torch.arange(32_000) / 16_000
    tones = torch.stack([torch.sin(6.283 * f * time) * (time * r % 1 > 0.5)
                         for f, r in ((300, 2), (1200, 3))])  # fmt: skip
    batch = SimpleNamespace(samples=tones + 0.01 * torch.randn(2, 32_000), counts=(32_000, 24_000))
    parameters = [*system.encoder.parameters(), *system.phone_head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        found = system.objectives["masked"](batch)
        found["loss"].backward()
        optimiser.step()
        losses.append(found["loss"].item())
    assert losses[-1] < 0.7 * losses[0]
    assert found["accuracy"] > 0.4
