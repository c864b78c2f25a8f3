"""LoRA on our encoder and language model, and its tensors as peft names them.

`nn/lora.py` holds the layer. Language models of transformers take peft's own (`adapt_hf`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from earvoice.config import Config, Count, Positive, Share
from earvoice.errors import UsageError
from earvoice.models.convert.whisper import LAYER as WHISPER_LAYER
from earvoice.models.llm import Llama, LlamaConfig
from earvoice.models.whisper import Whisper, WhisperConfig
from earvoice.nn.lora import add_lora, is_lora
from earvoice.nn.lora import merged_state as merged_plain

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


def adapt_lm(model: Any, config: LoraConfig) -> None:
    """LoRA on every linear layer of a language model but its output layer, in place.

    Ours on our own decoder, peft's on a model of transformers; any other is left as it is.
    Raises: UsageError when peft is needed and not installed.
    """
    if isinstance(model, Llama):
        adapt_llama(model, config)
    elif isinstance(getattr(model, "model", None), nn.Module):
        adapt_hf(model, config)


def reset_peft(module: nn.Module) -> None:
    """No change at all: every adaptation of peft's starts anew."""
    for layer in module.modules():
        if _is_peft(layer):
            layer.reset_lora_parameters("default", True)  # type: ignore[operator]


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of the plain network that does the same, of our LoRA and of peft's.

    Quantised weights are given in float32; a base that is not part of the state is.
    """
    state = merged_plain(module)
    with torch.no_grad():
        for name, layer in module.named_modules():
            if hasattr(layer, "config_with_settings"):  # all of it, also what its state leaves out
                state |= {
                    f"{name}.{key}": value
                    for key, value in (*layer.named_parameters(), *_tied(layer))
                    if not is_lora(key) and value.is_floating_point()
                }
        for name, layer in module.named_modules():
            if _is_peft(layer):
                for key in [key for key in state if key.startswith(f"{name}.base_layer.")]:
                    leaf = key.removeprefix(f"{name}.base_layer.")
                    value = state.pop(key)
                    if leaf in ("weight", "bias"):
                        state[f"{name}.{leaf}"] = value
                change = layer.get_delta_weight("default").float()  # type: ignore[operator]
                state[f"{name}.weight"] = _plain_weight(layer.base_layer).float() + change
    return state


def _is_peft(layer: nn.Module) -> bool:
    return hasattr(layer, "base_layer") and hasattr(layer, "lora_A")


def _tied(layer: Any) -> list[tuple[str, Tensor]]:
    """The output layer where it is the table, which `named_parameters` gives only once."""
    out = layer.model.get_output_embeddings()
    if out.weight is not layer.model.get_input_embeddings().weight:
        return []
    name = next(name for name, part in layer.named_modules() if part is out)
    return [(f"{name}.weight", out.weight)]


def _plain_weight(layer: Any) -> Tensor:
    """The weight of a linear layer; of one in four bits, what it does to the unit vectors."""
    weight: Tensor = layer.weight
    if weight.is_floating_point():
        return weight
    outputs: Tensor = layer(torch.eye(layer.in_features, device=weight.device))
    return (outputs if layer.bias is None else outputs - layer.bias).T


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
