"""Whisper checkpoints in transformers' layout -> the encoder `earvoice.models.whisper.Whisper`.

The decoder is left where it is: only the encoder's tensors are read from the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from earvoice.config import parse
from earvoice.errors import CheckpointError
from earvoice.models.blank import blank_weights
from earvoice.models.convert.folder import check_names, read_config, read_weights, required
from earvoice.models.files import load_weights
from earvoice.models.whisper import Whisper, WhisperConfig

IGNORED = ("decoder.", "proj_out.")
"""Beginnings of names the encoder has no use for."""
LAYER = {
    "attn_norm": "self_attn_layer_norm",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "out": "self_attn.out_proj",
    "ffn_norm": "final_layer_norm",
    "ffn_in": "fc1",
    "ffn_out": "fc2",
}
"""Parts of a layer: our name -> transformers'."""
_SIZES = {
    "mels": "num_mel_bins",
    "dim": "d_model",
    "layers": "encoder_layers",
    "heads": "encoder_attention_heads",
    "ffn_dim": "encoder_ffn_dim",
    "frames": "max_source_positions",
}
_WHOLE = {
    "conv_in.weight": "conv1.weight",
    "conv_in.bias": "conv1.bias",
    "conv_out.weight": "conv2.weight",
    "conv_out.bias": "conv2.bias",
    "positions": "embed_positions.weight",
    "norm.weight": "layer_norm.weight",
    "norm.bias": "layer_norm.bias",
}


def whisper_from_folder(folder: str | Path) -> Whisper:
    """The encoder of a folder with config.json and safetensors, in float32.

    Raises: CheckpointError for another architecture, a missing, unknown or misshapen tensor, or
        weights that are not safetensors.
    """
    path = Path(folder)
    config = whisper_config(read_config(path), str(path / "config.json"))
    with blank_weights():
        model = Whisper(config)
    weights = map_whisper(read_weights(path), config, str(path))
    load_weights(model, weights, str(path), assign=True)
    return model.eval()


def whisper_config(data: Mapping[str, Any], where: str = "config.json") -> WhisperConfig:
    """Our sizes from transformers' config.json. Raises: CheckpointError naming the entry."""
    if data.get("model_type") != "whisper":
        raise CheckpointError(f"{where}: model_type is {data.get('model_type')!r}, not 'whisper'")
    legal = {"activation_function": "gelu", "scale_embedding": False}
    for name, value in legal.items():
        if data.get(name, value) != value:
            raise CheckpointError(f"{where}: {name} is {data[name]!r}, it must be {value!r}")
    sizes = {name: required(data, theirs, where) for name, theirs in _SIZES.items()}
    return parse(sizes, WhisperConfig, where)


def map_whisper(
    weights: Mapping[str, Tensor], config: WhisperConfig, where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Our names from transformers' names, in float32; reads the encoder's tensors only.

    Raises: CheckpointError for a missing tensor, or an unknown one that is not in `IGNORED`.
    """
    full = {_without_prefix(name): name for name in weights}
    plan = whisper_plan(config)
    check_names(full, plan.values(), [name for name in full if name.startswith(IGNORED)], where)
    return {name: weights[full[theirs]].float() for name, theirs in plan.items()}


def whisper_plan(config: WhisperConfig) -> dict[str, str]:
    """Per tensor of ours, the checkpoint's, without the model's prefix."""
    plan = {name: f"encoder.{theirs}" for name, theirs in _WHOLE.items()}
    for number in range(config.layers):
        for name, theirs in LAYER.items():
            for leaf in ("weight",) if name == "k" else ("weight", "bias"):
                plan[f"layers.{number}.{name}.{leaf}"] = f"encoder.layers.{number}.{theirs}.{leaf}"
    return plan


def _without_prefix(name: str) -> str:
    """`model.` of the whole model removed; an encoder saved alone gets its `encoder.` back."""
    name = name.removeprefix("model.")
    return name if name.startswith(("encoder.", *IGNORED)) else f"encoder.{name}"
