"""Counting arithmetic: by hand, without a trace in what is computed."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from earvoice.train.flops import FlopCount, peak_flops
from tests.train.ranks import Draws, llast


def counted(make):
    with FlopCount() as count:
        make()
    return count.flops


def test_a_linear_layer_forward_and_for_both_gradients():
    layer, x = nn.Linear(3, 5), torch.randn(7, 3)
    assert counted(lambda: layer(x)) == 2 * (2 * 7 * 3 * 5)
    assert counted(lambda: layer(x.clone().requires_grad_())) == 3 * (2 * 7 * 3 * 5)
    layer.requires_grad_(False)
    assert counted(lambda: layer(x)) == 2 * 7 * 3 * 5
    with torch.no_grad():
        assert counted(lambda: nn.Linear(3, 5)(x)) == 2 * 7 * 3 * 5


def test_products_convolutions_and_attention():
    a, b = torch.randn(2, 4, 3), torch.randn(2, 3, 6)
    assert counted(lambda: a @ b) == counted(lambda: torch.bmm(a, b)) == 2 * 2 * 4 * 6 * 3
    conv = nn.Conv1d(3, 8, 5).requires_grad_(False)
    assert counted(lambda: conv(torch.randn(2, 3, 20))) == 2 * 2 * 8 * 16 * 3 * 5
    q, k = torch.randn(1, 2, 6, 4), torch.randn(1, 2, 9, 4)
    assert counted(lambda: F.scaled_dot_product_attention(q, k, k)) == 2 * 2 * (2 * 6 * 9 * 4)


def test_a_system_costs_more_than_its_weights_once_and_computes_the_same():
    system, batch = llast(), Draws().batch(0)
    plain = system.translate_objective(batch)["loss"]
    with FlopCount() as count:
        again = system.translate_objective(batch)["loss"]
    assert torch.equal(plain, again)
    tokens = sum(len(answer.ids) for answer in batch.answers)
    assert count.flops > 2 * sum(p.numel() for p in system.lm.parameters()) * tokens


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_processor_can_do_something(precision):
    assert peak_flops(torch.device("cpu"), precision) > 1e6
