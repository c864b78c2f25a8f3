"""LoRA on our encoder and language model, and its tensors as peft names them.

`nn/lora.py` holds the layer. Language models of transformers take peft's own (`adapt_hf`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from earvoice.config import Config, Count, Positive, Share
from earvoice.errors import UsageError
from earvoice.models.convert.whisper import LAYER as WHISPER_LAYER
from earvoice.models.llm import Llama, LlamaConfig
from earvoice.models.whisper import Whisper, WhisperConfig
from earvoice.nn.lora import add_lora

LLAMA_LAYER = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""Linear layers of a decoder layer: our name -> transformers', in the order they are fused in."""
_LINEAR = ("q", "k", "v", "out", "ffn_in", "ffn_out")


class LoraConfig(Config):
    """Rank, scale (alpha / rank) and dropout of an adaptation."""

    rank: Count
    alpha: Positive
    dropout: Share = Field(default=0.05, lt=1.0)


def adapt_llama(model: Llama, config: LoraConfig) -> None:
    """LoRA on every linear layer of the decoder but the output layer, in place."""
    add_lora(
        model,
        config.rank,
        config.alpha,
        config.dropout,
        parts=_parts(model.config),
        chosen=lambda name: name != "head",
    )


def adapt_whisper(model: Whisper, config: LoraConfig) -> None:
    """LoRA on every linear layer of the encoder, in place."""
    add_lora(model, config.rank, config.alpha, config.dropout)


def adapt_hf(model: Any, config: LoraConfig) -> None:
    """peft's LoRA on every linear layer but the output layer of a transformers model, in place.

    model: a `PreTrainedModel` or its `HfLanguageModel`. The learnt tensors are the parameters
    whose name contains `lora_`; the rest is frozen by peft.
    Raises: UsageError when peft is not installed.
    """
    try:
        from peft import LoraConfig as PeftConfig
        from peft import inject_adapter_in_model
    except ImportError as error:
        raise UsageError("peft is not installed; it comes with the extra 'hf'") from error
    spec = PeftConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules="all-linear",
    )
    inject_adapter_in_model(spec, getattr(model, "model", model))


def whisper_peft_names(config: WhisperConfig, prefix: str = "encoder.") -> dict[str, list[str]]:
    """Per LoRA tensor of ours, peft's names without their end (`.default.weight`)."""
    return {
        f"layers.{number}.{name}.lora_{own}": [
            f"{prefix}layers.{number}.{WHISPER_LAYER[name]}.lora_{theirs}"
        ]
        for number in range(config.layers)
        for name in _LINEAR
        for own, theirs in (("a", "A"), ("b", "B"))
    }


def llama_peft_names(config: LlamaConfig, prefix: str = "model.") -> dict[str, list[str]]:
    """Per LoRA tensor of ours, peft's names in the order of the fused parts."""
    return {
        f"layers.{number}.{name}.lora_{own}": [
            f"{prefix}layers.{number}.{part}.lora_{theirs}" for part in parts
        ]
        for number in range(config.layers)
        for name, parts in LLAMA_LAYER.items()
        for own, theirs in (("a", "A"), ("b", "B"))
    }


def llama_lora_from_peft(
    tensors: Mapping[str, Tensor], config: LlamaConfig, prefix: str, end: str = ".default.weight"
) -> dict[str, Tensor]:
    """Our LoRA tensors of a decoder from peft's. Raises: KeyError for one that is not there."""
    return join_peft(tensors, llama_peft_names(config, prefix), end)


def join_peft(
    tensors: Mapping[str, Tensor], names: Mapping[str, list[str]], end: str = ".default.weight"
) -> dict[str, Tensor]:
    """Fuses peft's tensors: A [rank, in] each are stacked, B [out, rank] joined."""
    return {
        own: (torch.stack if own.endswith("lora_a") else torch.cat)(
            [tensors[name + end].float() for name in parts]
        )
        for own, parts in names.items()
    }


def _parts(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    head_dim = config.head_dim or config.dim // config.heads
    query, key = config.heads * head_dim, config.kv_heads * head_dim
    return {"qkv": (query, key, key), "gate_up": (config.ffn_dim, config.ffn_dim)}
