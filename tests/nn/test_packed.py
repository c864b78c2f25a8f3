import pytest
import torch
from torch import nn

from earvoice.nn.conv import StreamingConv1d
from earvoice.nn.packed import PackedLinear, PackedProduct, can_pack

pytestmark = pytest.mark.skipif(
    not can_pack(torch.empty(256, 256)), reason="this build of PyTorch does not pack"
)
SIZES = [(256, 256), (1024, 256), (700, 300), (1100, 1024)]


@pytest.mark.parametrize(("out_dim", "in_dim"), SIZES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 24, 200])
def test_equals_the_plain_product(out_dim, in_dim, bias, rows):
    linear = nn.Linear(in_dim, out_dim, bias=bias)
    x = torch.randn(rows, in_dim)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(x), linear(x), atol=1e-5, rtol=1e-5)


def test_any_shape_and_memory_of_the_input():
    linear = nn.Linear(512, 600)
    packed = PackedLinear(linear)
    x = torch.randn(512, 3, 9)
    with torch.inference_mode():
        for given in (x.permute(1, 2, 0), x.permute(2, 1, 0)[1:, 1:], x[:, 0].t()):
            torch.testing.assert_close(packed(given), linear(given), atol=1e-5, rtol=1e-5)


def test_a_gradient_goes_through_the_plain_product():
    linear = nn.Linear(512, 600)
    x = torch.randn(8, 512, requires_grad=True)
    PackedLinear(linear)(x).sum().backward()
    torch.testing.assert_close(x.grad, linear.weight.sum(0).expand(8, -1))


def test_other_types_are_multiplied_as_they_are():
    weight = torch.randn(600, 512)
    x = torch.randn(8, 512, dtype=torch.float64)
    product = PackedProduct(weight)
    with pytest.raises(RuntimeError):  # as F.linear, not silently rounded
        product(x)


def test_what_is_not_packed():
    assert not can_pack(torch.randn(64, 64))
    assert not can_pack(torch.randn(600, 512, dtype=torch.bfloat16))
    assert not can_pack(torch.randn(600, 512, device="meta"))
    with pytest.raises(ValueError, match="not packed"):
        PackedProduct(torch.randn(64, 64))


def test_a_convolution_equals_itself_packed():
    conv = StreamingConv1d(128, 256, 3, 2)
    x = torch.randn(4, 96, 128)
    with torch.inference_mode():
        before = conv(x)
        assert conv.pack(conv.weight.nbytes - 1) == 0
        assert conv.pack(conv.weight.nbytes) == conv.weight.nbytes
        torch.testing.assert_close(conv(x), before, atol=1e-5, rtol=1e-5)
    assert StreamingConv1d(128, 256, 3, groups=4).pack(2**30) == 0
