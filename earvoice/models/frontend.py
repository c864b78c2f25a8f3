"""JSTAR's front-end: microphones -> beams -> log-mel of each beam -> two convolutions -> frames.

    [B, W, 5]   samples of the glasses' microphones, 16 kHz
       |        12 directions and the mouth, FIR filters of `models.beams`       [B, W, 13]
       |        log-mel of each beam, every 10 ms                                [B, T, 13, 80]
       |        2 x (convolution 2 x 5 over time and frequency, GLU, norm)       [B, T, 13, 17]
    [B, T', 1326]   6 frames stacked: 13 x 17 x 6, every 60 ms

80 mels, two convolutions and 1326 are the paper's; the kernel (2 x 5, stride 1 x 2, no padding in
frequency: 80 -> 38 -> 17) and the stacking by 6 are AGADIR's, which give that number. AGADIR has
batch norm; here each frame is normalised over its own maps and bins, so that a stream does not
depend on what it was batched with. With one microphone there is nothing to steer: one map, and
`maps` says how many the convolutions make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from earvoice.audio.arrays import ARRAYS, MicrophoneArray, check_array_channels
from earvoice.config import Config, Count
from earvoice.models.beams import DIRECTIONS, filters_for
from earvoice.models.features import (
    MEL_HOP_SAMPLES,
    MEL_WINDOW_SAMPLES,
    mel_filters,
    spectral_power,
)
from earvoice.models.stack import Stack
from earvoice.nn.chain import Chain, ChainState
from earvoice.nn.conv import TailState, init_tail, keep_tail, prepend_tail
from earvoice.nn.state import State, neighbours, row_list
from earvoice.units import Rate

_TIME, _BINS, _BIN_STRIDE, _CONVS = 2, 5, 2, 2
_FFT_SAMPLES = 1024
_SAMPLES_AT_ONCE = 500_000
"""Spectra of a whole batch go through memory: on one core that took twice as long and more."""


class FrontendConfig(Config):
    """The front-end's sizes.

    array: whose microphones (`audio.arrays`). directions: beams besides the mouth's. taps: of the
    beams' filters, 5 ms of delay at 161. mouth_null: how strongly the wearer is kept out of the
    other beams. maps: feature maps after the convolutions (None: one a beam). stack: 10 ms frames
    in one output.
    """

    array: Literal["glasses", "single"] = "glasses"
    directions: Count = DIRECTIONS
    taps: Count = 161
    mouth_null: Annotated[float, Field(ge=0)] = 0.0
    mels: Count = 80
    maps: Count | None = None
    stack: Count = 6

    @property
    def geometry(self) -> MicrophoneArray:
        """Where the microphones are."""
        return ARRAYS[self.array]

    @property
    def microphones(self) -> int:
        """Channels it takes."""
        return self.geometry.channels

    @property
    def beams(self) -> int:
        """Signals that features are made of: directions and mouth, or the only microphone."""
        return self.directions + 1 if self.microphones > 1 else 1

    @property
    def features(self) -> int:
        """Width of an output frame: 1326 at the paper's sizes."""
        return (self.maps or self.beams) * _bins_after(self.mels) * self.stack


def _bins_after(mels: int) -> int:
    bins = mels
    for _ in range(_CONVS):
        bins = (bins - _BINS) // _BIN_STRIDE + 1
    if bins < 1:
        raise ValueError(f"mels is {mels}; two convolutions need at least 17")
    return bins


@dataclass
class OverlapState(State):
    """What the filters still ring of the samples heard: tail [rows, beams, taps - 1]."""

    tail: Tensor


def _streams_at_once(samples: int) -> int:
    """Rows of so many samples whose spectra fit a processor's cache."""
    return max(1, _SAMPLES_AT_ONCE // max(1, samples))


class Beams(nn.Module):
    """Fixed FIR filters from microphones to beams, by FFT and overlap-add.

    Shapes: [B, W, C] -> [B, W, beams]. State: taps - 1 output samples a beam. The filters are a
    buffer, so that weights carry the steering they were trained with.
    """

    filters: Tensor

    def __init__(self, filters: NDArray[np.float32]) -> None:
        super().__init__()
        with torch.device("cpu"):  # a constant, also where the weights are built on "meta"
            self.register_buffer("filters", torch.from_numpy(filters.copy()))
        self.beams, self.channels, self.taps = filters.shape
        self.rate = Rate(stride=1, window=self.taps, lookahead=0)

    def init_state(self, rows: int, like: Tensor) -> OverlapState:
        """Silence."""
        shape = (rows, self.beams, self.taps - 1)
        return OverlapState(torch.zeros(shape, dtype=like.dtype, device=like.device))

    def forward(
        self, x: Tensor, state: OverlapState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W, C] -> [B, W, beams]."""
        count = x.shape[1]
        if count == 0:
            return x.new_zeros(x.shape[0], 0, self.beams)
        rows_at_once = _streams_at_once(count * self.beams)
        y = torch.cat([self._convolve(part) for part in x.split(rows_at_once)])
        if state is not None:
            index = neighbours(row_list(rows, x.shape[0], state))
            y = y + F.pad(state.tail[index].to(y.dtype), (0, count))
            state.tail[index] = y[:, :, count:].to(state.tail.dtype)
        return y[:, :, :count].transpose(1, 2)

    def flush(self, state: OverlapState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: what rings on after the last sample is not asked for. [B, 0, beams]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.beams)

    def _convolve(self, x: Tensor) -> Tensor:
        """The whole response to x [B, W, C], with what rings on: [B, beams, W + taps - 1]."""
        batch, count, _ = x.shape
        size = max(_FFT_SAMPLES, 1 << (2 * self.taps - 1).bit_length())
        block = size - self.taps + 1
        blocks = -(-count // block)
        with torch.autocast(x.device.type, enabled=False):
            padded = F.pad(x.float().transpose(1, 2), (0, blocks * block - count))
            spectra = torch.fft.rfft(padded.reshape(batch, -1, blocks, block), n=size)
            response = torch.fft.rfft(self.filters.float(), n=size)
            heard = torch.einsum("bcnf,kcf->bknf", spectra, response)
            parts = torch.fft.irfft(heard, n=size)
        ringing = parts[..., block:]
        early = F.pad(ringing[:, :, :-1], (0, block - self.taps + 1, 1, 0))
        whole = (parts[..., :block] + early).flatten(2)
        return torch.cat([whole, ringing[:, :, -1]], dim=2)[:, :, : count + self.taps - 1]


class BeamLogMel(nn.Module):
    """Log-mel energies of each beam, as `features.LogMel` makes them of one signal.

    Shapes: [B, W, K] -> [B, T, K * mels], T = W // 160. State: at most 399 samples a beam.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, beams: int, mels: int) -> None:
        super().__init__()
        self.beams, self.mels, self.n_fft = beams, mels, 512
        self.rate = Rate(stride=MEL_HOP_SAMPLES, window=MEL_WINDOW_SAMPLES, lookahead=0)
        with torch.device("cpu"):
            window = torch.hann_window(MEL_WINDOW_SAMPLES, periodic=False)
            filters = mel_filters(mels, self.n_fft)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """An empty sample tail."""
        left = MEL_WINDOW_SAMPLES - MEL_HOP_SAMPLES
        return init_tail(rows, MEL_WINDOW_SAMPLES - 1, left, self.beams, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W, K] -> [B, T, K * mels]."""
        if state is None:
            x = F.pad(x, (0, 0, MEL_WINDOW_SAMPLES - MEL_HOP_SAMPLES, 0))
        else:
            index = row_list(rows, x.shape[0], state)
            x = prepend_tail(x, state, index)
            count = max(0, (x.shape[1] - MEL_WINDOW_SAMPLES) // MEL_HOP_SAMPLES + 1)
            keep_tail(x, count * MEL_HOP_SAMPLES, state, index)
        if x.shape[1] < MEL_WINDOW_SAMPLES:
            return x.new_zeros(x.shape[0], 0, self.beams * self.mels)
        with torch.autocast(x.device.type, enabled=False):
            signals = x.float().transpose(1, 2).contiguous()
            rows_at_once = _streams_at_once(x.shape[1] * self.beams)
            parts = [self._energies(part) for part in signals.split(rows_at_once)]
            energies = torch.cat(parts).transpose(1, 2)  # [B, T, K, mels]
        return ((energies + 4.0) / 4.0).flatten(2)

    def _energies(self, signals: Tensor) -> Tensor:
        """[b, K, W] -> [b, K, T, mels]."""
        frames = signals.unfold(2, MEL_WINDOW_SAMPLES, MEL_HOP_SAMPLES) * self.window
        power = spectral_power(torch.fft.rfft(frames, n=self.n_fft))
        return torch.log(power @ self.filters + 1e-6)

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, K * mels]."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.beams * self.mels)


class BeamConv(nn.Module):
    """Convolution 2 x 5 (time, frequency), GLU, norm of the frame; causal in time.

    Shapes: [B, T, K * bins] -> [B, T, maps * bins'], bins' = (bins - 5) // 2 + 1.
    State: one frame a row.
    """

    def __init__(self, beams: int, bins: int, maps: int) -> None:
        super().__init__()
        self.beams, self.bins, self.maps = beams, bins, maps
        self.out_dim = maps * ((bins - _BINS) // _BIN_STRIDE + 1)
        self.conv = nn.Conv2d(beams, 2 * maps, (_TIME, _BINS), (1, _BIN_STRIDE))
        self.norm = nn.LayerNorm(self.out_dim)
        self.rate = Rate(stride=1, window=_TIME, lookahead=0)

    def init_state(self, rows: int, like: Tensor) -> TailState:
        """One frame of zeros."""
        return init_tail(rows, _TIME - 1, _TIME - 1, self.beams * self.bins, like)

    def forward(
        self, x: Tensor, state: TailState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, T, K * bins] -> [B, T, maps * bins']."""
        count = x.shape[1]
        if state is None:
            x = F.pad(x, (0, 0, _TIME - 1, 0))
        else:
            index = row_list(rows, x.shape[0], state)
            x = prepend_tail(x, state, index)
            keep_tail(x, count, state, index)
        if count == 0:
            return x.new_zeros(x.shape[0], 0, self.out_dim)
        maps = x.unflatten(2, (self.beams, self.bins)).transpose(1, 2)
        gated = F.glu(self.conv(maps), dim=1)
        normed: Tensor = self.norm(gated.transpose(1, 2).flatten(2))
        return normed

    def flush(self, state: TailState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, maps * bins']."""
        batch = state.rows if rows is None else len(rows)
        return state.tail.new_zeros(batch, 0, self.out_dim)


class Frontend(nn.Module):
    """The whole front-end (see the module). Shapes: [B, W, C] -> [B, T, features].

    filters [beams, C, taps]: the user's (`models.steering`) instead of free-field beams.
    Errors: `AudioError` for another number of channels, naming the microphones.
    """

    def __init__(self, config: FrontendConfig, filters: NDArray[np.float32] | None = None) -> None:
        super().__init__()
        self.config = config
        maps = config.maps or config.beams
        members: list[nn.Module] = []
        if config.microphones > 1:
            if filters is None:
                filters = filters_for(
                    config.geometry,
                    config.taps,
                    directions=config.directions,
                    mouth_null=config.mouth_null,
                )
            members.append(Beams(_fitting(filters, config)))
        members.append(BeamLogMel(config.beams, config.mels))
        beams, bins = config.beams, config.mels
        for _ in range(_CONVS):
            members.append(BeamConv(beams, bins, maps))
            beams, bins = maps, (bins - _BINS) // _BIN_STRIDE + 1
        self.chain = Chain(*members, Stack(config.stack, maps * bins))

    @property
    def rate(self) -> Rate:
        """From samples to frames: a stride of 960 at the paper's sizes."""
        return self.chain.rate

    def init_state(self, rows: int, like: Tensor) -> ChainState:
        """Empty streams."""
        return self.chain.init_state(rows, like)

    def forward(
        self, x: Tensor, state: ChainState | None = None, rows: Sequence[int] | None = None
    ) -> Tensor:
        """[B, W, C] -> [B, T, features]."""
        check_array_channels(x.shape[2], self.config.geometry)
        frames: Tensor = self.chain(x, state, rows)
        return frames

    def flush(self, state: ChainState, rows: Sequence[int] | None = None) -> Tensor:
        """Nothing: [B, 0, features]."""
        return self.chain.flush(state, rows)


def _fitting(filters: NDArray[np.float32], config: FrontendConfig) -> NDArray[np.float32]:
    expected = (config.beams, config.microphones, config.taps)
    if filters.shape != expected:
        raise ValueError(f"filters have shape {filters.shape}, this front-end needs {expected}")
    return filters
