"""A tiny untrained model folder, written as training writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from earvoice.models.files import write_manifest
from earvoice.train.export import export_model
from earvoice.train.stage import RecipeConfig, StageConfig
from tests.tiny import (
    fasst,
    fasst_config,
    llast,
    llast_config,
    lst,
    lst_config,
    tokenizer,
)

STAGES = (StageConfig(name="s", objective="wait_k"),)
"""A recipe has at least one; what is exported does not depend on it."""


def export_tiny(folder: Path, name: str = "fasst-tiny", *, seed: int = 0, **changes: Any) -> Path:
    """Exports a random FASST (English to German) that talks; `changes` go to its configuration."""
    system = fasst(seed=seed, **changes)
    recipe = RecipeConfig(name=name, system=fasst_config(**changes), stages=STAGES)
    return export_model(system, tokenizer(), recipe, folder)


def export_tiny_lst(folder: Path, name: str = "lst-tiny", *, seed: int = 0, **changes: Any) -> Path:
    """The same of a random LST."""
    system = lst(seed=seed, **changes)
    recipe = RecipeConfig(name=name, system=lst_config(**changes), stages=STAGES)
    return export_model(system, tokenizer(), recipe, folder)


def export_tiny_llast(
    folder: Path, name: str = "llast-tiny", *, seed: int = 0, **changes: Any
) -> Path:
    """The same of a random LLaST."""
    system = llast(seed=seed, **changes)
    recipe = RecipeConfig(name=name, system=llast_config(**changes), stages=STAGES)
    return export_model(system, tokenizer(), recipe, folder)


def edit_config(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Changes config.json of a model folder and seals the folder again."""
    file = folder / "config.json"
    data = json.loads(file.read_text())
    edit(data)
    file.write_text(json.dumps(data))
    write_manifest(folder)


def flip_bit(file: Path, place: int | None = None) -> None:
    """Flips one bit, in the middle where no place is given."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 1
    file.write_bytes(bytes(data))
