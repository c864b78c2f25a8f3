"""Llama-family checkpoints in transformers' layout -> `earvoice.models.llm.Llama`.

Llama, Mistral, Qwen2 and Qwen3 differ in biases, query/key norms and defaults only. What would
change the numbers and is not built (scaled rotary positions, sliding windows, other activations)
is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earvoice.config import parse
from earvoice.errors import CheckpointError
from earvoice.models.blank import blank_weights
from earvoice.models.convert.folder import (
    check_names,
    read_config,
    read_weights,
    required,
)
from earvoice.models.files import load_weights
from earvoice.models.llm import Llama, LlamaConfig

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")

_KV_HEADS = "num_key_value_heads"
_SIZES = {
    "vocab_size": "vocab_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn_dim": "intermediate_size",
    "norm_eps": "rms_norm_eps",
}
_PLAIN = {
    "attn_norm.weight": "input_layernorm.weight",
    "out.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "down.weight": "mlp.down_proj.weight",
}
_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_FREQUENCIES = "self_attn.rotary_emb.inv_freq"
"""Computed from rope_theta; old checkpoints store it in every layer."""


def llama_from_folder(folder: str | Path) -> Llama:
    """The model of a folder with config.json and safetensors, in the dtype it is stored in.

    Raises: CheckpointError for another architecture, a feature that is not supported, a missing,
        unknown or misshapen tensor, or weights that are not safetensors.
    """
    path = Path(folder)
    config = llama_config(read_config(path), str(path / "config.json"))
    with blank_weights():
        model = Llama(config)
    weights = map_llama(read_weights(path), config, str(path))
    load_weights(model, weights, str(path), assign=True)
    return model.eval()


def llama_config(data: Mapping[str, Any], where: str = "config.json") -> LlamaConfig:
    """Our sizes from transformers' config.json.

    Raises: CheckpointError naming the entry, its value and what would be legal.
    """
    kind = data.get("model_type")
    if kind not in MODEL_TYPES:
        raise CheckpointError(
            f"{where}: model_type is {kind!r}, it must be one of {', '.join(MODEL_TYPES)}; "
            "models/llm_hf.py runs other causal language models through transformers"
        )
    _check_supported(data, kind, where)
    sizes = {name: required(data, theirs, where) for name, theirs in _SIZES.items()}
    # Llama came before grouped queries; Qwen3's heads are not dim / heads wide.
    kv_heads = data.get(_KV_HEADS)
    if kv_heads is None:
        kv_heads = sizes["heads"] if kind == "llama" else required(data, _KV_HEADS, where)
    head_dim = required(data, "head_dim", where) if kind == "qwen3" else data.get("head_dim")
    found = {
        **sizes,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "rope_theta": _rope_theta(data, where),
        "tie_embeddings": data.get("tie_word_embeddings", False),
        "qkv_bias": kind == "qwen2",
        "qk_norm": kind == "qwen3",
    }
    return parse(found, LlamaConfig, where)


def map_llama(
    weights: Mapping[str, Tensor], config: LlamaConfig, where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Our names and fused projections from transformers' names; reads one tensor after another.

    Ignored: `rotary_emb.inv_freq`, and `lm_head.weight` where it repeats tied embeddings.
    Raises: CheckpointError for any other missing or unknown name, and for a separate output layer
        in a checkpoint whose embeddings are declared tied.
    """
    plan = llama_plan(config)
    ignored = {f"model.layers.{number}.{_FREQUENCIES}" for number in range(config.layers)}
    if config.tie_embeddings:
        ignored.add(_HEAD)
    wanted = [name for parts in plan.values() for name in parts]
    check_names(weights.keys(), wanted, ignored, where)
    if config.tie_embeddings and _HEAD in weights:
        tied = weights[_HEAD].shape == weights[_EMBEDDING].shape
        if not tied or not torch.equal(weights[_HEAD], weights[_EMBEDDING]):
            raise CheckpointError(
                f"{where}: tie_word_embeddings is true, but {_HEAD} differs from {_EMBEDDING}"
            )
    return {
        name: weights[parts[0]] if len(parts) == 1 else torch.cat([weights[p] for p in parts])
        for name, parts in plan.items()
    }


def llama_plan(config: LlamaConfig) -> dict[str, tuple[str, ...]]:
    """Per tensor of ours, the tensors it is made of, joined along the first axis."""
    plan: dict[str, tuple[str, ...]] = {
        "embedding.weight": (_EMBEDDING,),
        "norm.weight": ("model.norm.weight",),
    }
    if not config.tie_embeddings:
        plan["head.weight"] = (_HEAD,)
    for number in range(config.layers):
        own, theirs = f"layers.{number}.", f"model.layers.{number}."
        attention = theirs + "self_attn."
        for name, foreign in _PLAIN.items():
            plan[own + name] = (theirs + foreign,)
        for leaf in ("weight", "bias") if config.qkv_bias else ("weight",):
            plan[f"{own}qkv.{leaf}"] = tuple(f"{attention}{p}_proj.{leaf}" for p in "qkv")
        plan[own + "gate_up.weight"] = tuple(
            f"{theirs}mlp.{part}_proj.weight" for part in ("gate", "up")
        )
        if config.qk_norm:
            plan[own + "q_norm.weight"] = (attention + "q_norm.weight",)
            plan[own + "k_norm.weight"] = (attention + "k_norm.weight",)
    return plan


def _check_supported(data: Mapping[str, Any], kind: str, where: str) -> None:
    legal: dict[str, Any] = {
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "quantization_config": None,
    }
    for name, value in legal.items():
        if data.get(name, value) != value:
            raise CheckpointError(f"{where}: {name} is {data[name]!r}, it must be {value!r}")
    # Mistral's own default is a window; Qwen declares one and switches it on separately.
    window = data.get("sliding_window", 4096 if kind == "mistral" else None)
    if kind.startswith("qwen") and not data.get("use_sliding_window", False):
        window = None
    kinds = data.get("layer_types") or []
    if not isinstance(kinds, list):
        raise CheckpointError(f"{where}: layer_types is {kinds!r}, it must be a list or null")
    if window is not None or "sliding_attention" in kinds:
        raise CheckpointError(
            f"{where}: sliding_window is {window!r}, it must be null: every layer has to see the "
            "whole cache"
        )


def _rope_theta(data: Mapping[str, Any], where: str) -> float:
    """The rotary base: `rope_parameters` (transformers 5), else `rope_theta`, else 10000."""
    for name in ("rope_parameters", "rope_scaling"):
        spec = data.get(name) or {}
        if not isinstance(spec, Mapping):
            raise CheckpointError(f"{where}: {name} is {spec!r}, it must be an object or null")
        kind = spec.get("rope_type", spec.get("type", "default"))
        if kind != "default" or spec.get("partial_rotary_factor", 1.0) != 1.0:
            raise CheckpointError(
                f"{where}: {name} asks for {dict(spec)!r}; only rope_type 'default' over whole "
                "heads is supported"
            )
    spec = data.get("rope_parameters") or {}
    theta = spec.get("rope_theta", data.get("rope_theta", 10000.0))
    if isinstance(theta, bool) or not isinstance(theta, int | float) or theta <= 0:
        raise CheckpointError(f"{where}: rope_theta is {theta!r}, it must be a positive number")
    return float(theta)
