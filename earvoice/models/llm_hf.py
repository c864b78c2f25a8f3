"""Any other causal language model of transformers behind our `LanguageModel` face.

`earvoice.models.llm.Llama` is the fast path and covers Llama, Mistral and Qwen; this one is for
the rest (Gemma, GPT-NeoX, Phi, StableLM, OLMo ...). Keys and values live in the same pool as
everywhere, an `EntryCache`: transformers is handed a view of the rows of a step, so that pop, fork,
save and many streams at once work as they do for our own model.

Import this module only where it is used: transformers takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from earvoice.errors import CheckpointError, UsageError
from earvoice.models.hf_loading import build_settings, four_bits, grow, load_folder
from earvoice.models.llm_config import HfLlmConfig
from earvoice.nn.attention import rotate, write_rows
from earvoice.nn.cache import EntryCache, init_entry_cache
from earvoice.nn.lora import is_lora
from earvoice.nn.masks import Entries, MaskFn, causal
from earvoice.nn.state import row_list

try:
    from transformers import DynamicCache
    from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer
except ImportError as error:
    raise UsageError("transformers is not installed; it comes with the extra 'hf'") from error

_LENGTH_DEPENDENT = ("dynamic", "longrope")
"""Rotary kinds whose angles change with the length of the sequence."""
_PROBE_SHIFT = 5


class HfLanguageModel(nn.Module):
    """A transformers causal language model. Implements `LanguageModel`.

    The model has to take embeddings, position ids and 4-D masks, keep one key and one value per
    position in every layer (no sliding windows, no recurrent layers), and compute its logits from
    its last hidden states alone. One token is run at construction to make sure, rather than
    trusting a list of names.
    """

    def __init__(self, model: Any) -> None:
        """Wraps a `PreTrainedModel` with a language-model head.

        Raises: CheckpointError naming what this model does that a session cannot follow.
        """
        super().__init__()
        attention = getattr(model.config, "_attn_implementation", None)
        if attention not in ("sdpa", "eager"):
            raise CheckpointError(
                f"attn_implementation is {attention!r}, it must be 'sdpa' or 'eager': others "
                "ignore the masks of simultaneous translation"
            )
        self.model = model
        self.vocab_size: int | None = None
        self.layers, self.kv_heads, self.head_dim, self.can_reanchor = self._probe()

    @classmethod
    def from_folder(cls, folder: str | Path) -> HfLanguageModel:
        """The model of a folder with config.json and safetensors; nothing is downloaded.

        Raises: CheckpointError when transformers cannot load it; see also the constructor.
        """
        return cls(load_folder(folder).eval())

    @classmethod
    def from_config(cls, config: HfLlmConfig) -> HfLanguageModel:
        """The model of a system, in float32: a folder's weights, or random ones of its settings.

        The table grows to the vocabulary, new rows being the mean of all; where it is longer, the
        rows beyond the vocabulary are never written.
        Raises: as `from_folder`; UsageError for `nf4` without bitsandbytes.
        """
        with torch.device("cpu"):  # also where all else is built without memory
            if config.folder:
                quantised = {"quantization_config": four_bits()} if config.nf4 else {}
                model = load_folder(config.folder, dtype=torch.float32, **quantised)
            else:
                model = build_settings(config.settings)
            grow(model, config.vocab_size)
            found = cls(model.eval())
        found.vocab_size = config.vocab_size or None
        if config.nf4:
            found.leave_base_out()
        return found

    def leave_base_out(self) -> None:
        """From here on only LoRA is part of the state: the base stays where it was read from."""

        def without(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
            for name in [key for key in state if key.startswith(prefix) and not is_lora(key)]:
                del state[name]

        def there(module: nn.Module, keys: Any) -> None:
            base = tuple(
                name
                for name, _ in module.named_parameters(remove_duplicate=False)
                if not is_lora(name)
            )
            keys.missing_keys[:] = [name for name in keys.missing_keys if not name.endswith(base)]

        self.register_state_dict_post_hook(without)
        self.register_load_state_dict_post_hook(there)

    def config_with_settings(self) -> HfLlmConfig:
        """What an exported model needs to know to be built again, without the folder."""
        settings = json.loads(self.model.config.to_json_string(use_diff=True))
        for name in ("quantization_config", "dtype", "torch_dtype", "transformers_version"):
            settings.pop(name, None)
        settings["model_type"] = self.model.config.model_type
        return HfLlmConfig(settings=settings, vocab_size=self.vocab_size or 0)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings. [B, T] -> [B, T, D]."""
        embeddings: Tensor = self.model.get_input_embeddings()(ids)
        return embeddings

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., vocab_size]."""
        scores: Tensor = self.model.get_output_embeddings()(hidden)
        return scores[..., : self.vocab_size]

    def init_state(self, rows: int, capacity: int) -> EntryCache:
        """An empty cache for `rows` streams of at most `capacity` entries."""
        like = self.model.get_input_embeddings().weight
        return init_entry_cache(rows, self.layers, capacity, self.kv_heads, self.head_dim, like)

    def forward(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache | None = None,
        rows: Sequence[int] | None = None,
        mask: MaskFn | None = causal,
        wanted: int | None = None,
    ) -> Tensor:
        """Hidden states of new positions; the arguments are those of `Llama.forward`.

        Shapes: [B, T, D] -> [B, T or wanted, D] after the final norm.
        """
        batch, count, _ = x.shape
        if state is None:
            allowed = None if mask is None else mask(entries, entries)[:, None]
            return self._decode(x, entries.position, allowed, count, None)
        cache, allowed, longest = self._opened(entries, state, row_list(rows, batch, state), mask)
        hidden = self._decode(x, entries.position, allowed, longest, cache)
        return hidden if wanted is None else hidden[:, -wanted:]

    def _opened(
        self, entries: Entries, state: EntryCache, rows: list[int], mask: MaskFn | None
    ) -> tuple[Cache, Tensor | None, int]:
        """The pool's rows as a cache of transformers, with room for the new entries."""
        slots = state.append(rows, entries)
        longest = int(state.length[rows].max())
        allowed = state.visible(rows, slots, entries, mask)
        layers: list[Any] = [
            _RowsLayer(state.k[:, number], state.v[:, number], rows, slots, longest)
            for number in range(self.layers)
        ]
        return Cache(layers=layers), allowed, longest

    @property
    def depth(self) -> int:
        """Layers."""
        return self.layers

    @property
    def width(self) -> int:
        """Attention heads of a layer."""
        return int(self.model.config.get_text_config().num_attention_heads)

    def attention(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache,
        rows: Sequence[int],
        layer: int,
        heads: Sequence[int] | None = None,
    ) -> Tensor:
        """What new entries attend to in a layer; arguments and result as of `Llama.attention`.

        Fast kernels keep their weights to themselves, so this one pass is done by the plain one.
        """
        cache, allowed, longest = self._opened(
            entries, state, row_list(rows, x.shape[0], state), causal
        )
        kernel = self.model.config._attn_implementation
        self.model.set_attn_implementation("eager")
        try:
            found = self._run(x, entries.position, allowed, longest, cache, output_attentions=True)
        finally:
            self.model.set_attn_implementation(kernel)
        weights: Tensor = found.attentions[layer].float()
        return (weights if heads is None else weights[:, list(heads)]).mean(1)

    def reanchor(self, state: EntryCache, row: int, keep: np.ndarray, position: np.ndarray) -> None:
        """Keeps the slots `keep` of a row, in order, and renumbers them to `position`.

        Raises: UsageError when the keys of this model cannot be turned to other positions.
        """
        if not self.can_reanchor:
            raise UsageError(
                f"{type(self.model).__name__} cannot renumber its cache, so its streams end with "
                "the window: raise window_segments, or use a model with plain rotary positions"
            )
        shift = torch.from_numpy(position - state.position[row, keep])
        state.renumber(row, keep, position, lambda keys: self._turned(keys, shift))

    def _decode(
        self, x: Tensor, position: Tensor, allowed: Tensor | None, keys: int, cache: Cache | None
    ) -> Tensor:
        """Hidden states [B, T, D] of `_run`."""
        hidden: Tensor = self._run(x, position, allowed, keys, cache).last_hidden_state
        return hidden

    def _run(
        self,
        x: Tensor,
        position: Tensor,
        allowed: Tensor | None,
        keys: int,
        cache: Cache | None,
        **wanted: bool,
    ) -> Any:
        """The decoder without its head.

        The mask is always spelt out: left to itself, transformers would make one from the length
        of the cache.
        """
        hidden_value = torch.finfo(x.dtype).min
        if allowed is None:
            additive = x.new_zeros(x.shape[0], 1, x.shape[1], keys)
        else:
            additive = x.new_zeros(allowed.shape).masked_fill(~allowed.to(x.device), hidden_value)
            additive = additive.expand(-1, -1, x.shape[1], -1)
        return self.model.get_decoder()(
            inputs_embeds=x,
            attention_mask=additive,
            position_ids=position.to(x.device),
            past_key_values=cache,
            use_cache=cache is not None,
            **wanted,
        )

    def _turned(self, keys: Tensor, shift: Tensor) -> Tensor:
        """Keys [n, Hkv, Dh] moved by `shift` [n] positions, with the model's own frequencies.

        Where only the first part of each head is rotary, only that part turns.
        """
        cos, sin = self.model.get_decoder().rotary_emb(keys[None], shift[None].to(keys.device))
        width = cos.shape[-1]
        turned = rotate(keys[None, ..., :width], cos, sin)[0]
        return torch.cat([turned, keys[..., width:]], dim=-1)

    def _probe(self) -> tuple[int, int, int, bool]:
        """Layers, key heads, head width, and whether keys can be turned: from one token, twice."""
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            x = self.embed(torch.zeros(1, 1, dtype=torch.long, device=self.model.device))
            here, scores = self._probe_at(x, 0)
            there, _ = self._probe_at(x, _PROBE_SHIFT)
            zero = torch.zeros(1, 1, dtype=torch.long)
            ours = self.logits(self(x, Entries(zero, zero, zero, zero)))
            if not _close(ours, scores):
                raise CheckpointError(
                    f"{type(self.model).__name__} changes its logits after the output layer "
                    "(scaling or capping), which is not supported"
                )
            turns = self._turns(here, there)
        self.model.train(training)
        _, heads, _, width = here[0].shape
        return len(here), heads, width, turns

    def _probe_at(self, x: Tensor, position: int) -> tuple[list[Tensor], Tensor]:
        """Keys of every layer [1, Hkv, 1, Dh] and logits of one token at a position."""
        cache = DynamicCache(config=self.model.config)
        where = torch.tensor([[position]], device=x.device)
        found = self.model(inputs_embeds=x, position_ids=where, past_key_values=cache)
        layers: list[Any] = list(cache.layers)
        plain = all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers)
        parts = [part for layer in layers for part in (layer.keys, layer.values)] if plain else []
        shapes = {tuple(part.shape) for part in parts}
        if len(shapes) != 1:
            kinds = sorted({type(layer).__name__ for layer in layers})
            raise CheckpointError(
                f"{type(self.model).__name__} has cache layers {kinds} of shapes {sorted(shapes)}; "
                "all must be plain attention over the whole stream, and alike"
            )
        return [layer.keys for layer in layers], found.logits

    def _turns(self, here: list[Tensor], there: list[Tensor]) -> bool:
        """Whether turning the keys of one position gives those of another.

        One token alone attends to itself only, so its keys differ by their rotation and nothing
        else, in every layer.
        """
        rotary = getattr(self.model.get_decoder(), "rotary_emb", None)
        if rotary is None or getattr(rotary, "rope_type", "default") in _LENGTH_DEPENDENT:
            return False
        shift = torch.tensor([_PROBE_SHIFT])
        return all(
            _close(self._turned(near[0].transpose(0, 1), shift), far[0].transpose(0, 1))
            for near, far in zip(here, there, strict=True)
        )


class _RowsLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer of the pool, for the rows of one step: new keys in, all keys of the rows out.

    pools [rows, capacity, Hkv, Dh]; slots [B, T] of the new entries; longest: entries in use.
    """

    def __init__(
        self, k_pool: Tensor, v_pool: Tensor, rows: list[int], slots: Tensor, longest: int
    ) -> None:
        super().__init__()
        self._k_pool, self._v_pool, self._rows = k_pool, v_pool, rows
        self._slots, self._longest = slots, longest
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: the pool is preallocated."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Writes keys and values [B, Hkv, T, Dh]; returns those of the rows, [B, Hkv, Tk, Dh]."""
        write_rows(self._k_pool, self._rows, self._slots, key_states.transpose(1, 2))
        write_rows(self._v_pool, self._rows, self._slots, value_states.transpose(1, 2))
        return self._read(self._k_pool), self._read(self._v_pool)

    def _read(self, pool: Tensor) -> Tensor:
        """A view where the rows are neighbours, otherwise a copy."""
        first, batch = self._rows[0], len(self._rows)
        if self._rows == list(range(first, first + batch)):
            part = pool[first : first + batch, : self._longest]
        else:
            part = pool[self._rows, : self._longest]
        return part.transpose(1, 2)

    def get_seq_length(self) -> int:
        """Entries before this step in the longest row."""
        return self._longest - self._slots.shape[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys to be masked, and the index of the first."""
        return self._longest, 0

    def get_max_length(self) -> int:
        """Entries a row can hold."""
        return int(self._k_pool.shape[1])


def _close(a: Tensor, b: Tensor) -> bool:
    coarse = torch.finfo(a.dtype).eps ** 0.5
    return torch.allclose(a.float(), b.float(), rtol=coarse, atol=coarse)
