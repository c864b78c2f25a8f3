"""Fast and slow encoder: one stack hears, a second one with more context understands.

    features     every 60 ms         1 2 3 4 5 6 7 8 9 ...
    fast         chunk 4, right 1    1-4 come out with 5, 5-8 with 9             -> transcript
    slow         chunk 16, right 4   1-16 come out when fast gives 20            -> translation

The slow stack runs on what the fast one gives, so its look-ahead comes on top. Source: JSTAR's
fast-slow cascade (after 2203.15773, where both stacks transcribe). Contexts in milliseconds are
not known of the paper; the defaults are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, check_divides
from earvoice.nn.emformer import Context, Emformer, EmformerState
from earvoice.nn.state import State
from earvoice.units import Rate

Frames0 = Annotated[int, Field(ge=0)]


class EmformerConfig(Config):
    """A stack of Emformer blocks; chunk, left and right in frames of its input."""

    dim: Count = 512
    layers: Count = 20
    heads: Count = 4
    ffn_dim: Count = 2048
    kernel: Count = 15
    chunk: Count = 4
    left: Frames0 = 20
    right: Frames0 = 1

    @model_validator(mode="after")
    def _sizes_fit(self) -> EmformerConfig:
        check_divides(("heads", self.heads), ("dim", self.dim))
        return self

    def build(self) -> Emformer:
        """The stack."""
        context = Context(self.chunk, self.left, self.right)
        return Emformer(self.dim, self.layers, self.heads, self.ffn_dim, self.kernel, context)


@dataclass
class CascadeState(State):
    """The two stacks' states."""

    fast: EmformerState
    slow: EmformerState


class Cascade(nn.Module):
    """Features in, fast and slow frames out. Shapes: [B, T, F] -> [B, T', D], [B, T'', D'].

    Live, the slow frames come later than the fast ones; over a whole stream there are as many.
    """

    def __init__(self, features: int, fast: EmformerConfig, slow: EmformerConfig) -> None:
        super().__init__()
        self.project = nn.Linear(features, fast.dim)
        self.project_norm = nn.LayerNorm(fast.dim)
        self.fast = fast.build()
        self.bridge = nn.Linear(fast.dim, slow.dim)
        self.slow = slow.build()

    @property
    def rate(self) -> Rate:
        """From features to slow frames."""
        return self.fast.rate.then(self.slow.rate)

    def init_state(self, rows: int, like: Tensor) -> CascadeState:
        """Empty streams."""
        return CascadeState(self.fast.init_state(rows, like), self.slow.init_state(rows, like))

    def forward(
        self,
        x: Tensor,
        state: CascadeState | None = None,
        rows: Sequence[int] | None = None,
        *,
        counts: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Both stacks' frames. counts [B], offline: frames that are real."""
        fast = self.hear(x, state, rows, counts=counts)
        return fast, self.understand(fast, state, rows, counts=counts)

    def hear(
        self,
        x: Tensor,
        state: CascadeState | None = None,
        rows: Sequence[int] | None = None,
        *,
        counts: Tensor | None = None,
    ) -> Tensor:
        """The fast stack: features [B, T, F] -> [B, T', D]."""
        inner = None if state is None else state.fast
        projected = self.project_norm(self.project(x))
        frames: Tensor = self.fast(projected, inner, rows, counts=counts)
        return frames

    def understand(
        self,
        fast: Tensor,
        state: CascadeState | None = None,
        rows: Sequence[int] | None = None,
        *,
        counts: Tensor | None = None,
    ) -> Tensor:
        """The slow stack: fast frames [B, T, D] -> [B, T', D']."""
        inner = None if state is None else state.slow
        frames: Tensor = self.slow(self.bridge(fast), inner, rows, counts=counts)
        return frames

    def flush(
        self, state: CascadeState, rows: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """What both stacks still owe: what the fast one gives goes through the slow one."""
        fast = self.fast.flush(state.fast, rows)
        return fast, torch.cat(
            [self.understand(fast, state, rows), self.slow.flush(state.slow, rows)], dim=1
        )
