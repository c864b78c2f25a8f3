"""Streaming convolutions against torch's own, and what their state costs."""

import pytest
import torch
import torch.nn.functional as F

from earvoice.nn.chain import Chain
from earvoice.nn.conv import CausalDepthwiseConv, StreamingConv1d, init_tail


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "left_pad"),
    [
        (3, 2, 1, None),
        (3, 2, 1, 0),
        (5, 1, 2, None),
        (10, 5, 1, None),
        (1, 1, 4, None),
        (4, 4, 1, 3),
    ],
)
def test_it_is_conv1d(kernel, stride, groups, left_pad):
    conv = StreamingConv1d(4, 8, kernel, stride, groups=groups, left_pad=left_pad)
    x = torch.randn(2, 31, 4)
    padded = F.pad(x.transpose(1, 2), (conv.left_pad, 0))
    expected = F.conv1d(padded, conv.weight, conv.bias, stride=stride, groups=groups)
    torch.testing.assert_close(conv(x), expected.transpose(1, 2), atol=1e-5, rtol=1e-4)


def test_the_default_padding_is_what_the_rate_asks_for():
    conv = StreamingConv1d(4, 8, 7, 3)
    assert conv.left_pad == conv.rate.left_pad() == 4


def test_depthwise_is_a_grouped_conv1d():
    conv = CausalDepthwiseConv(6, 4)
    x = torch.randn(2, 15, 6)
    weight = conv.weight.T[:, None]
    expected = F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), weight, groups=6)
    torch.testing.assert_close(conv(x), expected.transpose(1, 2), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("left_pad", [-1, 3, 9])
def test_padding_beyond_the_kernel_is_refused(left_pad):
    with pytest.raises(ValueError, match="must be 0 to 2"):
        StreamingConv1d(4, 8, 3, left_pad=left_pad)


def test_a_stride_beyond_the_kernel_is_refused():
    with pytest.raises(ValueError, match="stride 3 must not exceed kernel 2"):
        StreamingConv1d(4, 8, 2, 3)


def test_an_empty_chain_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        Chain()


def test_rates_compose():
    chain = Chain(StreamingConv1d(4, 4, 3, 2), StreamingConv1d(4, 4, 3, 2))
    assert (chain.rate.stride, chain.rate.window) == (4, 7)


def test_a_state_holds_a_kernel_less_one_inputs():
    conv = StreamingConv1d(4, 8, 7, 3)
    state = conv.init_state(2, torch.zeros(0))
    assert state.nbytes() == 2 * (6 * 4 * 4 + 8)


def test_dtype_of_the_state_follows_the_model():
    assert init_tail(1, 4, 2, 3, torch.zeros(0, dtype=torch.bfloat16)).tail.dtype == torch.bfloat16
