"""Reading foreign model folders: config.json and safetensors, one file or several shards.

Only safetensors are read: pickled weights (`.bin`, `.pt`) can run code when they are opened.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from earvoice.errors import CheckpointError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
LEGAL_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_PICKLED = ("*.bin", "*.pt", "*.pth")


class Weights(Mapping[str, Tensor]):
    """The tensors of a folder by name, each read from disk when it is asked for.

    A 7B model can so be fused layer by layer, without two copies of it in memory.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> Tensor:
        path = self._places[name]
        try:
            with safe_open(path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: tensor {name!r} cannot be read: {error}") from error
        if tensor.dtype not in LEGAL_DTYPES:
            raise CheckpointError(
                f"{path}: {name} is {str(tensor.dtype).removeprefix('torch.')}, it must be "
                "float32, float16 or bfloat16; quantised weights are not read"
            )
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a folder. Raises: CheckpointError when it is no JSON object."""
    data = _read_json(folder / "config.json")
    if not isinstance(data, dict):
        raise CheckpointError(f"{folder / 'config.json'} must hold an object")
    return data


def read_weights(folder: Path) -> Weights:
    """The tensors of `model.safetensors`, or of the shards its index names.

    Raises: CheckpointError when there are none, naming pickled files that are there instead.
    """
    single, index = folder / SINGLE_FILE, folder / INDEX_FILE
    if single.is_file():
        return Weights(dict.fromkeys(_tensor_names(single), single))
    if index.is_file():
        return Weights(_shards(folder, _read_json(index)))
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        raise CheckpointError(
            f"{folder} has {pickled[0]}, which can run code when it is opened; only safetensors "
            f"are read: save the model again as {SINGLE_FILE}"
        )
    raise CheckpointError(f"{folder} has neither {SINGLE_FILE} nor {INDEX_FILE}")


def check_names(
    found: Collection[str], wanted: Collection[str], ignored: Collection[str], where: str
) -> None:
    """Strict: every name is wanted or documented as ignored, and nothing wanted is missing.

    Raises: CheckpointError naming some of each.
    """
    missing = sorted(set(wanted) - set(found))
    unknown = sorted(set(found) - set(wanted) - set(ignored))
    if missing or unknown:
        raise CheckpointError(
            f"{where}: {len(missing)} tensors missing (e.g. {missing[:2]}), "
            f"{len(unknown)} unknown (e.g. {unknown[:2]})"
        )


def required(config: Mapping[str, Any], name: str, where: str) -> Any:
    """An entry that config.json must have. Raises: CheckpointError."""
    if config.get(name) is None:
        raise CheckpointError(f"{where}: {name} is missing")
    return config[name]


def required_numbers(config: Mapping[str, Any], name: str, where: str) -> list[int]:
    """An entry that must be a list of whole numbers. Raises: CheckpointError."""
    found = required(config, name, where)
    if isinstance(found, list | tuple) and all(type(one) is int for one in found):
        return list(found)
    raise CheckpointError(f"{where}: {name} is {found!r}, it must be a list of whole numbers")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def _tensor_names(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def _shards(folder: Path, index: Any) -> dict[str, Path]:
    """Where each tensor lies; a shard must be a file of this folder."""
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise CheckpointError(f"{folder / INDEX_FILE}: weight_map is missing")
    names: dict[str, list[str]] = {}
    for file in sorted({str(file) for file in places.values()}):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise CheckpointError(
                f"{folder / INDEX_FILE}: shard {file!r} must be a .safetensors file of the folder"
            )
        names[file] = _tensor_names(folder / file)
    for name, file in places.items():
        if name not in names[str(file)]:
            raise CheckpointError(f"{folder / str(file)}: tensor {name!r} of the index is missing")
    return {name: folder / file for file, inside in names.items() for name in inside}
