"""LoRA-only checkpoints: what was learnt beside a frozen network, and nothing of it.

adaptation.safetensors    LoRA on both sides and the adapter, by our names
config.json               the system they belong to
manifest.json             size and SHA-256 of both
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from earvoice.errors import CheckpointError
from earvoice.models.files import (
    MANIFEST,
    check_tensors,
    read_safetensors,
    replacing,
    save_tensors,
    verify_manifest,
)
from earvoice.nn.lora import is_lora

ADAPTATION_FILE = "adaptation.safetensors"
CONFIG_FILE = "config.json"


def is_adaptation(name: str) -> bool:
    """Whether a tensor of a system is learnt when its encoder and language model are frozen."""
    return is_lora(name) or name.startswith("adapter.")


def adaptation_of(system: nn.Module) -> dict[str, Tensor]:
    """The tensors of an adaptation."""
    return {name: value for name, value in system.state_dict().items() if is_adaptation(name)}


def write_adaptation(tensors: dict[str, Tensor], config_json: str, folder: Path) -> Path:
    """Writes the folder; one that was there is replaced once it is whole.

    Raises: CheckpointError when it cannot be written.
    """
    whole = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    with replacing(folder) as new:
        save_tensors(new / ADAPTATION_FILE, whole)
        (new / CONFIG_FILE).write_text(config_json)
    return folder


def read_adaptation(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder. Raises: CheckpointError when it is damaged or not finished."""
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(f"{folder} has no {MANIFEST}: it is not a finished adaptation")
    verify_manifest(folder, required=(ADAPTATION_FILE, CONFIG_FILE))
    return read_safetensors(folder / ADAPTATION_FILE)


def apply_adaptation(system: nn.Module, folder: Path) -> None:
    """Puts the tensors of a folder into a system with LoRA; its base stays as it is.

    Raises: CheckpointError when the folder is damaged, or does not fit to the last name.
    """
    put_adaptation(system, read_adaptation(folder), str(folder))


def put_adaptation(system: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """The same from tensors in memory. Raises: CheckpointError."""
    check_tensors(adaptation_of(system), tensors, where)
    system.load_state_dict(tensors, strict=False)
