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

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from earvoice.errors import CheckpointError
from earvoice.models.files import (
    load_weights,
    read_safetensors,
    verify_manifest,
    write_manifest,
)

KEEP = 2
FILES = ("model.safetensors", "optimiser.safetensors", "state.json")


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
        return read_safetensors(self.path / "model.safetensors")

    def restore(self, module: nn.Module, optim: torch.optim.Optimizer) -> None:
        """Puts weights and optimiser back exactly."""
        load_weights(module, self.weights(), str(self.path))
        moments = read_safetensors(self.path / "optimiser.safetensors")
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


def save(
    folder: Path, module: nn.Module, optim: torch.optim.Optimizer, state: Mapping[str, Any]
) -> Path:
    """Writes a checkpoint atomically; it and those just before it are kept.

    Checkpoints of later steps are removed too: they belong to a run that this one replaces, and
    would be taken for its newest.
    """
    final = folder / f"step-{int(state['step']):08d}"
    temporary = folder / (final.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(_contiguous(module.state_dict()), temporary / "model.safetensors")
    save_file(_moments(optim), temporary / "optimiser.safetensors")
    (temporary / "state.json").write_text(json.dumps(dict(state), indent=1, sort_keys=True))
    write_manifest(temporary)
    _sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    _sync(folder)
    _prune(folder, final)
    return final


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    problems = []
    for path in reversed(_folders(folder)):
        try:
            verify_manifest(path, required=FILES)
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        except (CheckpointError, OSError, ValueError) as error:
            problems.append(str(error))
        else:
            return Checkpoint(path, state), problems
    return None, problems


def _prune(folder: Path, final: Path) -> None:
    """Removes all checkpoints but `final` and the KEEP - 1 before it."""
    folders = _folders(folder)
    last = folders.index(final) + 1
    for path in folders[: max(0, last - KEEP)] + folders[last:]:
        shutil.rmtree(path)


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
