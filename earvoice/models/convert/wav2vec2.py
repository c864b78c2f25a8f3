"""wav2vec 2.0 checkpoints in transformers' layout -> `earvoice.models.wav2vec2.Wav2Vec2`.

The layer-norm variant only (LV-60k and its fine-tuned children; HuBERT Large is the same network
under another name). The positional convolution's weight norm is folded into one weight, and the
three attention projections become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earvoice.config import parse
from earvoice.errors import CheckpointError, ConfigError
from earvoice.models.blank import blank_weights
from earvoice.models.convert.folder import (
    check_names,
    read_config,
    read_weights,
    required,
    required_numbers,
)
from earvoice.models.features import WaveformConfig
from earvoice.models.files import load_weights
from earvoice.models.wav2vec2 import Wav2Vec2, Wav2Vec2Config

MODEL_TYPES = ("wav2vec2", "hubert")
CHANGES = ("block_frames", "left_blocks", "bidirectional", "left_pad")
"""What a checkpoint does not fix: how the encoder is made to stream. `left_pad` is the
front-end's."""
IGNORED = (
    "masked_spec_embed",  # replaces masked frames in pre-training
    "lm_head.",  # CTC output layer
    "quantizer.",  # pre-training: targets
    "project_hid.",
    "project_q.",
    "dropout_features.",
    "projector.",  # classification heads
    "classifier.",
)
"""Tensors the encoder has no use for: beginnings of their names, model prefix removed."""

_POSITION = "encoder.pos_conv_embed.conv."
_NORMED = (  # magnitude and direction of the weight-normed kernel, by age of the checkpoint
    (_POSITION + "weight_g", _POSITION + "weight_v"),
    (
        _POSITION + "parametrizations.weight.original0",
        _POSITION + "parametrizations.weight.original1",
    ),
)
_SIZES = {
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn_dim": "intermediate_size",
    "position_kernel": "num_conv_pos_embeddings",
    "position_groups": "num_conv_pos_embedding_groups",
}
_LAYER = {
    "attn_norm": "layer_norm",
    "out": "attention.out_proj",
    "ffn_norm": "final_layer_norm",
    "ffn_in": "feed_forward.intermediate_dense",
    "ffn_out": "feed_forward.output_dense",
}


def wav2vec2_from_folder(folder: str | Path, **changes: Any) -> Wav2Vec2:
    """The encoder of a folder with config.json and safetensors, in float32.

    Args: changes: any of `CHANGES`, e.g. `block_frames=50, left_blocks=10`, or
        `bidirectional=True, left_pad=False` for exactly the checkpoint's own function.
    Raises: ConfigError for another change; CheckpointError for another architecture or variant, a
        missing, unknown or misshapen tensor, or weights that are not safetensors.
    """
    path = Path(folder)
    config = wav2vec2_config(read_config(path), str(path / "config.json"), **changes)
    with blank_weights():
        model = Wav2Vec2(config)
    weights = map_wav2vec2(read_weights(path), config, str(path))
    load_weights(model, weights, str(path), assign=True)
    return model.eval()


def wav2vec2_config(
    data: Mapping[str, Any], where: str = "config.json", **changes: Any
) -> Wav2Vec2Config:
    """Our sizes from transformers' config.json, with `changes` (see `wav2vec2_from_folder`)."""
    for name in changes:
        if name not in CHANGES:
            raise ConfigError(f"{name!r} cannot be changed here; {', '.join(CHANGES)} can")
    _check_variant(data, where)
    channels, kernels, strides = (
        required_numbers(data, name, where) for name in ("conv_dim", "conv_kernel", "conv_stride")
    )
    if len(set(channels)) != 1 or len({len(channels), len(kernels), len(strides)}) != 1:
        raise CheckpointError(
            f"{where}: conv_dim {channels}, conv_kernel {kernels} and conv_stride {strides} must "
            "be equally long, and all of conv_dim equal"
        )
    frontend = {
        "kind": "waveform",
        "channels": channels[0],
        "kernels": kernels,
        "strides": strides,
        "bias": data.get("conv_bias", False),
        "left_pad": changes.pop("left_pad", True),
    }
    sizes = {name: required(data, theirs, where) for name, theirs in _SIZES.items()}
    return parse({"frontend": frontend, **sizes, **changes}, Wav2Vec2Config, where)


def map_wav2vec2(
    weights: Mapping[str, Tensor], config: Wav2Vec2Config, where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Our names from transformers' names (with or without the model prefix), in float32.

    Raises: CheckpointError for a missing tensor, or an unknown one that is not in `IGNORED`.
    """
    full_names = {_without_prefix(name): name for name in weights}
    plan = wav2vec2_plan(config)
    magnitude, direction = next(
        (pair for pair in _NORMED if pair[0] in full_names or pair[1] in full_names), _NORMED[-1]
    )
    wanted = [name for parts in plan.values() for name in parts]
    ignored = [name for name in full_names if name.startswith(IGNORED)]
    check_names(full_names, [*wanted, magnitude, direction], ignored, where)
    mapped = {
        name: torch.cat([weights[full_names[part]].float() for part in parts])
        for name, parts in plan.items()
    }
    g, v = weights[full_names[magnitude]].float(), weights[full_names[direction]].float()
    mapped["encoder.position.weight"] = fold_weight_norm(g, v)
    return mapped


def fold_weight_norm(g: Tensor, v: Tensor) -> Tensor:
    """The kernel that a weight norm over the last axis stands for: g * v / |v|, tap by tap.

    Shapes: g [1, 1, K], v [out, in, K] -> [out, in, K].
    """
    return g * v / v.square().sum((0, 1), keepdim=True).sqrt()


def wav2vec2_plan(config: Wav2Vec2Config) -> dict[str, tuple[str, ...]]:
    """Per tensor of ours, the tensors it is made of, joined along the first axis.

    The positional kernel is not among them: it is computed (`fold_weight_norm`).
    """
    assert isinstance(config.frontend, WaveformConfig)
    plan: dict[str, tuple[str, ...]] = {"encoder.position.bias": (_POSITION + "bias",)}
    for number in range(len(config.frontend.kernels)):
        own, theirs = (
            f"frontend.chain.members.{number}.",
            f"feature_extractor.conv_layers.{number}.",
        )
        plan[own + "conv.weight"] = (theirs + "conv.weight",)
        if config.frontend.bias:
            plan[own + "conv.bias"] = (theirs + "conv.bias",)
        for leaf in ("weight", "bias"):
            plan[f"{own}norm.{leaf}"] = (f"{theirs}layer_norm.{leaf}",)
    for leaf in ("weight", "bias"):
        plan[f"project.0.{leaf}"] = (f"feature_projection.layer_norm.{leaf}",)
        plan[f"project.1.{leaf}"] = (f"feature_projection.projection.{leaf}",)
        plan[f"encoder.norm.{leaf}"] = (f"encoder.layer_norm.{leaf}",)
        for number in range(config.layers):
            layer = f"encoder.layers.{number}."
            for name, foreign in _LAYER.items():
                plan[f"{layer}{name}.{leaf}"] = (f"{layer}{foreign}.{leaf}",)
            plan[f"{layer}qkv.{leaf}"] = tuple(
                f"{layer}attention.{part}_proj.{leaf}" for part in "qkv"
            )
    return plan


def _without_prefix(name: str) -> str:
    for kind in MODEL_TYPES:
        name = name.removeprefix(kind + ".")
    return name


def _check_variant(data: Mapping[str, Any], where: str) -> None:
    kind = data.get("model_type")
    if kind not in MODEL_TYPES:
        raise CheckpointError(
            f"{where}: model_type is {kind!r}, it must be one of {', '.join(MODEL_TYPES)}"
        )
    legal = {  # entry: (its value when absent, the only value supported)
        "feat_extract_norm": ("group", "layer"),
        "do_stable_layer_norm": (False, True),
        "hidden_act": ("gelu", "gelu"),
        "feat_extract_activation": ("gelu", "gelu"),
        "layer_norm_eps": (1e-5, 1e-5),
        "add_adapter": (False, False),
        "adapter_attn_dim": (None, None),
        "conv_pos_batch_norm": (False, False),
        "feat_proj_layer_norm": (True, True),
    }
    for name, (absent, only) in legal.items():
        value = data.get(name, absent)
        if value != only:
            raise CheckpointError(
                f"{where}: {name} is {value!r}, it must be {only!r}: the layer-norm variant "
                "(wav2vec 2.0 Large LV-60k and its children)"
            )
