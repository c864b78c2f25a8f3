"""A layer whose weights are only read gives what a plain one gives, by whichever kernel."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from earvoice.models.layout import lay_out_for_inference
from earvoice.nn import products


def layer(bias=True):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(12, 20, bias=bias)).requires_grad_(False)
    lay_out_for_inference(made)
    return made[0]


@pytest.mark.parametrize("shape", [(12,), (1, 12), (4, 12), (4, 3, 12), (7, 1, 12), (5, 0, 12)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_as_a_plain_layer(shape, bias):
    read, x = layer(bias), torch.randn(shape)
    assert isinstance(read, products.ReadLinear)
    torch.testing.assert_close(read(x), F.linear(x, read.weight, read.bias))


@torch.inference_mode()
def test_streams_that_do_not_lie_in_order():
    read, x = layer(), torch.randn(3, 6, 24).transpose(0, 1)[..., ::2]
    torch.testing.assert_close(read(x), F.linear(x, read.weight, read.bias))


@pytest.mark.parametrize(
    ("shape", "dtype", "learns", "taken"),
    [
        ((4, 1, 12), torch.float32, False, True),
        ((3, 9, 12), torch.float32, False, False),  # a few streams are left as they were
        ((4, 1, 12), torch.bfloat16, False, False),
        ((4, 1, 12), torch.float32, True, False),
    ],
)
def test_which_go_to_onednn(monkeypatch, shape, dtype, learns, taken):
    calls = []

    def count(x, weight, bias, *rest):
        calls.append(x.shape)
        return F.linear(x, weight, bias)

    monkeypatch.setattr(products, "_ONEDNN", count)
    read = layer().to(dtype)
    with torch.set_grad_enabled(learns):
        read(torch.randn(shape, dtype=dtype))
    assert bool(calls) == taken


@torch.inference_mode()
def test_a_torch_without_onednn(monkeypatch):
    read, x = layer(), torch.randn(5, 2, 12)
    monkeypatch.setattr(products, "_ONEDNN", None)
    torch.testing.assert_close(read(x), F.linear(x, read.weight, read.bias))
