"""Training in several processes: who they are, what they share, how they fail together.

    torchrun --nproc-per-node 2 -m earvoice.cli train RECIPE             weights on every rank
    torchrun --nproc-per-node 2 -m earvoice.cli train RECIPE --shard     FSDP2: a share on each

A step's `accumulate` batches are dealt out among the ranks, so that a step learns from the same
batches however many ranks there are, and gradients are summed: a run may stop with two ranks and go
on with one. `Alone` is the one process of a machine without any of this; it costs nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from earvoice.errors import ConfigError, EarvoiceError
from earvoice.train.blocks import blocks
from earvoice.train.errors import RankError

T = TypeVar("T")
Objective = Callable[[Any], Mapping[str, Tensor]]

_BUCKET = 1 << 24
"""Numbers that are sent together: 64 MiB of gradients."""


class Ranks(Protocol):
    """The processes of a training, as one of them sees them."""

    rank: int
    world: int
    shard: bool

    def together(self) -> AbstractContextManager[object]:
        """Inside, an error of one rank becomes an error of all, with the same message."""
        ...

    def lead(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, on all ranks; it must be a plain value."""
        ...

    def in_turn(self, make: Callable[[], T]) -> T:
        """What each rank makes for itself, the others after rank 0, whose files they find."""
        ...

    def wrap(self, system: nn.Module, objective: Objective) -> Objective:
        """The objective to call; shards the weights where asked for."""
        ...

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Adds up the gradients of all ranks."""
        ...

    def total(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over the ranks, by name."""
        ...

    def most(self, value: float) -> float:
        """The largest of the ranks' values."""
        ...

    def close(self) -> None:
        """Leaves the group."""
        ...


class Alone:
    """One process: everything is its own."""

    rank, world, shard = 0, 1, False

    def together(self) -> AbstractContextManager[object]:
        """Nothing to agree on."""
        return contextlib.nullcontext()

    def lead(self, make: Callable[[], T]) -> T:
        """Makes it."""
        return make()

    def in_turn(self, make: Callable[[], T]) -> T:
        """Makes it."""
        return make()

    def wrap(self, system: nn.Module, objective: Objective) -> Objective:
        """As it is."""
        return objective

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """They are the sum."""

    def total(self, values: Mapping[str, float]) -> dict[str, float]:
        """They are the sums."""
        return dict(values)

    def most(self, value: float) -> float:
        """It is the largest."""
        return value

    def close(self) -> None:
        """Nothing to leave."""


def join(*, shard: bool = False, device: str = "cpu") -> Ranks:
    """The group that torchrun's environment speaks of, or one process.

    shard: spread weights, gradients and moments over the ranks (FSDP2).
    Raises: ConfigError for sharding without torchrun, and for half an environment.
    """
    if shard and "WORLD_SIZE" not in os.environ:
        raise ConfigError("--shard needs several processes: start it by torchrun")
    world = _number("WORLD_SIZE", least=1) if "WORLD_SIZE" in os.environ else 1
    if world == 1 and not shard:
        return Alone()
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise _half(name, "not set")
    _number("MASTER_PORT", least=0, most=65535)
    rank = _number("RANK", least=0, most=world - 1)
    return Group(rank, world, shard=shard, device=device)


def _number(name: str, *, least: int, most: int | None = None) -> int:
    """A number of the environment. Raises: ConfigError."""
    text = os.environ.get(name)
    if text is None:
        raise _half(name, "not set")
    legal = text.isascii() and text.isdigit() and len(text) < 10
    if not legal or not least <= int(text) <= (int(text) if most is None else most):
        span = f"{least} or more" if most is None else f"{least} to {most}"
        raise _half(name, f"{text!r}, it must be {span}")
    return int(text)


def _half(name: str, what: str) -> ConfigError:
    """What to say of an environment that is not torchrun's."""
    return ConfigError(
        f"the environment variable {name} is {what}: start by torchrun, which sets it, or unset "
        "WORLD_SIZE"
    )


def share_of(parts: int, ranks: Ranks, stage: str) -> range:
    """The batches of a step that are this rank's. Raises: ConfigError unless all get as many."""
    if parts % ranks.world:
        raise ConfigError(
            f"stage {stage!r}: accumulate is {parts}, with {ranks.world} ranks it must be a "
            f"multiple of {ranks.world}: they share a step's batches out among them"
        )
    return range(ranks.rank, parts, ranks.world)


class Group:
    """One of several processes that train together."""

    def __init__(self, rank: int, world: int, *, shard: bool, device: str) -> None:
        import torch.distributed as dist

        self.rank, self.world, self.shard, self.device = rank, world, shard, device
        self._dist = dist
        backend = "gloo" if device == "cpu" else f"cpu:gloo,{device}:nccl"
        dist.init_process_group(backend, rank=rank, world_size=world)

    def together(self) -> AbstractContextManager[object]:
        """Inside, an error of one rank becomes an error of all."""
        return _Together(self)

    def agree(self, error: BaseException | None) -> None:
        """Raises: RankError on every rank when any of them has an error."""
        failed = torch.tensor(int(error is not None))
        self._dist.all_reduce(failed, self._dist.ReduceOp.MAX)
        if not failed:
            return
        found: list[Any] = [None] * self.world
        self._dist.all_gather_object(found, None if error is None else _described(error))
        said = {rank: item for rank, item in enumerate(found) if item is not None}
        first, (message, code) = next(iter(said.items()))
        everywhere = len(said) == self.world and len({text for text, _ in said.values()}) == 1
        where = "" if everywhere or first == 0 else f"rank {first}: "
        raise RankError(where + message, code) from error

    def lead(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, on all ranks."""
        made: list[Any] = [None]
        with self.together():
            if self.rank == 0:
                made = [make()]
        self._dist.broadcast_object_list(made, device=torch.device("cpu"))
        result: T = made[0]
        return result

    def in_turn(self, make: Callable[[], T]) -> T:
        """What each rank makes for itself, the others after rank 0."""
        made = None
        with self.together():
            if self.rank == 0:
                made = make()
        with self.together():
            return make() if made is None else made

    def wrap(self, system: nn.Module, objective: Objective) -> Objective:
        """The objective to call; with sharding, the weights become shares (FSDP2)."""
        if not self.shard:
            return objective
        return sharded(system, objective, self.device, self.world)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Adds up the gradients of all ranks; sharded ones were summed on their way back.

        A parameter that no rank used stays without a gradient, as with one process.
        """
        if self.shard:
            return
        used = torch.tensor([parameter.grad is not None for parameter in parameters]).int()
        self._dist.all_reduce(used, self._dist.ReduceOp.MAX)
        gradients = []
        for parameter, by_any in zip(parameters, used.tolist(), strict=True):
            if by_any and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            self._dist.all_reduce(flat)
            parts = flat.split([gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def total(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over the ranks, by name, in double precision."""
        names = sorted(values)
        sums = torch.tensor([values[name] for name in names], dtype=torch.float64)
        self._dist.all_reduce(sums)
        by_name = dict(zip(names, sums.tolist(), strict=True))
        return {name: by_name[name] for name in values}

    def most(self, value: float) -> float:
        """The largest of the ranks' values."""
        found = torch.tensor(value, dtype=torch.float64)
        self._dist.all_reduce(found, self._dist.ReduceOp.MAX)
        return float(found)

    def close(self) -> None:
        """Leaves the group."""
        if self._dist.is_initialized():
            self._dist.destroy_process_group()


class _Together:
    """Ends a part that all ranks do: their errors are exchanged."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, Exception):
            self._group.agree(error)


def _described(error: BaseException) -> tuple[str, int]:
    """Message and exit code; the name of the error where it is none of ours."""
    if isinstance(error, EarvoiceError):
        return str(error), error.exit_code
    return f"{type(error).__name__}: {error}", 1


def _buckets(gradients: Sequence[Tensor]) -> list[list[Tensor]]:
    """Gradients of one type that are sent together."""
    found: list[list[Tensor]] = []
    filled = _BUCKET
    for gradient in gradients:
        if filled >= _BUCKET or found[-1][0].dtype != gradient.dtype:
            found.append([])
            filled = 0
        found[-1].append(gradient)
        filled += gradient.numel()
    return found


def sharded(system: nn.Module, objective: Objective, device: str, world: int) -> Objective:
    """FSDP2: every rank holds a share of each weight; a block is gathered while it is used.

    Gradients are summed, not averaged: the loss of a batch is already divided by their number.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    mesh = init_device_mesh(device, (world,))
    whole = _Whole(system, objective)

    def place(parameter: nn.Parameter) -> Any:
        return _placement(parameter, world)

    for part in (*blocks(system), whole):
        fully_shard(part, mesh=mesh, shard_placement_fn=place)
    for module in whole.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return whole


class _Whole(nn.Module):
    """System and objective as one module, because FSDP gathers weights around `forward`."""

    def __init__(self, system: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.system, self._objective = system, objective

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """The losses of a batch."""
        return dict(self._objective(batch))


def _placement(parameter: nn.Parameter, world: int) -> Any:
    """Along which axis a weight is shared: the first, or one that the ranks divide evenly."""
    from torch.distributed.tensor import Shard

    if parameter.shape[0] >= world:
        return Shard(0)
    even = (axis for axis, size in enumerate(parameter.shape) if size % world == 0)
    return Shard(next(even, 0))
