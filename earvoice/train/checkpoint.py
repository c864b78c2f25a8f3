"""Checkpoints: safetensors, a manifest of hashes, atomic, resumable to the identical weights.

A checkpoint is a folder `step-00000200/`:

    model.safetensors       all parameters, float32
    optimiser.safetensors   the optimiser's moments
    state.json              stage, step, configuration hash, lineage, versions
    manifest.json           size and SHA-256 of every other file

It is written into a `.tmp` folder, flushed, renamed; a half-written one is never seen. The newest
checkpoint whose manifest holds is used, and older damage is reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from earvoice.errors import CheckpointError

MANIFEST = "manifest.json"
KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk."""

    path: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return int(self.state["step"])

    def weights(self) -> dict[str, Tensor]:
        """All parameters."""
        return load_file(self.path / "model.safetensors")

    def restore(self, module: nn.Module, optim: torch.optim.Optimizer) -> None:
        """Puts weights and optimiser back exactly."""
        load_weights(module, self.weights(), str(self.path))
        moments = load_file(self.path / "optimiser.safetensors")
        parameters = [p for group in optim.param_groups for p in group["params"]]
        for index, parameter in enumerate(parameters):
            prefix = f"{index}."
            entry = {
                name.removeprefix(prefix): value
                for name, value in moments.items()
                if name.startswith(prefix)
            }
            if entry:
                optim.state[parameter] = entry


def load_weights(
    module: nn.Module, weights: Mapping[str, Tensor], where: str, *, assign: bool = False
) -> None:
    """Strict loading: every key and shape must fit.

    Raises: CheckpointError naming what is missing, unknown or misshapen.
    """
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        raise CheckpointError(
            f"{where}: {len(missing)} tensors missing (e.g. {missing[:2]}), "
            f"{len(unknown)} unknown (e.g. {unknown[:2]})"
        )
    for name, value in weights.items():
        if own[name].shape != value.shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(value.shape)}, expected {tuple(own[name].shape)}"
            )
    module.load_state_dict(dict(weights), assign=assign)


def save(
    folder: Path, module: nn.Module, optim: torch.optim.Optimizer, state: Mapping[str, Any]
) -> Path:
    """Writes a checkpoint atomically and removes all but the newest few."""
    final = folder / f"step-{int(state['step']):08d}"
    temporary = folder / (final.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(_contiguous(module.state_dict()), temporary / "model.safetensors")
    save_file(_moments(optim), temporary / "optimiser.safetensors")
    (temporary / "state.json").write_text(json.dumps(dict(state), indent=1, sort_keys=True))
    write_manifest(temporary)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    _sync(folder)
    for old in _folders(folder)[:-KEEP]:
        shutil.rmtree(old)
    return final


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    problems = []
    for path in reversed(_folders(folder)):
        try:
            verify_manifest(path)
            return Checkpoint(path, json.loads((path / "state.json").read_text())), problems
        except (CheckpointError, OSError, ValueError) as error:
            problems.append(str(error))
    return None, problems


def write_manifest(folder: Path) -> None:
    """Records size and SHA-256 of every file of a folder and flushes them to disk."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST and path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    with (folder / MANIFEST).open("w") as file:
        json.dump({"files": files}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def verify_manifest(folder: Path) -> None:
    """Checks every file against the manifest.

    Raises: CheckpointError naming the file and what differs.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        items = [(str(name), int(v["bytes"]), str(v["sha256"])) for name, v in files.items()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: no readable {MANIFEST} ({error})") from error
    for name, size, digest in items:
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise CheckpointError(f"{folder}: {name} is missing")
        if path.stat().st_size != size:
            raise CheckpointError(
                f"{path} has {path.stat().st_size} bytes, the manifest says {size}"
            )
        if sha256(path) != digest:
            raise CheckpointError(f"{path} does not match its SHA-256: it was changed or damaged")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a file. Raises: CheckpointError when it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _folders(folder: Path) -> list[Path]:
    found = folder.glob("step-*") if folder.is_dir() else []
    return sorted(path for path in found if path.name[5:].isdigit())


def _contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().contiguous().clone() for name, value in weights.items()}


def _moments(optim: torch.optim.Optimizer) -> dict[str, Tensor]:
    flat = {}
    parameters = [p for group in optim.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        for name, value in optim.state.get(parameter, {}).items():
            flat[f"{index}.{name}"] = torch.as_tensor(value).detach().clone()
    return flat


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
