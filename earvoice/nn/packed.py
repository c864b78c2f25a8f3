"""Matrix products with weights that never change again, for the CPU.

PyTorch multiplies by a weight as it lies in memory and rearranges it in every call, which for few
rows costs more than the product. oneDNN can do so once: most is gained for 2 to 24 rows and large
weights; for one row and a small weight it is slower, so `PackedProduct` looks at both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST_WEIGHTS = 2**15
"""Below it packing never pays."""
_FEW_ROWS = ((2**20, 1), (2**17, 2))
"""From so many weights on packing pays from so many rows on ..."""
_LEAST_PRODUCTS = 2**22
"""... and for smaller ones from so many multiplications on: a call costs 15 microseconds more."""


class PackedProduct:
    """x [..., in] -> x @ weight.T + bias [..., out], the weight as [out, in], packed once.

    Inference only: there is no gradient. It holds a copy of the weight beside the weight.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        if not can_pack(weight):
            raise ValueError(f"a weight of {tuple(weight.shape)} {weight.dtype} is not packed")
        self.weight, self.bias = weight, bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), None)
        self._least_rows = _least_rows(weight.numel())

    def __call__(self, x: Tensor) -> Tensor:
        """The product, packed where that is faster."""
        rows = x.numel() // x.shape[-1]
        if rows < self._least_rows or x.dtype != torch.float32 or not x.is_cpu:
            return F.linear(x, self.weight, self.bias)
        if x.requires_grad and torch.is_grad_enabled():
            return F.linear(x, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self.bias, "none", [], ""
        )
        return product


def _least_rows(weights: int) -> int:
    few = (rows for least, rows in _FEW_ROWS if weights >= least)
    return next(few, -(-_LEAST_PRODUCTS // weights))


def can_pack(weight: Tensor) -> bool:
    """Whether it is one that `PackedProduct` multiplies faster, on this build of PyTorch."""
    return (
        weight.dim() == 2
        and weight.numel() >= _LEAST_WEIGHTS
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


class PackedLinear(nn.Linear):
    """A linear layer, packed: names, parameters and values are those of the one it is made of."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._product = PackedProduct(linear.weight, linear.bias)

    def forward(self, input: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features]."""
        return self._product(input)
