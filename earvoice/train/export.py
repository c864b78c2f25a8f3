"""From a trained system to a model folder: bfloat16 weights, configuration, vocabulary, card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earvoice.models.files import replacing, save_tensors
from earvoice.models.llm_config import HfLlmConfig
from earvoice.models.lora import merged_state
from earvoice.policies import WaitK, format_policy
from earvoice.systems import SystemConfig
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.errors import TrainingError
from earvoice.train.saving import first_not_finite
from earvoice.train.stage import RecipeConfig

_TRAINING_ONLY = {
    "phones": 0,
    "text_source": False,
    "phone_weight": 0.0,
    "speech_lora": None,
    "llm_lora": None,
}
"""Parts of a configuration that an exported model has no more: heads, adaptations."""


def export_model(system: Any, tokenizer: Tokenizer, recipe: RecipeConfig, folder: Path) -> Path:
    """Writes the folder that `earvoice.load` reads, for a recipe's system."""
    return write_model(system, tokenizer, recipe.system, recipe.name, folder)


def write_model(
    system: Any, tokenizer: Tokenizer, config: SystemConfig, name: str, folder: Path
) -> Path:
    """Writes the folder that `earvoice.load` reads; one that was there stays until it is whole.

    Training-only heads stay behind; adaptations are merged into the weights they change.
    Raises: CheckpointError when it cannot be written; TrainingError for weights that are no
        numbers.
    """
    known = type(config).model_fields
    left_behind = dict(_TRAINING_ONLY)
    if getattr(config, "relay", False):
        del left_behind["text_source"]  # this one hears tokens, live too
    config = config.model_copy(
        update={key: value for key, value in left_behind.items() if key in known}
    )
    if isinstance(getattr(config, "llm", None), HfLlmConfig):
        config = config.model_copy(update={"llm": system.lm.config_with_settings()})
    weights = {
        key: value.detach().to(torch.bfloat16).contiguous()
        for key, value in merged_state(system).items()
        if not key.startswith("phone_head.")
        and ("text_source" not in left_behind or not key.startswith("source."))
    }
    broken = first_not_finite(weights.items())
    if broken is not None:
        raise TrainingError(f"{folder}: {broken} is not finite; no model is written")
    card = _card(config, name, weights)
    with replacing(folder) as new:
        save_tensors(new / "model.safetensors", weights)
        (new / "config.json").write_text(config.model_dump_json(indent=1))
        tokenizer.save(new)
        (new / "model.json").write_text(json.dumps(card, indent=1))
    return folder


def _card(config: SystemConfig, name: str, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What `earvoice models` says of a model."""
    pairs = getattr(config, "pairs", ((config.src_lang, config.tgt_lang),))
    card = {
        "name": name,
        "system": config.kind,
        "src_langs": list(dict.fromkeys(src for src, _ in pairs)),
        "tgt_langs": list(dict.fromkeys(tgt for _, tgt in pairs)),
        "params": sum(value.numel() for value in weights.values()),
    }
    if len(pairs) > 1:
        card["directions"] = ["-".join(pair) for pair in pairs]
    k, n = getattr(config, "k", None), getattr(config, "n", None)
    # A system without them decides by itself when to write.
    policy = None if k is None or n is None else WaitK(k, n)
    card["policy"] = format_policy(policy)
    return card
