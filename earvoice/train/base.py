"""The frozen weights of a stage, written once: a step's checkpoint then holds what is learnt.

    STAGE/base/model.safetensors    every frozen parameter
    STAGE/base/base.json            their digest, which the checkpoints of the steps name
    STAGE/base/manifest.json        size and SHA-256 of both

LoRA on a language model of billions so saves its adaptation every time and the model once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from earvoice.errors import CheckpointError
from earvoice.models.files import read_safetensors, verify_manifest, write_manifest

FOLDER = "base"
WEIGHTS_FILE, DIGEST_FILE = "model.safetensors", "base.json"


def frozen_of(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that are not learnt, by name, as far as its state has them."""
    held = module.state_dict().keys()
    return {
        name: parameter.detach()
        for name, parameter in module.named_parameters()
        if not parameter.requires_grad and name in held
    }


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_base(stage: Path, tensors: Mapping[str, Tensor], digest: str) -> None:
    """Puts the frozen weights beside a stage's checkpoints, unless they are there whole."""
    try:
        check_base(stage, digest)
    except CheckpointError:
        pass
    else:
        return
    final = stage / FOLDER
    temporary = stage / (FOLDER + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, temporary / WEIGHTS_FILE)
    (temporary / DIGEST_FILE).write_text(json.dumps({"digest": digest}))
    write_manifest(temporary)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)


def check_base(stage: Path, digest: str) -> None:
    """Raises: CheckpointError unless the stage's frozen weights are whole and those meant."""
    folder = stage / FOLDER
    verify_manifest(folder, required=(WEIGHTS_FILE, DIGEST_FILE))
    try:
        found = json.loads((folder / DIGEST_FILE).read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{folder / DIGEST_FILE} is not readable: {error!r}") from error
    if found != digest:
        raise CheckpointError(f"{folder} holds other frozen weights than the checkpoint names")


def read_base(stage: Path) -> dict[str, Tensor]:
    """The frozen weights; `check_base` comes first."""
    return read_safetensors(stage / FOLDER / WEIGHTS_FILE)
