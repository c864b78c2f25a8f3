"""From a trained system to a model folder: bfloat16 weights, configuration, vocabulary, card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from earvoice.models.files import write_manifest
from earvoice.policies import WaitK, format_policy
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.stage import RecipeConfig


def export_model(system: Any, tokenizer: Tokenizer, recipe: RecipeConfig, folder: Path) -> Path:
    """Writes the folder that `earvoice.load` reads. Training-only heads stay behind."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    heads = {"phones": 0, "phone_weight": 0.0}
    known = type(recipe.system).model_fields
    config = recipe.system.model_copy(update={k: v for k, v in heads.items() if k in known})
    weights = {
        name: value.detach().to(torch.bfloat16).contiguous()
        for name, value in system.state_dict().items()
        if not name.startswith("phone_head.")
    }
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(config.model_dump_json(indent=1))
    tokenizer.save(folder)
    card = {
        "name": recipe.name,
        "system": config.kind,
        "src_langs": [config.src_lang],
        "tgt_langs": [config.tgt_lang],
        "policy": format_policy(WaitK(config.k, config.n)),
        "params": sum(value.numel() for value in weights.values()),
    }
    (folder / "model.json").write_text(json.dumps(card, indent=1))
    write_manifest(folder)
    return folder
