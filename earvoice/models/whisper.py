"""Whisper's encoder (2212.04356), without its decoder: log-mel in, one frame per 20 ms out.

      samples -> padded to 30 s -> log-mel 10 ms -> conv, conv / 2 -> + sinusoids -> layers -> norm
                                                                              cut to the real length

The features are openai-whisper's: periodic Hann window, Slaney mel filters, log10, everything more
than 8 below the loudest value of the padded window raised to there, (x + 4) / 4. Equal to
transformers' `WhisperEncoder`; `models/convert/whisper.py` loads its checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, check_divides
from earvoice.nn.attention import attend
from earvoice.nn.conv import CausalDepthwiseConv
from earvoice.units import SAMPLE_RATE

WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
_PADDING_FRAMES = 4
"""Silence behind an item that is not padded to a window: more than the convolutions see."""
_FLOOR = 1e-10
_RANGE = 8.0


class WhisperConfig(Config):
    """Sizes of an encoder; the defaults are large-v2's."""

    mels: Count = 80
    dim: Count = 1280
    layers: Count = 32
    heads: Count = 20
    ffn_dim: Count = 5120
    frames: Count = 1500
    """Frames of the window the input is padded to: 1500 are 30 s. Longer audio is cut."""
    strides: tuple[Count, Count] = (1, 2)
    """Of the two convolutions over features of 10 ms; Whisper's give a frame per 20 ms."""
    padded: bool = True
    """Whether frames attend to the silence that fills the window, as in Whisper. Without it an
    utterance costs what it lasts, for models that are trained so."""
    conv_kernel: Count | None = None
    """Ours: a causal depthwise convolution in each layer, with which a small encoder learns to hear
    in minutes."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> WhisperConfig:
        check_divides(("heads", self.heads), ("dim", self.dim))
        if self.dim % 2 or self.dim < 4:
            raise ValueError(f"dim is {self.dim}, it must be even and at least 4, for sinusoids")
        return self

    @property
    def window_samples(self) -> int:
        """Samples of the padded window."""
        return self.frames * self.samples_per_frame

    @property
    def samples_per_frame(self) -> int:
        """Samples that a frame stands for."""
        return HOP_SAMPLES * self.strides[0] * self.strides[1]


class WhisperMel(nn.Module):
    """Whisper's log-mel features. Shapes: [B, W] at 16 kHz -> [B, mels, W // 160].

    The loudest value is that of each whole item, silence in the padding included.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, mels: int) -> None:
        super().__init__()
        with torch.device("cpu"):  # constants, also where the weights are built on "meta"
            window, filters = torch.hann_window(WINDOW_SAMPLES), slaney_filters(mels)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """[B, W] -> [B, mels, W // 160]."""
        with torch.autocast(samples.device.type, enabled=False):
            spectrum = torch.stft(
                samples.float(),
                WINDOW_SAMPLES,
                HOP_SAMPLES,
                window=self.window,
                return_complex=True,
            )
            power = spectrum[..., :-1].abs().square()
            energies = (self.filters.T @ power).clamp(min=_FLOOR).log10()
            loudest = energies.amax((1, 2), keepdim=True)
            return (energies.maximum(loudest - _RANGE) + 4.0) / 4.0


class WhisperLayer(nn.Module):
    """One pre-norm layer: attention, ours: a depthwise convolution, feed-forward.

    The key projection has no bias. Shapes: [B, T, D] -> [B, T, D].
    """

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attn_norm = nn.LayerNorm(config.dim)
        self.q = nn.Linear(config.dim, config.dim)
        self.k = nn.Linear(config.dim, config.dim, bias=False)
        self.v = nn.Linear(config.dim, config.dim)
        self.out = nn.Linear(config.dim, config.dim)
        kernel = config.conv_kernel
        self.conv_norm = nn.LayerNorm(config.dim) if kernel else None
        self.conv = CausalDepthwiseConv(config.dim, kernel) if kernel else None
        self.conv_out = nn.Linear(config.dim, config.dim) if kernel else None
        self.ffn_norm = nn.LayerNorm(config.dim)
        self.ffn_in = nn.Linear(config.dim, config.ffn_dim)
        self.ffn_out = nn.Linear(config.ffn_dim, config.dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; mask [B, 1, 1, T] is true for the frames to be seen."""
        y = self.attn_norm(x)
        q, k, v = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        x = x + self.out(attend(q, k, v, mask).transpose(1, 2).flatten(2))
        if self.conv is not None and self.conv_norm is not None and self.conv_out is not None:
            x = x + self.conv_out(F.silu(self.conv(self.conv_norm(x))))
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))


class Whisper(nn.Module):
    """The encoder. Shapes: [B, W] samples at 16 kHz -> [B, T, dim], T of the longest item."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__()
        self.config = config
        self.features = WhisperMel(config.mels)
        first, second = config.strides
        self.conv_in = nn.Conv1d(config.mels, config.dim, 3, stride=first, padding=1)
        self.conv_out = nn.Conv1d(config.dim, config.dim, 3, stride=second, padding=1)
        self.positions = nn.Parameter(sinusoids(config.frames, config.dim))
        self.layers = nn.ModuleList(WhisperLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)

    @torch.no_grad()
    def initialise(self) -> None:
        """Random weights for training from scratch: the sound is as loud as the positions."""
        for conv in (self.conv_in, self.conv_out):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def frames_of(self, samples: int) -> int:
        """Frames that stand for so many samples: whole ones, at most the window's.

        The reference's arithmetic for frames of 20 ms, whose rounding loses one here and there.
        """
        per_frame = self.config.samples_per_frame // HOP_SAMPLES
        return min(int(samples / 480_000 * 3000) // per_frame, self.config.frames)

    def forward(self, samples: Tensor, counts: Sequence[int] | None = None) -> Tensor:
        """Samples to frames, cut to the longest item's real length.

        Args: samples [B, W], zeros behind each item's end; counts: samples of each item, None
            when all are W long.
        Returns: [B, T, dim]; frames behind an item's own `frames_of(count)` say nothing.
        """
        counts = [samples.shape[1]] * len(samples) if counts is None else counts
        frames = [self.frames_of(count) for count in counts]
        longest = max(frames, default=0)
        window = self.config.window_samples
        heard = samples[:, :window]
        if self.config.padded:
            heard = F.pad(heard, (0, window - heard.shape[1]))
            return self.encode(self.features(heard))[:, :longest]
        heard = heard[:, : max(counts, default=0)]
        heard = F.pad(heard, (0, _PADDING_FRAMES * self.config.samples_per_frame + WINDOW_SAMPLES))
        real = torch.arange(longest) < torch.tensor(frames)[:, None]
        return self.encode(self.features(heard), real.to(heard.device))

    def encode(self, mel: Tensor, real: Tensor | None = None) -> Tensor:
        """Features to frames.

        Args: mel [B, mels, N]; real [B, T]: the frames that there are, the others are not seen;
            None for a whole window.
        Returns: [B, T, dim].
        """
        x = F.gelu(self.conv_in(mel.to(self.conv_in.weight.dtype)))
        x = F.gelu(self.conv_out(x)).transpose(1, 2)
        mask = None
        if real is not None:
            x, mask = x[:, : real.shape[1]], real[:, None, None]
            mask = mask | ~mask.any(-1, keepdim=True)  # of nothing, anything: no division by 0
        x = x + self.positions[: x.shape[1]].to(x.dtype)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


def sinusoids(frames: int, dim: int) -> Tensor:
    """Whisper's positions: sines, then cosines, of wavelengths up to 10000. [frames, dim]."""
    step = math.log(10000.0) / (dim // 2 - 1)
    scales = torch.exp(-step * torch.arange(dim // 2))
    angle = torch.arange(frames)[:, None] * scales
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def slaney_filters(mels: int) -> Tensor:
    """Triangles on Slaney's mel scale, 0 to 8 kHz, of unit area. [201, mels].

    The scale is linear below 1 kHz (3 mels in 200 Hz) and logarithmic above (27 mels in a factor
    of 6.4).
    """
    top = 15.0 + math.log(SAMPLE_RATE / 2 / 1000.0) * 27.0 / math.log(6.4)
    points = torch.linspace(0, top, mels + 2, dtype=torch.float64)
    above = 1000.0 * torch.exp((points - 15.0) * math.log(6.4) / 27.0)
    centres_hz = torch.where(points < 15.0, points * 200.0 / 3.0, above)
    bins = WINDOW_SAMPLES // 2 + 1
    bins_hz = torch.linspace(0, SAMPLE_RATE / 2, bins, dtype=torch.float64)[:, None]
    low, centre, high = centres_hz[:-2], centres_hz[1:-1], centres_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * 2.0 / (high - low)).float()
