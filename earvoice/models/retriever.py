"""The retriever: which terms of a glossary are in this stretch of audio (CLASI, 2407.21646, 2.2).

    encoder frames [T, D]  (the system's own)             term  "Krzysztof"
         |                                                  |
         +-- spans of several lengths --> vectors   vector <+-- letters, convolutions
         |            pre-filter: nearest vectors           |
         +----------- letters attend to frames -------------+    only the nearest few
                      pooling, linear --> logit that the term is in the window

The paper gives attention, pooling and a linear layer, and no pre-filter, sizes or direction of the
attention; text attends to audio here, because a term is short and a window is not. The pre-filter
compares halves, so that "stop" and "pots" differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, check_divides
from earvoice.nn.attention import attend
from earvoice.nn.losses.presence import balanced_presence, pointing_loss, two_way_contrast

_START_SCALE, _START_BIAS = 10.0, -5.0
"""Of the pre-filter's logits: nearly orthogonal vectors begin as "not in it"."""
_POINTING = 0.3


class RetrieverConfig(Config):
    """Sizes; all ours, the paper gives none. Frames are the encoder's."""

    dim: Count = 128
    heads: Count = 4
    layers: Count = 2  # of letters attending to frames
    key_layers: Count = 2  # of convolutions over letters
    key_kernel: Count = 5
    alphabet: Annotated[int, Field(ge=128, le=32768)] = 4096  # code points modulo this
    most_letters: Count = 32  # of a term; more are not looked at
    vector: Count = 64
    window_frames: Count = 64
    hop_frames: Count = 16  # a window begins so many frames after the one before
    spans: Annotated[tuple[Count, ...], Field(min_length=1)] = (8, 16, 32)
    span_hop: Count = 4
    candidates: Count = 16  # of a window, from the pre-filter
    alike: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Cosine of the vectors from which on two terms sound so alike that only one is in a place.
    1: none does; less only for a trained retriever, whose vectors tell."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> RetrieverConfig:
        check_divides(("heads", self.heads), ("dim", self.dim))
        check_divides(("span_hop", self.span_hop), ("hop_frames", self.hop_frames))
        if max(self.spans) > self.window_frames or self.hop_frames > self.window_frames:
            raise ValueError("spans and hop_frames must not be longer than window_frames")
        if any(span % 2 for span in self.spans):
            raise ValueError("spans must be even: each is looked at in two halves")
        return self


class LetterBlock(nn.Module):
    """A depthwise convolution over letters and a gated layer. Shapes: [K, C, D] -> [K, C, D].

    Shifted multiply-adds: several times faster than `nn.Conv1d` on CPU at these sizes.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.taps = nn.Parameter(torch.randn(kernel, dim) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.gated = nn.Linear(dim, 2 * dim)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Args: real [K, C] bool: which letters there are."""
        y = self.norm(x) * real[..., None]
        before = len(self.taps) // 2
        y = F.pad(y, (0, 0, before, len(self.taps) - 1 - before))
        mixed = self.bias + self.taps[0] * y[:, : x.shape[1]]
        for place in range(1, len(self.taps)):
            mixed = torch.addcmul(mixed, self.taps[place], y[:, place : place + x.shape[1]])
        return x + F.glu(self.gated(mixed), dim=-1)


class Listening(nn.Module):
    """Letters attend to frames, then a feed-forward layer."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.heard_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
        )

    def forward(self, letters: Tensor, heard: Tensor) -> Tensor:
        """Letters of all terms [B, N, D] and frames [B, T, D] -> letters."""
        q = self._split(self.query(self.norm(letters)))
        k, v = map(self._split, self.key_value(self.heard_norm(heard)).chunk(2, dim=-1))
        y = attend(q, k, v).transpose(1, 2).flatten(2)
        letters = letters + self.out(y)
        return letters + self.feed(letters)

    def attention(self, letters: Tensor, heard: Tensor) -> Tensor:
        """Where letters [B, N, D] look in frames [B, T, D]: [B, H, N, T]."""
        q = self._split(self.query(self.norm(letters)))
        k = self._split(self.key_value(self.heard_norm(heard)).chunk(2, dim=-1)[0])
        return ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Retriever(nn.Module):
    """Scores terms against frames of the system's encoder.

    Everything works on whole windows; `earvoice.sessions.spotter` cuts a stream into them.
    """

    def __init__(self, config: RetrieverConfig, encoder_dim: int) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.letters = nn.Embedding(config.alphabet, dim)
        self.letter_place = nn.Embedding(config.most_letters, dim)
        self.frame_place = nn.Embedding(config.window_frames, dim)
        self.blocks = nn.ModuleList(
            LetterBlock(dim, config.key_kernel) for _ in range(config.key_layers)
        )
        self.key_vector = nn.Linear(2 * dim, config.vector)
        self.span_vector = nn.Linear(2 * encoder_dim, config.vector)
        self.heard = nn.Linear(encoder_dim, dim)
        self.listening = nn.ModuleList(Listening(dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(2 * dim)
        self.score_of = nn.Linear(2 * dim, 1)
        self.scale = nn.Parameter(torch.tensor(_START_SCALE).log())
        self.bias = nn.Parameter(torch.tensor(_START_BIAS))

    # ---------------------------------------------------------------- terms

    def spell(self, terms: Sequence[str]) -> Tensor:
        """Letters of terms in one case: [K, C], -1 behind the end of each. No term is empty."""
        most, size = self.config.most_letters, self.config.alphabet
        folded = [term.casefold()[:most] for term in terms]
        table = np.full((len(folded), max(map(len, folded), default=1)), -1, dtype=np.int64)
        for row, term in zip(table, folded, strict=True):
            row[: len(term)] = [ord(char) % size for char in term]
        return torch.from_numpy(table)

    def keys(self, spelt: Tensor) -> tuple[Tensor, Tensor]:
        """States of the letters [K, C, D] and which are real [K, C]."""
        real = spelt >= 0
        place = torch.arange(spelt.shape[1], device=spelt.device)
        x = self.letters(spelt.clamp(min=0)) + self.letter_place(place)
        for block in self.blocks:
            x = block(x, real)
        return x, real

    def key_vectors(self, states: Tensor, real: Tensor) -> Tensor:
        """Vectors of the pre-filter, of length 1. [K, C, D] -> [K, vector]."""
        count = real.sum(1, keepdim=True)
        place = torch.arange(states.shape[1], device=states.device)[None]
        first = real & (place * 2 < count)
        halves = torch.cat([_mean(states, first), _mean(states, real & ~first)], dim=-1)
        return F.normalize(self.key_vector(halves).float(), dim=-1)

    def alike(self, terms: Sequence[str]) -> Tensor:
        """Which terms sound so alike that they cannot be heard in the same place. [K, K] bool."""
        vectors = self.key_vectors(*self.keys(self.spell(terms)))
        return vectors @ vectors.T >= self.config.alike

    # ---------------------------------------------------------------- audio

    def spans(self, frames: Tensor, new: int) -> Tensor:
        """Vectors of all spans that end in the last `new` frames. [B, T, E] -> [B, S, vector].

        A span ends on a multiple of `span_hop` before the end; those longer than T are left out.
        """
        total = frames.shape[1]
        hop = self.config.span_hop
        sums = F.pad(frames.float().cumsum(1), (0, 0, 1, 0))
        parts = [sums.new_zeros(len(frames), 0, 2 * frames.shape[2])]
        for span in self.config.spans:
            ends = torch.tensor(range(total, max(total - new, span - 1), -hop), dtype=torch.long)
            half = span // 2
            middle = ends - half
            first = (sums[:, middle] - sums[:, ends - span]) / half
            second = (sums[:, ends] - sums[:, middle]) / half
            parts.append(torch.cat([first, second], dim=-1))
        vectors = self.span_vector(torch.cat(parts, dim=1).to(frames.dtype))
        return F.normalize(vectors.float(), dim=-1)

    def score(self, frames: Tensor, states: Tensor, real: Tensor) -> Tensor:
        """Logits that each term is in each window.

        Shapes: frames [B, T, E], T at most `window_frames`; states [K, C, D], real [K, C]
        -> [B, K].
        """
        heard = self._placed(frames)
        # Letters listen by themselves: those of all terms in one row, without the padding.
        row = states[real].expand(len(frames), -1, -1)
        for layer in self.listening:
            row = layer(row, heard)
        spread = real.flatten().cumsum(0).sub_(1).clamp_(min=0).view_as(real)
        x = row[:, spread]
        worst = x.masked_fill(~real[..., None], float("inf")).amin(2)
        pooled = torch.cat([_mean(x, real.expand(len(frames), -1, -1)), worst], dim=-1)
        return self.score_of(self.norm(pooled))[..., 0].float()

    def _placed(self, frames: Tensor) -> Tensor:
        """Frames as letters hear them, with their places in the window."""
        place = torch.arange(frames.shape[1], device=frames.device)
        return self.heard(frames) + self.frame_place(place)

    # ---------------------------------------------------------------- training

    def losses(
        self, frames: Tensor, terms: Sequence[str], present: Tensor, said: Tensor
    ) -> dict[str, Tensor]:
        """What scorer and pre-filter learn from, over all pairs of a batch.

        Binary cross entropy as in the paper (section 3.4), and ours: contrast both ways, and that
        letters look at where they are said.
        Shapes: frames [B, T, E]; present [B, K] bool: term k is in window b; said [B, K, 2]: its
        first frame there and the one behind its last, both 0 where it is not.
        """
        states, real = self.keys(self.spell(terms))
        logits = self.score(frames, states, real)
        near = self.spans(frames, frames.shape[1]) @ self.key_vectors(states, real).T
        coarse = near.amax(1) * self.scale.exp() + self.bias
        scored = [
            balanced_presence(x, present) + two_way_contrast(x, present) for x in (logits, coarse)
        ]
        pointing = self._pointing(frames, states, real, said)
        with torch.no_grad():
            # How often a term that is there comes before all that are not.
            best_wrong = logits.masked_fill(present, float("-inf")).amax(1, keepdim=True)
            found = (logits > best_wrong)[present].float().mean()
            best_coarse = coarse.masked_fill(present, float("-inf")).amax(1, keepdim=True)
            filtered = (coarse > best_coarse)[present].float().mean()
        return {
            "loss": scored[0] + scored[1] + _POINTING * pointing,
            "scorer": scored[0].detach(),
            "filter": scored[1].detach(),
            "pointing": pointing.detach(),
            "retrieval": found,
            "filter_retrieval": filtered,
        }

    def _pointing(self, frames: Tensor, states: Tensor, real: Tensor, said: Tensor) -> Tensor:
        """Of the first layer that listens, over the pairs that are there."""
        window, term = (said[..., 1] > 0).nonzero(as_tuple=True)
        first = self.listening[0]
        assert isinstance(first, Listening)
        attention = first.attention(states[term], self._placed(frames)[window])
        return pointing_loss(attention, real[term], said[window, term])


def _mean(x: Tensor, real: Tensor) -> Tensor:
    """Means over real letters; 0 of none. [..., C, D], [..., C] -> [..., D]."""
    weights = real[..., None].to(x.dtype)
    return (x * weights).sum(-2) / weights.sum(-2).clamp(min=1)
