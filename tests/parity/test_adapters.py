"""Our adapters against independent re-statements of the published ones, with the same weights.

conv    fairseq's Conv1dSubsampler and a linear layer, as LST (padding k // 2 on both sides) and
        FASST (none) use it
mlp     LLaST's projector: an nn.Sequential of linear layers with exact GELU between them
"""

import pytest
import torch
from torch import nn

from earvoice.models.adapters import ConvShrink, ConvShrinkConfig, Mlp
from earvoice.systems.lst import Lst
from tests.tiny import lst_config

transformers = pytest.importorskip("transformers")


class Conv1dSubsampler(nn.Module):
    """Convolutions of kernel k and stride 2, each followed by a gated linear unit."""

    def __init__(self, width, hidden, out, kernel, padding):
        super().__init__()
        self.first = nn.Conv1d(width, hidden, kernel, stride=2, padding=padding)
        self.second = nn.Conv1d(hidden // 2, 2 * hidden, kernel, stride=2, padding=padding)
        self.linear = nn.Linear(hidden, out)

    def forward(self, x):
        x = x.transpose(1, 2)
        for conv in (self.first, self.second):
            x = nn.functional.glu(conv(x), dim=1)
        return self.linear(x.transpose(1, 2))


def pair(padding, ours):
    torch.manual_seed(0)
    theirs = Conv1dSubsampler(24, 16, 20, 3, padding)
    first, second = ours.convs.members
    with torch.no_grad():
        for own, other in ((first.conv, theirs.first), (second.conv, theirs.second)):
            own.weight.copy_(other.weight)
            own.bias.copy_(other.bias)
        ours.linear.load_state_dict(theirs.linear.state_dict())
    return theirs, [(first.conv, theirs.first), (second.conv, theirs.second),
                    (ours.linear, theirs.linear)]  # fmt: skip


def same(ours, theirs, run, x, layers):
    """Outputs and the gradients of input, weights and biases agree to 1e-5."""
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = run(mine), theirs(other)
    assert y.shape == expected.shape
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-5, rtol=0)
    for own, reference in layers:
        for leaf in ("weight", "bias"):
            grad = getattr(reference, leaf).grad
            assert grad.abs().max() > 0.1
            torch.testing.assert_close(getattr(own, leaf).grad, grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [7, 8, 40, 41, 43])
def test_convolutions_without_padding_are_fassts(frames):
    config = ConvShrinkConfig(hidden=16, left_pad=False)
    ours = ConvShrink(config, 24, 20)
    theirs, layers = pair(0, ours)
    same(ours, theirs, ours, torch.randn(2, frames, 24), layers)


@pytest.mark.parametrize("frames", [1, 2, 5, 40, 41, 42, 43])
def test_convolutions_padded_on_both_sides_are_lsts(frames):
    config = lst_config()
    adapter = ConvShrinkConfig(hidden=16, layers=2)
    system = Lst(
        config.model_copy(
            update={
                "adapter": adapter,
                "encoder": config.encoder.model_copy(update={"dim": 24}),
                "llm": config.llm.model_copy(update={"dim": 20}),
            }
        )
    )
    theirs, layers = pair(1, system.adapter)
    x = torch.randn(1, frames, 24)
    same(system, theirs, lambda x: system.adapted(x[0])[None], x, layers)


def test_the_mlp_is_llasts_projector():
    """Linear, GELU, linear, GELU, linear; the activation is transformers' `gelu`, by its name."""
    torch.manual_seed(0)
    gelu = transformers.activations.ACT2FN["gelu"]
    theirs = nn.Sequential(nn.Linear(12, 20), gelu, nn.Linear(20, 20), gelu, nn.Linear(20, 20))
    ours = Mlp(12, 20)
    linear = [theirs[0], theirs[2], theirs[4]]
    for own, other in zip(ours.layers, linear, strict=True):
        own.load_state_dict(other.state_dict())
    same(ours, theirs, ours, 3 * torch.randn(2, 9, 12), list(zip(ours.layers, linear, strict=True)))
