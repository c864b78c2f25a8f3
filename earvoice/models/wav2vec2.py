"""Blockwise-causal wav2vec 2.0: waveform or log-mel in, one encoder, any chunking = offline.

Source: wav2vec 2.0 (2006.11477), layer-norm variant as in the LV-60k checkpoints; the causal
changes are FASST's (2408.09430 section 3.2). `models/convert/wav2vec2.py` loads checkpoints in
transformers' layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, check_divides
from earvoice.models.features import (
    LogMelConfig,
    WaveformConfig,
    WaveformFrontend,
    log_mel_frontend,
)
from earvoice.nn.state import State
from earvoice.nn.transformer import BlockwiseEncoder, EncoderState
from earvoice.units import Rate


class Wav2Vec2Config(Config):
    """wav2vec 2.0 Large with FASST's blocks; sources in brackets."""

    frontend: Annotated[WaveformConfig | LogMelConfig, Field(discriminator="kind")] = (
        WaveformConfig()
    )
    dim: Count = 1024  # [2006.11477, Large]
    layers: Count = 24
    heads: Count = 16
    ffn_dim: Count = 4096
    position_kernel: Count = 128
    position_groups: Count = 16
    block_frames: Count = 50  # [2408.09430, 4.2: about one second]
    left_blocks: Annotated[int, Field(ge=0)] | None = None  # [2408.09430, eq. 4: unlimited]
    max_blocks: Count = 60  # ours: what a live stream keeps of an unlimited context
    conv_kernel: Count | None = None  # ours: causal depthwise convolution in each layer
    bidirectional: bool = False  # offline reference mode

    @model_validator(mode="after")
    def _sizes_fit(self) -> Wav2Vec2Config:
        check_divides(("heads", self.heads), ("dim", self.dim))
        check_divides(("position_groups", self.position_groups), ("dim", self.dim))
        return self


@dataclass
class Wav2Vec2State(State):
    """Front-end tails and the encoder's state."""

    frontend: Any
    encoder: EncoderState


class Wav2Vec2(nn.Module):
    """Speech encoder. Shapes: [B, W] samples at 16 kHz -> [B, T, dim]."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.config = config
        self.project: nn.Module
        if isinstance(config.frontend, WaveformConfig):
            self.frontend: nn.Module = WaveformFrontend(config.frontend)
            channels = config.frontend.channels
            self.project = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, config.dim))
        else:
            self.frontend = log_mel_frontend(config.frontend, config.dim)
            self.project = nn.Linear(config.dim, config.dim)
        self.encoder = BlockwiseEncoder(
            config.dim,
            config.layers,
            config.heads,
            config.ffn_dim,
            config.block_frames,
            config.left_blocks,
            position_kernel=config.position_kernel,
            position_groups=config.position_groups,
            bidirectional=config.bidirectional,
            conv_kernel=config.conv_kernel,
            max_blocks=config.max_blocks,
        )

    @property
    def rate(self) -> Rate:
        """Front-end and encoder composed, in samples."""
        front: Rate = self.frontend.rate  # type: ignore[assignment]
        return front.then(self.encoder.rate)

    @property
    def block_samples(self) -> int:
        """Samples of one attention block: the step of a live stream."""
        front: Rate = self.frontend.rate  # type: ignore[assignment]
        return self.config.block_frames * front.stride

    def init_state(self, rows: int, like: Tensor) -> Wav2Vec2State:
        """Empty streams."""
        return Wav2Vec2State(
            self.frontend.init_state(rows, like),  # type: ignore[operator]
            self.encoder.init_state(rows, like),
        )

    def forward(
        self, x: Tensor, state: Wav2Vec2State | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W] -> [B, T, dim]."""
        front = None if state is None else state.frontend
        frames = self.project(self.frontend(x, front, rows))
        return self.encoder(frames, None if state is None else state.encoder, rows)

    def flush(self, state: Wav2Vec2State, rows: Sequence[int] | None = None) -> Tensor:
        """The incomplete last block. [B, T', dim]."""
        return self.encoder.flush(state.encoder, rows)
