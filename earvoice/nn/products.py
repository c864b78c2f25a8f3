"""Matrix products with weights that are only read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReadLinear(nn.Linear):
    """A linear layer whose weights are only read. Shapes: [..., in] -> [..., out].

    Four streams and more go to oneDNN instead of MKL: on one AVX-512 core 8 and 16 of them in a
    batch cost 3 to 5 % less. A stream alone gains nothing, and for one token MKL is quicker.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if _ONEDNN is None or not _for_onednn(x, self.weight):
            return F.linear(x, self.weight, self.bias)
        y: Tensor = _ONEDNN(x, self.weight, self.bias, "none", [], "")
        return y


_LEAST_STREAMS = 4


def _for_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether it is of several streams, in float32 on a CPU, and nothing is learnt."""
    return (
        x.dim() > 1
        and x.shape[0] >= _LEAST_STREAMS
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def _onednn() -> torch._ops.OpOverloadPacket | None:
    """oneDNN's linear layer, which torch's own compiler calls; None in a torch without it."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


_ONEDNN = _onednn()
