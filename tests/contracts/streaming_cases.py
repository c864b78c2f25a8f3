"""Every streaming module, tiny, for `test_streaming.py`.

A module joins by adding a `Case`; nothing else has to be written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from earvoice.models.adapters import ConvShrink, ConvShrinkConfig, GluConv
from earvoice.models.cascade import Cascade, CascadeState, EmformerConfig
from earvoice.models.features import (
    ConvBlock,
    LogMel,
    LogMelConfig,
    WaveformConfig,
    WaveformFrontend,
    log_mel_frontend,
)
from earvoice.models.frontend import BeamConv, Beams, Frontend, FrontendConfig
from earvoice.models.llm import LlamaConfig
from earvoice.models.stack import Stack
from earvoice.models.wav2vec2 import Wav2Vec2, Wav2Vec2Config
from earvoice.nn.chain import Chain
from earvoice.nn.conv import CausalDepthwiseConv, StreamingConv1d
from earvoice.nn.emformer import Context, Emformer
from earvoice.nn.transformer import BlockwiseEncoder
from earvoice.systems.fasst import Fasst, FasstConfig

BLOCK = 6


@dataclass(frozen=True)
class Case:
    """A module under test.

    dim: width of an input, None for samples. inputs: length of the longest test stream.
    step: a multiple of everything the module counts in. missing: inputs of left padding that it
    lacks, so that its outputs come that much later. faint: how many inputs at each edge of its
    window have no weight (a Hann window's end points are zero). exact: some output uses all of the
    declared window and look-ahead; otherwise strides and blocks never meet at their worst.
    bounded: the window is short enough to be seen in a test. rounding: gradients below this share
    of the largest count as none (an FFT spreads rounding over its block). hour: inputs in an hour
    (less where the parts are tested alone).
    """

    name: str
    make: Callable[[], nn.Module]
    dim: int | None
    inputs: int
    step: int
    hour: int
    missing: int = 0
    faint: int = 0
    exact: bool = True
    bounded: bool = True
    rounding: float = 0.0

    @cached_property
    def module(self) -> nn.Module:
        torch.manual_seed(0)
        with torch.inference_mode(False):  # the first test to ask may run in inference mode
            module = self.make().eval().requires_grad_(False)
            for parameter in module.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))  # norms and biases too
        return module

    def stream(self, inputs: int, seed: int = 0) -> Tensor:
        """Noise, one stream. [1, inputs, dim] or [1, inputs]."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, inputs) if self.dim is None else (1, inputs, self.dim)
        return 0.5 * torch.randn(shape, generator=generator)

    def outputs(self, inputs: int) -> int:
        """How many outputs a whole stream gives."""
        return max(0, inputs - self.missing) // self.module.rate.stride


def conv(kernel: int, stride: int, **options) -> Callable[[], nn.Module]:
    return lambda: StreamingConv1d(4, 8, kernel, stride, **options)


def encoder(**options) -> BlockwiseEncoder:
    spec = {"left_blocks": 2, "position_kernel": 8, "position_groups": 4, **options}
    return BlockwiseEncoder(16, 2, 2, 32, BLOCK, **spec)


def emformer(chunk: int, left: int, right: int, kernel: int = 3) -> Callable[[], nn.Module]:
    return lambda: Emformer(16, 2, 2, 32, kernel, Context(chunk, left, right))


class SlowFrames(nn.Module):
    """A cascade of which only the slow frames are looked at."""

    def __init__(self, fast: EmformerConfig, slow: EmformerConfig) -> None:
        super().__init__()
        self.cascade = Cascade(4, fast, slow)
        self.rate = self.cascade.rate

    def init_state(self, rows: int, like: Tensor) -> CascadeState:
        return self.cascade.init_state(rows, like)

    def forward(self, x, state=None, rows=None):
        return self.cascade(x, state, rows)[1]

    def flush(self, state, rows=None):
        return self.cascade.flush(state, rows)[1]


def cascade() -> nn.Module:
    sizes = {"dim": 16, "layers": 1, "heads": 2, "ffn_dim": 32, "kernel": 3}
    fast = EmformerConfig(**sizes, chunk=2, left=3, right=1)
    return SlowFrames(fast, EmformerConfig(**sizes, chunk=4, left=6, right=2))


def waveform(*, left_pad: bool = True) -> WaveformConfig:
    return WaveformConfig(channels=8, left_pad=left_pad)


def wav2vec2_config(frontend: WaveformConfig | LogMelConfig, **options) -> Wav2Vec2Config:
    return Wav2Vec2Config(
        frontend=frontend,
        dim=16,
        layers=2,
        heads=2,
        ffn_dim=32,
        position_kernel=8,
        position_groups=4,
        block_frames=BLOCK,
        left_blocks=2,
        **options,
    )


def fasst(frontend: WaveformConfig | LogMelConfig, layers: int, **options) -> Fasst:
    llm = LlamaConfig(vocab_size=8, dim=16, layers=1, heads=2, kv_heads=2, ffn_dim=16)
    adapter = ConvShrinkConfig(layers=layers, hidden=16, left_pad=options.pop("left_pad", True))
    encoder_config = wav2vec2_config(frontend, **options)
    return Fasst(FasstConfig(encoder=encoder_config, adapter=adapter, llm=llm))


def beams() -> nn.Module:
    generator = np.random.default_rng(0)
    return Beams(generator.standard_normal((3, 2, 33)).astype(np.float32) / 8)


def frontend(array: str = "glasses", **options) -> Callable[[], nn.Module]:
    sizes = {"directions": 2, "taps": 65, "mels": 17, "stack": 3, **options}
    return lambda: Frontend(FrontendConfig(array=array, **sizes))


MEL20, MEL40 = LogMelConfig(mels=12, frame_ms=20), LogMelConfig(mels=12, frame_ms=40)
HOUR_S = 3600
AUDIO = 16000 * HOUR_S
MINUTES_5, MINUTES_2 = AUDIO // 12, AUDIO // 30  # where the parts run for the hour alone

CASES: list[Case] = [
    Case("conv", conv(3, 2), 4, 40, 2, 100 * HOUR_S),
    Case("conv-unpadded", conv(3, 2, left_pad=0), 4, 40, 2, 100 * HOUR_S, missing=1),
    Case("conv-disjoint", conv(4, 4), 4, 40, 4, 100 * HOUR_S),
    Case("conv-grouped", conv(5, 1, groups=4), 4, 40, 1, 100 * HOUR_S),
    Case("conv-pointwise", conv(1, 1, bias=False), 4, 20, 1, 100 * HOUR_S),
    Case("depthwise", lambda: CausalDepthwiseConv(4, 5), 4, 40, 1, 100 * HOUR_S),
    Case("glu-conv", lambda: GluConv(4, 8, ConvShrinkConfig()), 4, 40, 2, 50 * HOUR_S),
    Case(
        "conv-block",
        lambda: ConvBlock(StreamingConv1d(4, 8, 3, 2), 8, norm=True),
        4, 40, 2, 50 * HOUR_S,
    ),
    Case(
        "chain",
        lambda: Chain(StreamingConv1d(4, 4, 3, 2), CausalDepthwiseConv(4, 4), conv(5, 3)()),
        4, 80, 6, 100 * HOUR_S,
    ),
    Case(
        "conv-shrink",
        lambda: ConvShrink(ConvShrinkConfig(hidden=8), 4, 6),
        4, 60, 4, 50 * HOUR_S,
    ),
    Case(
        "conv-shrink-unpadded",
        lambda: ConvShrink(ConvShrinkConfig(hidden=8, left_pad=False), 4, 6),
        4, 60, 4, 50 * HOUR_S, missing=3,
    ),
    Case("log-mel", lambda: LogMel(20), None, 3000, 160, AUDIO, faint=1),
    Case("log-mel-20ms", lambda: log_mel_frontend(MEL20, 8), None, 4000, 320, MINUTES_5, faint=1),
    Case("log-mel-40ms", lambda: log_mel_frontend(MEL40, 8), None, 6000, 640, MINUTES_5, faint=1),
    Case("waveform", lambda: WaveformFrontend(waveform()), None, 4000, 320, MINUTES_5),
    Case(
        "waveform-unpadded",
        lambda: WaveformFrontend(waveform(left_pad=False)),
        None, 4000, 320, MINUTES_2, missing=80,
    ),
    Case("encoder", encoder, 16, 60, BLOCK, BLOCK * HOUR_S),
    Case("encoder-depthwise", lambda: encoder(conv_kernel=5), 16, 80, BLOCK, BLOCK * 600),
    Case("encoder-unlimited", lambda: encoder(left_blocks=None), 16, 40, BLOCK, 0, bounded=False),
    Case("emformer", emformer(4, 6, 2), 16, 60, 4, 20 * HOUR_S // 6),
    Case("emformer-no-look-ahead", emformer(3, 3, 0), 16, 50, 3, HOUR_S // 2),
    Case("emformer-far-look-ahead", emformer(2, 5, 5), 16, 50, 2, HOUR_S // 2),
    Case("emformer-no-left", emformer(4, 0, 3, kernel=6), 16, 50, 4, HOUR_S // 2),
    Case("emformer-no-convolution", emformer(4, 4, 1, kernel=1), 16, 50, 4, HOUR_S // 2),
    Case("cascade", cascade, 4, 80, 4, HOUR_S // 2, exact=False),
    Case("beams", beams, 2, 3000, 1, MINUTES_2, rounding=1e-5),
    Case("beam-conv", lambda: BeamConv(3, 9, 2), 27, 20, 1, 20 * HOUR_S),
    Case("stack", lambda: Stack(6, 4), 4, 40, 6, 20 * HOUR_S),
    Case("frontend", frontend(), 5, 3 * 480 + 7, 480, MINUTES_2, exact=False, rounding=1e-5),
    Case("frontend-single", frontend("single", maps=3), 1, 3 * 480 + 7, 480, MINUTES_2, faint=1),
    Case(
        "wav2vec2-log-mel",
        lambda: Wav2Vec2(wav2vec2_config(MEL20, conv_kernel=3)),
        None, 75 * 320, BLOCK * 320, MINUTES_2, faint=1,
    ),
    Case(
        "wav2vec2-waveform",
        lambda: Wav2Vec2(wav2vec2_config(waveform())),
        None, 54 * 320, BLOCK * 320, MINUTES_2,
    ),
    Case(
        "wav2vec2-waveform-unpadded",
        lambda: Wav2Vec2(wav2vec2_config(waveform(left_pad=False))),
        None, 54 * 320 + 80, BLOCK * 320, MINUTES_2, missing=80,
    ),
    Case(
        "fasst-log-mel",
        lambda: fasst(MEL40, layers=1),
        None, 60 * 640, BLOCK * 640, MINUTES_2, faint=1, exact=False,
    ),
    Case(
        "fasst-waveform",
        lambda: fasst(waveform(), layers=2),
        None, 60 * 320, 2 * BLOCK * 320, MINUTES_2, exact=False,
    ),
    Case(
        "fasst-as-in-the-code",
        lambda: fasst(waveform(left_pad=False), layers=2, left_pad=False),
        None, 60 * 320, 2 * BLOCK * 320, MINUTES_2, missing=80 + 3 * 320, exact=False,
    ),
]  # fmt: skip
