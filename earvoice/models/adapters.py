"""Adapters: from encoder frames to language-model embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from earvoice.config import Config, Count
from earvoice.nn.chain import Chain, ChainState
from earvoice.nn.conv import StreamingConv1d, TailState
from earvoice.units import Rate


class ConvShrinkConfig(Config):
    """FASST's adapter: two convolutions, kernel 3, stride 2, hidden 1024 (2408.09430, 4.2)."""

    kernel: Count = 3
    stride: Count = 2
    layers: Count = 2
    hidden: Count = 1024
    left_pad: bool = True
    """One zero frame in front of each convolution, so that a block of b frames gives exactly
    b / stride^layers embeddings. False is the paper's code (discrepancy D3)."""


class GluConv(nn.Module):
    """A strided convolution with a gated linear unit. Shapes: [B, T, in] -> [B, T', out]."""

    def __init__(self, in_dim: int, out_dim: int, config: ConvShrinkConfig) -> None:
        super().__init__()
        pad = None if config.left_pad else 0
        self.conv = StreamingConv1d(in_dim, 2 * out_dim, config.kernel, config.stride, left_pad=pad)
        self.rate = self.conv.rate

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """The convolution's tail."""
        return self.conv.init_state(rows, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, in] -> [B, T', out]."""
        return F.glu(self.conv(x, state, rows), dim=-1)

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, out]."""
        return self.conv.flush(state, rows)[..., : self.conv.weight.shape[0] // 2]


class ConvShrink(nn.Module):
    """Length and modality adapter: strided GLU convolutions, then a linear layer.

    In the paper's code the first convolution halves its width (1024 -> GLU 512) and the last
    gives the hidden width. Shapes: [B, T, in_dim] -> [B, T / stride^layers, out_dim].
    """

    def __init__(self, config: ConvShrinkConfig, in_dim: int, out_dim: int) -> None:
        super().__init__()
        widths = [config.hidden // 2] * (config.layers - 1) + [config.hidden]
        members = []
        for width in widths:
            members.append(GluConv(in_dim, width, config))
            in_dim = width
        self.convs = Chain(*members)
        self.linear = nn.Linear(in_dim, out_dim)

    @property
    def rate(self) -> Rate:
        """The convolutions' rates composed."""
        return self.convs.rate

    def init_state(self, rows: int, like: Tensor) -> ChainState:
        """The convolutions' tails."""
        return self.convs.init_state(rows, like)

    def forward(
        self, x: Tensor, state: ChainState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, in_dim] -> [B, T', out_dim]."""
        return self.linear(self.convs(x, state, rows))

    def flush(self, state: ChainState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, out_dim]."""
        return self.linear(self.convs.flush(state, rows))


class Mlp(nn.Module):
    """LLaST's adapter: linear layers with GELU between them (2407.15415, figure 1).

    No norm, no dropout, no change of rate. Shapes: [..., in_dim] -> [..., out_dim].
    """

    def __init__(self, in_dim: int, out_dim: int, layers: int = 3) -> None:
        super().__init__()
        widths = [in_dim] + [out_dim] * layers
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_dim] -> [..., out_dim]."""
        for number, layer in enumerate(self.layers):
            x = layer(F.gelu(x) if number else x)
        return x
