"""Checkpoints: safetensors, a manifest of hashes, atomic, resumable to the identical weights.

A checkpoint is a folder `step-00000200/`:

    model.safetensors       what is learnt, float32; frozen weights lie once in `base/`
    optimiser.safetensors   the optimiser's moments
    state.json              stage, step, configuration hash, lineage, versions
    manifest.json           size and SHA-256 of every other file

Where weights are sharded over ranks, each writes a share of both (`train/shards.py`); any number of
ranks goes on from either kind. It is written into a `.tmp` folder, flushed, renamed; a half-written
one is never seen. The newest checkpoint whose manifest holds is used, and older damage is reported.
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
from torch import Tensor, nn

from earvoice.errors import CheckpointError
from earvoice.models.files import (
    check_tensors,
    load_weights,
    read_safetensors,
    replacing,
    save_tensors,
    verify_manifest,
    write_manifest,
)
from earvoice.train import shards
from earvoice.train.base import check_base, frozen_of, read_base
from earvoice.train.distributed import Ranks

KEEP = 2
_ZERO = torch.zeros(())
TENSORS = ("model.safetensors", "optimiser.safetensors")
STATE_FILE = "state.json"
FILES = (*TENSORS, STATE_FILE)


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk."""

    path: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return int(self.state["step"])

    @property
    def base(self) -> str | None:
        """Digest of the frozen weights that it leaves out; None when it has all."""
        found = self.state.get("base")
        return None if found is None else str(found)

    @property
    def sharded(self) -> bool:
        """Whether ranks wrote their shares."""
        return "shards" in self.state

    def weights(self) -> dict[str, Tensor]:
        """All parameters, whole."""
        if self.sharded:
            own = shards.read_shards(self.path, shards.WEIGHT)
        else:
            own = read_safetensors(self.path / TENSORS[0])
        return own if self.base is None else {**read_base(self.path.parent), **own}

    def restore(self, module: nn.Module, optim: torch.optim.Optimizer) -> None:
        """Puts weights and optimiser back exactly. All ranks call it."""
        if self.sharded and shards.is_sharded(module):
            self._restore_shares(module, optim)
            return
        own = module.state_dict()
        weights = self.weights()
        check_tensors(own, weights, str(self.path))
        load_weights(
            module,
            {name: shards.as_share(value, own[name]) for name, value in weights.items()},
            str(self.path),
        )
        for parameter, entry in self._moments(module, optim).items():
            device = parameter.device
            optim.state[parameter] = {
                name: shards.as_share(value, parameter).to(device if value.dim() else "cpu")
                for name, value in entry.items()
            }

    def _moments(
        self, module: nn.Module, optim: torch.optim.Optimizer
    ) -> dict[nn.Parameter, dict[str, Tensor]]:
        """The optimiser's whole tensors, by parameter: by number in a file, by name in shares."""
        parameters = [p for group in optim.param_groups for p in group["params"]]
        if self.sharded:
            named = {id(parameter): name for name, parameter in module.named_parameters()}
            keys = [named[id(parameter)] for parameter in parameters]
            moments = shards.read_shards(self.path, shards.MOMENT)
        else:
            keys = [str(number) for number in range(len(parameters))]
            moments = read_safetensors(self.path / TENSORS[1])
        found: dict[str, dict[str, Tensor]] = {}
        for name, value in moments.items():
            key, _, moment = name.rpartition(".")
            found.setdefault(key, {})[moment] = value
        return {p: found[key] for p, key in zip(parameters, keys, strict=True) if key in found}

    def _restore_shares(self, module: nn.Module, optim: torch.optim.Optimizer) -> None:
        """The same, shares into shares: no rank ever holds a whole tensor."""
        base = {} if self.base is None else read_base(self.path.parent)
        own = module.state_dict()
        for name, value in base.items():
            own[name].copy_(shards.as_share(value, own[name]))
        wanted = {shards.WEIGHT + name: v for name, v in own.items() if name not in base}
        saved = set(self.state["moments"])
        for name, parameter in module.named_parameters():
            entry = {
                moment: torch.zeros_like(parameter.detach()) if moment != "step" else _ZERO.clone()
                for moment in ("step", "exp_avg", "exp_avg_sq")
                if f"{name}.{moment}" in saved
            }
            if entry:
                optim.state[parameter] = entry
                wanted |= {f"{shards.MOMENT}{name}.{key}": value for key, value in entry.items()}
        shards.fill_shares(self.path, wanted)


def save(
    folder: Path,
    module: nn.Module,
    optim: torch.optim.Optimizer,
    state: Mapping[str, Any],
    ranks: Ranks | None = None,
) -> Path:
    """Writes a checkpoint atomically; it and those just before it are kept.

    Checkpoints of later steps are removed too: they belong to a run that this one replaces, and
    would be taken for its newest.
    state: with `base`, the frozen weights are left out. ranks: all call it where weights are
    sharded, else the first alone.
    """
    final = folder / f"step-{int(state['step']):08d}"
    temporary = folder / (final.name + ".tmp")
    frozen = frozen_of(module) if state.get("base") else {}
    weights = {name: v for name, v in module.state_dict().items() if name not in frozen}
    if ranks is None or not shards.is_sharded(module):
        _begin(temporary)
        save_tensors(temporary / TENSORS[0], _contiguous(weights))
        save_tensors(temporary / TENSORS[1], _moments(optim))
        _finish(temporary, final, state)
        return final
    moments = _named_moments(module, optim)
    tensors = {shards.WEIGHT + name: value.detach() for name, value in weights.items()}
    tensors |= {shards.MOMENT + name: value for name, value in moments.items()}
    ranks.lead(lambda: _begin(temporary))
    shards.write_shards(temporary, tensors)
    ranks.lead(lambda: _finish(temporary, final, {**state, "moments": sorted(moments)}))
    return final


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and what is wrong with newer ones."""
    problems = []
    bases: dict[str, str] = {}
    for path in reversed(_folders(folder)):
        try:
            found = Checkpoint(path, _verified(path))
            if found.base is not None:
                _check_base_once(folder, found.base, bases)
        except (CheckpointError, OSError, ValueError) as error:
            problems.append(str(error))
        else:
            return found, problems
    return None, problems


def write_whole(path: Path, out: Path) -> Path:
    """One checkpoint as one file, `OUT/model.safetensors`: all weights, whole, with a manifest.

    Raises: CheckpointError when it is damaged, or OUT cannot be written.
    """
    found = Checkpoint(path, _verified(path))
    if found.base is not None:
        check_base(path.parent, found.base)
    weights = found.weights()
    with replacing(out) as folder:
        save_tensors(folder / TENSORS[0], weights)
    return out


def _verified(path: Path) -> dict[str, Any]:
    """The state of a checkpoint all of whose files are as they were written.

    Raises: CheckpointError.
    """
    try:
        state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        state = None  # the manifest says what is wrong with it
    written = state.get("shards") if isinstance(state, dict) else None
    tensors = [str(name) for name in written] if isinstance(written, list) else TENSORS
    verify_manifest(path, required=(*tensors, STATE_FILE))
    if not isinstance(state, dict):
        raise CheckpointError(f"{path / STATE_FILE} must hold an object")
    return state


def _check_base_once(folder: Path, digest: str, known: dict[str, str]) -> None:
    """The frozen weights are read once, however many checkpoints name them."""
    if digest not in known:
        try:
            check_base(folder, digest)
            known[digest] = ""
        except CheckpointError as error:
            known[digest] = str(error)
    if known[digest]:
        raise CheckpointError(known[digest])


def _begin(temporary: Path) -> None:
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)


def _finish(temporary: Path, final: Path, state: Mapping[str, Any]) -> None:
    """Seals a written folder and puts it in its place."""
    written = sorted(path.name for path in temporary.glob("shard-*.safetensors"))
    whole = {**state, "shards": written} if written else dict(state)
    (temporary / STATE_FILE).write_text(json.dumps(whole, indent=1, sort_keys=True))
    write_manifest(temporary)
    _sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    _sync(final.parent)
    _prune(final.parent, final)


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


def _named_moments(module: nn.Module, optim: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors by parameter and moment: `adapter.weight.exp_avg`."""
    return {
        f"{name}.{moment}": torch.as_tensor(value).detach()
        for name, parameter in module.named_parameters()
        for moment, value in optim.state.get(parameter, {}).items()
    }


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
