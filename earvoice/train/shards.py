"""Checkpoints of sharded weights: every rank writes its share, torch's DCP puts them together.

The shares are safetensors (DCP's own metadata file would be a pickle) with their place in the whole
in the header, so they are read back by any number of ranks, or by one process as plain tensors.

    shard-00001-model-00001-of-00001.safetensors    weights `model.NAME`, and of the optimiser
    shard-00002-...                                 `optimiser.NAME.exp_avg` and so on
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from earvoice.errors import CheckpointError

WEIGHT, MOMENT = "model.", "optimiser."
"""What names in a share begin with."""


def is_sharded(module: nn.Module) -> bool:
    """Whether a rank holds only its share of the weights."""
    from torch.distributed.tensor import DTensor

    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def as_share(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor as the share of it that `like` is; itself where `like` is no share."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor) or value.dim() == 0:
        return value
    placed = value.to(like.dtype).to(like.device)
    return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)


def write_shards(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes this rank's shares; all ranks call it. Raises: CheckpointError on all, with one's."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    with _own_errors(folder):
        dcp.save(dict(tensors), storage_writer=writer)


def fill_shares(folder: Path, into: Mapping[str, Tensor]) -> None:
    """Reads this rank's shares into tensors of the right shape; all ranks call it.

    Raises: CheckpointError when they do not fit.
    """
    _load(folder, dict(into), alone=False)


def read_shards(folder: Path, prefix: str) -> dict[str, Tensor]:
    """The whole tensors whose names begin with `prefix`, without it, in one process.

    Raises: CheckpointError when the shares do not make up whole tensors.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    with _own_errors(folder):
        found = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    whole = {}
    for name, meta in found.items():
        if name.startswith(prefix) and isinstance(meta, TensorStorageMetadata):
            covered = sum(chunk.sizes.numel() for chunk in meta.chunks)
            if covered != meta.size.numel():
                raise CheckpointError(f"{folder}: {name} is not whole; is a shard missing?")
            whole[name] = torch.empty(meta.size, dtype=meta.properties.dtype)
    _load(folder, whole, alone=True)
    return {name.removeprefix(prefix): value for name, value in whole.items()}


def _load(folder: Path, into: dict[str, Tensor], *, alone: bool) -> None:
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    with _own_errors(folder), warnings.catch_warnings():
        # It warns that there is no process group, where none is meant.
        warnings.simplefilter("ignore", UserWarning)
        reader = HuggingFaceStorageReader(str(folder))
        dcp.load(into, storage_reader=reader, no_dist=alone)


@contextmanager
def _own_errors(folder: Path) -> Iterator[None]:
    """DCP's errors in one sentence."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as error:
        rank, (cause, _) = next(iter(error.failures.items()))
        raise CheckpointError(f"{folder}: rank {rank}: {cause}") from error
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{folder}: {error}") from error
