"""Where a training computes: batches are made on the processor and brought there."""

from __future__ import annotations

import dataclasses
import os
import resource
from typing import Any, TypeVar

import torch
from torch import Tensor

from earvoice.errors import ConfigError

T = TypeVar("T")


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda`, or `auto`: a GPU where there is one, each rank its own.

    Raises: ConfigError for a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"--device is {name!r}, it must be cpu, cuda or auto")
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("--device is 'cuda', but torch finds no GPU; use cpu or auto")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def moved(value: T, device: torch.device) -> T:
    """A batch with its tensors on a device; itself where they are there already."""
    if device.type == "cpu":
        return value
    found: Any = value
    if isinstance(value, Tensor):
        found = value.to(device, non_blocking=True)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        found = dataclasses.replace(value, **{k: moved(v, device) for k, v in fields.items()})
    return found


def memory_gib(device: torch.device) -> float:
    """The most memory that was held: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
