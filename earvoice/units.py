"""Units of time, and how a module's outputs lie over its inputs.

Every bare number in this package carries its unit in its name; these aliases say it in types.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Seconds: TypeAlias = float
Samples: TypeAlias = int
Frames: TypeAlias = int

SAMPLE_RATE: Samples = 16_000
"""Samples a second inside every session; other rates are resampled on the way in."""


@dataclass(frozen=True)
class Rate:
    """How many inputs make an output, and which: all in elements of the INPUT, all integers.

    - `stride`: inputs per output; output j owns the inputs `[j*stride, (j+1)*stride)`.
    - `window`: how many consecutive inputs one output is computed from (its receptive field).
    - `lookahead`: how many inputs after the end of its own stride an output may see. 0 for a
      convolution that is padded on the left only; b-1 for full attention inside blocks of b.

    Padding. Without any, n inputs give `(n - window)//stride + 1` outputs, so n*stride inputs
    give fewer than n. With p zeros in front they give exactly n for every
    `left_pad() <= p <= max_left_pad()`. Worked case, the seven convolutions of wav2vec 2.0
    (kernels 10 3 3 3 3 2 2, strides 5 2 2 2 2 2 2): stride 320, window 400. i seconds at 16 kHz
    give 50i - 1 frames unpadded and, with p zeros in front, floor((16000i + p - 400)/320) + 1,
    which is 50i for 80 <= p <= 399:

        p =  80   frame j sees samples 320j-80  .. 320j+319   (to the end of its own stride)
        p = 399   frame j sees samples 320j-399 .. 320j       (319 samples, 20 ms, staler)

    InfiniSST prepends 399 = 79 + 320; we take 80, the least, because it is the freshest.
    """

    stride: int = 1
    window: int = 1
    lookahead: int = 0

    def __post_init__(self) -> None:
        for name, least in (("stride", 1), ("window", 1), ("lookahead", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"Rate.{name} is {value!r}, it must be an integer >= {least}")

    @classmethod
    def of_convs(cls, convs: Iterable[tuple[int, int]]) -> Rate:
        """The rate of a stack of convolutions, each `(kernel, stride)`, padded on the left only."""
        total = cls()
        for kernel, stride in convs:
            total = total.then(cls(stride=stride, window=kernel))
        return total

    def then(self, other: Rate) -> Rate:
        """The rate of this module followed by `other`, in elements of this module's input.

        Associative; `Rate()` is neutral. Left padding adds up layer by layer to the composed
        `left_pad()`, so padding once in front equals padding each layer.
        """
        return Rate(
            stride=self.stride * other.stride,
            window=self.window + (other.window - 1) * self.stride,
            lookahead=self.lookahead + other.lookahead * self.stride,
        )

    def outputs(self, n_inputs: int) -> int:
        """How many outputs `n_inputs` give with no padding."""
        return max(0, (n_inputs - self.window) // self.stride + 1)

    def left_pad(self) -> int:
        """The fewest zeros in front that make n*stride inputs give exactly n outputs, any n."""
        return max(0, self.window - self.stride)

    def max_left_pad(self) -> int:
        """The most zeros in front for which n*stride inputs still give exactly n outputs."""
        return self.window - 1
