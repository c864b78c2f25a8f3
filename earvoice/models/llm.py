"""A compact Llama-family decoder: RMSNorm, rotary positions, grouped queries, SwiGLU.

Loads Llama-, Mistral- and Qwen2/3-style safetensors (`models/convert/llama.py`) and equals
transformers on them. It is ours because decoding a small model is dispatch-bound, because the
cache must know what each entry is (FASST, 2408.09430 section 3.4), and because live captions must
start without importing a model zoo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from earvoice.config import Config, Count, Positive, check_divides
from earvoice.nn.attention import RowStep, attend, rotary_angles, rotate
from earvoice.nn.cache import EntryCache, init_entry_cache
from earvoice.nn.masks import Entries, MaskFn, causal
from earvoice.nn.packed import PackedProduct, can_pack
from earvoice.nn.state import row_list


class LlamaConfig(Config):
    """Sizes of a Llama-family decoder; the defaults are Llama-2 7B (2307.09288)."""

    vocab_size: Count = 32000
    dim: Count = 4096
    layers: Count = 32
    heads: Count = 32
    kv_heads: Count = 32
    head_dim: Count | None = None
    ffn_dim: Count = 11008
    rope_theta: Positive = 10000.0
    norm_eps: Positive = 1e-5
    tie_embeddings: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False

    @model_validator(mode="after")
    def _sizes_fit(self) -> LlamaConfig:
        check_divides(("kv_heads", self.kv_heads), ("heads", self.heads))
        if self.head_dim is None:
            check_divides(("heads", self.heads), ("dim", self.dim))
        if (self.head_dim or self.dim // self.heads) % 2:
            raise ValueError("a head must have an even number of dimensions, for rotary positions")
        return self


class LanguageModel(Protocol):
    """What sessions and systems need of a decoder-only language model."""

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings. [B, T] -> [B, T, D]."""
        ...

    def init_state(self, rows: int, capacity: int) -> EntryCache:
        """An empty cache for `rows` streams of at most `capacity` entries."""
        ...

    def __call__(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache | None = None,
        rows: Sequence[int] | None = None,
        mask: MaskFn | None = causal,
        wanted: int | None = None,
    ) -> Tensor:
        """Hidden states of new positions, [B, T, D] -> [B, T, D]; see `Llama.forward`."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., vocab_size]."""
        ...

    def reanchor(self, state: EntryCache, row: int, keep: np.ndarray, position: np.ndarray) -> None:
        """Keeps the given slots of a row and renumbers them."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A language model that says what it attends to: what attention policies need."""

    @property
    def depth(self) -> int:
        """Layers."""
        ...

    @property
    def width(self) -> int:
        """Attention heads of a layer."""
        ...

    def attention(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache,
        rows: Sequence[int],
        layer: int,
        heads: Sequence[int] | None = None,
    ) -> Tensor:
        """Weights of one layer's attention, [B, T, entries]; see `Llama.attention`."""
        ...


class RmsNorm(nn.Module):
    """Root-mean-square norm over the last dimension, in float32 (1910.07467)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class LlamaLayer(nn.Module):
    """One decoder layer with fused projections."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_dim = config.head_dim or config.dim // config.heads
        width = (config.heads + 2 * config.kv_heads) * self.head_dim
        self.attn_norm = RmsNorm(config.dim, config.norm_eps)
        self.qkv = nn.Linear(config.dim, width, bias=config.qkv_bias)
        self.out = nn.Linear(config.heads * self.head_dim, config.dim, bias=False)
        self.q_norm = RmsNorm(self.head_dim, config.norm_eps) if config.qk_norm else None
        self.k_norm = RmsNorm(self.head_dim, config.norm_eps) if config.qk_norm else None
        self.ffn_norm = RmsNorm(config.dim, config.norm_eps)
        self.gate_up = nn.Linear(config.dim, 2 * config.ffn_dim, bias=False)
        self.down = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None = None) -> Tensor:
        """Whole rows, without a cache: [B, T, D] -> [B, T, D]."""
        q, k, v = (part.transpose(1, 2) for part in self.project(x, cos, sin))
        return self.finish(x, attend(q, k, v, mask))

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (rotated) and values of x [B, T, D]: each [B, T, heads, Dh]."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.attn_norm(x)).view(batch, length, -1, self.head_dim)
        qk, v = qkv.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = qk.split([self.heads, self.kv_heads], dim=2)
            qk = torch.cat([self.q_norm(q), self.k_norm(k)], dim=2)
        q, k = rotate(qk, cos, sin).split([self.heads, self.kv_heads], dim=2)
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Adds attention [B, H, T, Dh] and the feed-forward to x [B, T, D]."""
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.ffn_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    """The decoder. Implements `LanguageModel` and `Attentive`."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(LlamaLayer(config) for _ in range(config.layers))
        self.norm = RmsNorm(config.dim, config.norm_eps)
        self.head = None
        self._packed_head: PackedProduct | None = None
        if not config.tie_embeddings:
            self.head = nn.Linear(config.dim, config.vocab_size, bias=False)
        self.head_dim = config.head_dim or config.dim // config.heads

    def initialise(self, std: float = 0.02) -> None:
        """Random weights for training from scratch; residual outputs are scaled by depth."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                scale = (2 * self.config.layers) ** -0.5 if name.endswith(_RESIDUAL) else 1.0
                nn.init.normal_(parameter, std=std * scale)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings. [B, T] -> [B, T, D]."""
        return self.embedding(ids)

    def init_state(self, rows: int, capacity: int) -> EntryCache:
        """An empty cache for `rows` streams of at most `capacity` entries."""
        config = self.config
        like = self.embedding.weight
        return init_entry_cache(rows, config.layers, capacity, config.kv_heads, self.head_dim, like)

    def forward(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache | None = None,
        rows: Sequence[int] | None = None,
        mask: MaskFn | None = causal,
        wanted: int | None = None,
    ) -> Tensor:
        """Hidden states of new positions.

        Args:
            x: [B, T, D] embeddings. entries: what they are, [B, T] each; with a state,
                `entries.order` is ignored and the cache slot takes its place.
            state: None for training and offline use; otherwise x is appended to the rows.
            mask: None means every cached entry is visible (true for one text token at a time).
            wanted: with a state, hidden states of only the last so many entries; the others are
                cached all the same, but cost nothing beyond that in the last layer.
        Returns: [B, T or wanted, D] after the final norm.
        """
        cos, sin = rotary_angles(entries.position, self.head_dim, self.config.rope_theta)
        if state is None:
            allowed = None if mask is None else mask(entries, entries)[:, None]
            for layer in self.layers:
                x = layer(x, cos, sin, allowed)
            return self.norm(x)
        step = _step(x, entries, state, rows, mask)
        for number in range(len(self.layers) - 1):
            x = self._advance(number, x, cos, sin, state, step)
        return self.norm(self._advance(len(self.layers) - 1, x, cos, sin, state, step, wanted))

    def _advance(
        self,
        number: int,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        state: EntryCache,
        step: RowStep,
        wanted: int | None = None,
    ) -> Tensor:
        """One layer over new entries x [B, T, D] of cached rows; output of the last `wanted`."""
        layer = self.layers[number]
        q, k, v = layer.project(x, cos, sin)  # type: ignore[operator]
        k_pool, v_pool = state.k[:, number], state.v[:, number]
        step.write(k_pool, k)
        step.write(v_pool, v)
        if wanted is not None:
            q, x = q[:, -wanted:], x[:, -wanted:]
        y = step.attend(q.transpose(1, 2), k_pool, v_pool)
        return layer.finish(x, y)  # type: ignore[operator]

    def attention(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache,
        rows: Sequence[int],
        layer: int,
        heads: Sequence[int] | None = None,
    ) -> Tensor:
        """What new entries attend to in a layer: its weights, the mean over some heads.

        It asks instead of listening in, so that nothing else is slower for it; only the layers up
        to the one in question are computed. The entries are appended, causally, and have to be
        popped: the layers above know nothing of them.

        Args: x [B, T, D], entries, state, rows as in `forward`; layer from 0; heads: None for all.
        Returns: [B, T, entries of the longest row] in float32.
        """
        cos, sin = rotary_angles(entries.position, self.head_dim, self.config.rope_theta)
        step = _step(x, entries, state, rows, causal)
        for number in range(layer):
            x = self._advance(number, x, cos, sin, state, step)
        q, k, _ = self.layers[layer].project(x, cos, sin)  # type: ignore[operator]
        step.write(state.k[:, layer], k)
        weights = step.weights(q.transpose(1, 2), state.k[:, layer])
        return (weights if heads is None else weights[:, list(heads)]).mean(1)

    @property
    def depth(self) -> int:
        """Layers."""
        return self.config.layers

    @property
    def width(self) -> int:
        """Attention heads of a layer."""
        return self.config.heads

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., vocab_size]."""
        if self._packed_head is not None:
            return self._packed_head(hidden)
        if self.head is not None and hidden.dtype == self.head.weight.dtype:
            logits: Tensor = self.head(hidden)
            return logits
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight.to(hidden.dtype))

    def pack(self, most_bytes: int) -> int:
        """Packs tied output weights, which must not change any more. Returns: bytes taken."""
        weight = self.embedding.weight.detach()
        if self.head is not None or not can_pack(weight) or weight.nbytes > most_bytes:
            return 0
        self._packed_head = PackedProduct(weight)
        return weight.nbytes

    def reanchor(self, state: EntryCache, row: int, keep: np.ndarray, position: np.ndarray) -> None:
        """Keeps the slots `keep` of a row, in order, and renumbers them to `position`.

        The window slides this way: values move, keys move and turn by the difference of the
        positions. It happens once in many segments, so its cost per second of audio is constant.
        """
        shift = torch.from_numpy(position - state.position[row, keep])[None]
        cos, sin = rotary_angles(shift, self.head_dim, self.config.rope_theta)
        state.renumber(row, keep, position, lambda keys: rotate(keys[None], cos, sin)[0])


def _step(
    x: Tensor,
    entries: Entries,
    state: EntryCache,
    rows: Sequence[int] | None,
    mask: MaskFn | None,
) -> RowStep:
    """Reserves slots for the new entries; what all layers share about them."""
    index = row_list(rows, x.shape[0], state)
    slots = state.append(index, entries)
    lengths = [int(state.length[row]) for row in index]
    allowed = None if mask is None else state.visible(index, slots, entries, mask)
    return RowStep(index, slots, lengths, allowed, x)


_RESIDUAL = ("out.weight", "down.weight")
