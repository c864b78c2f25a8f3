"""Streaming front-ends: waveform in, frames of the encoder's width out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count
from earvoice.nn.chain import Chain, ChainState
from earvoice.nn.conv import (
    Start,
    StreamingConv1d,
    TailState,
    init_tail,
    keep_tail,
    prepend_tail,
)
from earvoice.nn.state import row_list
from earvoice.units import SAMPLE_RATE, Rate

MEL_WINDOW_SAMPLES = 400
MEL_HOP_SAMPLES = 160
_SAMPLES_AT_ONCE = 32_000
"""Spectra of a whole batch leave the processor's cache, and their memory is new each time: with 8
streams of a second at once a frame cost three times what it costs with two."""


class LogMelConfig(Config):
    """Log-mel energies and strided convolutions: about 30 times cheaper than waveform ones.

    frame_ms: 20 is wav2vec 2.0's rate; 40 halves the encoder's cost.
    """

    kind: Literal["log_mel"] = "log_mel"
    mels: Count = 80
    frame_ms: Literal[20, 40] = 20


class WaveformConfig(Config):
    """wav2vec 2.0's feature extractor, layer-norm variant (2006.11477; LV-60k checkpoints)."""

    kind: Literal["waveform"] = "waveform"
    channels: Count = 512
    kernels: tuple[Count, ...] = (10, 3, 3, 3, 3, 2, 2)
    strides: tuple[Count, ...] = (5, 2, 2, 2, 2, 2, 2)
    bias: bool = True
    left_pad: bool = True
    """Zeros in front, so that i seconds give exactly 50 i frames (discrepancy D3). False is the
    paper's code: 50 i - 1 frames, and the last frame of a block comes one step late."""

    @model_validator(mode="after")
    def _layers_match(self) -> WaveformConfig:
        if len(self.kernels) != len(self.strides) or not self.kernels:
            raise ValueError(
                f"kernels has {len(self.kernels)} layers and strides {len(self.strides)}; "
                "they must have equally many, at least one"
            )
        return self


def mel_filters(mels: int, n_fft: int) -> Tensor:
    """Triangular filters on the HTK mel scale, 0 to 8 kHz, unit peak. [n_fft // 2 + 1, mels]."""
    top = 2595.0 * math.log10(1.0 + SAMPLE_RATE / 2 / 700.0)
    centres_hz = 700.0 * (10 ** (torch.linspace(0, top, mels + 2, dtype=torch.float64) / 2595) - 1)
    bins_hz = torch.linspace(0, SAMPLE_RATE / 2, n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins_hz[:, None] - centres_hz[:-2]) / (centres_hz[1:-1] - centres_hz[:-2])
    falling = (centres_hz[2:] - bins_hz[:, None]) / (centres_hz[2:] - centres_hz[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def spectral_power(spectra: Tensor) -> Tensor:
    """Squared magnitudes of complex numbers, several times faster than a sum over the pairs."""
    squares = torch.view_as_real(spectra).square()
    return squares[..., 0] + squares[..., 1]


class LogMel(nn.Module):
    """Log-mel energies, 10 ms apart, scaled to about zero mean and unit variance.

    Shapes: [B, W] samples at 16 kHz -> [B, T, mels], T = W // 160 over the whole stream.
    State: at most 399 samples. The fixed scale (no utterance statistics) keeps it causal.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.mels, self.n_fft = mels, 512
        self.rate = Rate(stride=MEL_HOP_SAMPLES, window=MEL_WINDOW_SAMPLES, lookahead=0)
        self.left_pad = MEL_WINDOW_SAMPLES - MEL_HOP_SAMPLES
        with torch.device("cpu"):  # constants, also where the weights are built on "meta"
            window = torch.hann_window(MEL_WINDOW_SAMPLES, periodic=False)
            filters = mel_filters(mels, self.n_fft)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """An empty sample tail."""
        return init_tail(rows, MEL_WINDOW_SAMPLES - 1, self.left_pad, 1, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W] -> [B, T, mels]."""
        if state is None:
            x = F.pad(x, (self.left_pad, 0))
        else:
            index = row_list(rows, x.shape[0], state)
            x = prepend_tail(x[..., None], state, index)[..., 0]
            count = max(0, (x.shape[1] - MEL_WINDOW_SAMPLES) // MEL_HOP_SAMPLES + 1)
            keep_tail(x[..., None], count * MEL_HOP_SAMPLES, state, index)
        if x.shape[1] < MEL_WINDOW_SAMPLES:
            return x.new_zeros(x.shape[0], 0, self.mels)
        return self._energies(x)

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, mels]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.mels)

    def _energies(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            rows_at_once = max(1, _SAMPLES_AT_ONCE // x.shape[1])
            parts = [self._log_power(part) for part in x.float().split(rows_at_once)]
        return (torch.cat(parts) + 4.0) / 4.0

    def _log_power(self, x: Tensor) -> Tensor:
        frames = x.unfold(1, MEL_WINDOW_SAMPLES, MEL_HOP_SAMPLES) * self.window
        power = spectral_power(torch.fft.rfft(frames, n=self.n_fft))
        return torch.log(power @ self.filters + 1e-6)


class ConvBlock(nn.Module):
    """A streaming convolution, layer norm and GELU. Shapes: [B, T, in] -> [B, T', out]."""

    def __init__(self, conv: StreamingConv1d, out_dim: int, *, norm: bool) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.LayerNorm(out_dim) if norm else None
        self.rate = conv.rate

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """The convolution's tail."""
        return self.conv.init_state(rows, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, in] -> [B, T', out]."""
        x = self.conv(x, state, rows)
        return F.gelu(x if self.norm is None else self.norm(x))

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, out]."""
        return self.conv.flush(state, rows)


class WaveformFrontend(nn.Module):
    """wav2vec 2.0's convolutional feature extractor, streaming.

    With `left_pad` the stream starts as if `window - stride` (80) zero samples had been heard, so
    that i seconds give exactly 50 i frames. The empty state therefore holds the features of
    silence, which depend on the weights: they are computed when a state is made.

    Shapes: [B, W] samples at 16 kHz -> [B, T, channels].
    """

    def __init__(self, config: WaveformConfig) -> None:
        super().__init__()
        blocks = []
        in_dim = 1
        for kernel, stride in zip(config.kernels, config.strides, strict=True):
            conv = StreamingConv1d(
                in_dim, config.channels, kernel, stride, left_pad=0, bias=config.bias
            )
            blocks.append(ConvBlock(conv, config.channels, norm=True))
            in_dim = config.channels
        self.chain = Chain(*blocks)
        self.rate = self.chain.rate
        self.left_pad = self.rate.left_pad() if config.left_pad else 0

    def init_state(self, rows: int, like: Tensor) -> ChainState:
        """Rows that have heard `left_pad` zero samples."""
        state = self.chain.init_state(rows, like)
        if self.left_pad:
            with torch.no_grad():
                one = self.chain.init_state(1, like)
                self.chain(like.new_zeros(1, self.left_pad, 1), one)
            for member, heard in zip(state.members, one.members, strict=True):
                member.start = Start(heard.tail[0, : int(heard.fill[0])].clone())
            state.reset(range(rows))
        return state

    def forward(
        self, x: Tensor, state: ChainState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W] -> [B, T, channels]."""
        if state is None:
            x = F.pad(x, (self.left_pad, 0))
        return self.chain(x[..., None], state, rows)

    def flush(self, state: ChainState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, channels]."""
        return self.chain.flush(state, rows)


def log_mel_frontend(config: LogMelConfig, dim: int) -> Chain:
    """Log-mel and convolutions to 20 or 40 ms frames. [B, W] -> [B, T, dim]."""
    convs = [ConvBlock(StreamingConv1d(config.mels, dim, 3, 2), dim, norm=True)]
    if config.frame_ms == 40:
        convs.append(ConvBlock(StreamingConv1d(dim, dim, 3, 2), dim, norm=True))
    return Chain(LogMel(config.mels), *convs)
