"""Explicit streaming state: everything that changes during a stream, one row per stream.

Weights are shared and immutable; a `State` is a tree of preallocated, row-major arrays. A live
stream leases one row; a step runs any subset of rows. Two kinds of leaves:

    torch.Tensor   [rows, ...]   caches and tails
    np.ndarray     [rows, ...]   counters, and what a cache's entries are (int64); read on the host

so that every operation on a stream (fork, reset, save, move) is an operation on a row of leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from earvoice.units import Rate

Leaf = Tensor | np.ndarray
S = TypeVar("S", bound="State")


@dataclass
class State:
    """A node of the state tree. Subclasses are dataclasses whose fields are leaves or States.

    Fields of any other type are constants (capacities) and are left alone.
    """

    def children(self) -> Iterator[tuple[str, State]]:
        """Yields the sub-states with their names, lists element by element."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, State):
                yield field.name, value
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, State):
                        yield f"{field.name}.{index}", item

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """Yields this node's own arrays with their field names."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor | np.ndarray):
                yield field.name, value

    @property
    def rows(self) -> int:
        """Number of streams this state has room for."""
        for _, leaf in self.leaves():
            return int(leaf.shape[0])
        for _, child in self.children():
            return child.rows
        return 0

    def reset(self, rows: Sequence[int]) -> None:
        """Returns the given rows to the empty stream; other rows are not touched."""
        index = list(rows)
        for _, leaf in self.leaves():
            leaf[index] = 0
        for _, child in self.children():
            child.reset(index)

    def fork(self, source: int, target: int) -> None:
        """Copies stream `source` onto row `target`; the two are independent afterwards."""
        for _, leaf in self.leaves():
            leaf[target] = leaf[source]
        for _, child in self.children():
            child.fork(source, target)

    def resize(self, rows: int) -> None:
        """Changes the number of rows in place; new rows are empty streams.

        Raises: ValueError when rows shrink below one.
        """
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        old = self.rows
        for name, leaf in list(self.leaves()):
            setattr(self, name, _resized(leaf, rows))
        for _, child in self.children():
            child.resize(rows)
        if rows > old:
            self.reset(range(old, rows))

    def nbytes(self) -> int:
        """Bytes held by all rows."""
        own = sum(_nbytes(leaf) for _, leaf in self.leaves())
        return own + sum(child.nbytes() for _, child in self.children())

    def to(self: S, device: torch.device | str) -> S:
        """Moves every tensor in place and returns self."""
        for name, leaf in list(self.leaves()):
            if isinstance(leaf, Tensor):
                setattr(self, name, leaf.to(device))
        for _, child in self.children():
            child.to(device)
        return self

    def phase(self, row: int) -> tuple[int, ...]:
        """`phases` of one row."""
        return self.phases([row])[0]

    def phases(self, rows: Sequence[int]) -> list[tuple[int, ...]]:
        """How many inputs wait in each convolution, row by row.

        Rows of equal phase can share a batch: the same input gives them equally many outputs.
        """
        waiting = [fill[list(rows)].tolist() for fill in self._fills()]
        return list(zip(*waiting, strict=True)) if waiting else [()] * len(rows)

    def _fills(self) -> Iterator[np.ndarray]:
        for name, leaf in self.leaves():
            if name == "fill" and isinstance(leaf, np.ndarray):
                yield leaf
        for _, child in self.children():
            yield from child._fills()

    def save_row(self, row: int) -> dict[str, Tensor]:
        """One stream as a flat dict of tensors, the only form in which it leaves the process."""
        flat = {name: torch.as_tensor(leaf[row]).clone() for name, leaf in self.leaves()}
        for prefix, child in self.children():
            flat |= {f"{prefix}.{name}": leaf for name, leaf in child.save_row(row).items()}
        return flat

    def load_row(self, row: int, flat: dict[str, Tensor]) -> None:
        """Writes a stream saved by `save_row` onto a row.

        Raises: KeyError when a leaf is missing, ValueError when a shape differs.
        """
        for name, leaf in self.leaves():
            value = flat[name]
            if tuple(value.shape) != tuple(leaf.shape[1:]):
                raise ValueError(
                    f"state leaf {name!r} has shape {tuple(value.shape)}, "
                    f"this model needs {tuple(leaf.shape[1:])}"
                )
            if isinstance(leaf, Tensor):
                leaf[row] = value
            else:
                leaf[row] = value.numpy()
        for prefix, child in self.children():
            mine = {
                name.removeprefix(prefix + "."): value
                for name, value in flat.items()
                if name.startswith(prefix + ".")
            }
            child.load_row(row, mine)


def _resized(leaf: Leaf, rows: int) -> Leaf:
    keep = min(rows, leaf.shape[0])
    if isinstance(leaf, Tensor):
        # In the same order of memory: rows are outermost in every leaf.
        grown = leaf.new_empty_strided((rows, *leaf.shape[1:]), leaf.stride()).zero_()
        grown[:keep] = leaf[:keep]
        return grown
    array: np.ndarray = np.zeros((rows, *leaf.shape[1:]), dtype=leaf.dtype)
    array[:keep] = leaf[:keep]
    return array


def _nbytes(leaf: Leaf) -> int:
    return leaf.numel() * leaf.element_size() if isinstance(leaf, Tensor) else leaf.nbytes


class Streaming(Protocol):
    """A module that can be run in pieces.

    `forward(x, state, rows)` with `state=None` is the offline and training path: streaming from an
    empty state. `rows[b]` is the state row of batch item b.
    """

    rate: Rate

    def init_state(self, rows: int, like: Tensor) -> Any:
        """Empty streams, in the dtype and on the device of `like`."""
        ...

    def __call__(self, x: Tensor, state: Any = None, rows: Sequence[int] | None = None) -> Tensor:
        """[B, T, D] -> [B, T', D']: as many outputs as the inputs so far allow, maybe none."""
        ...

    def flush(self, state: Any, rows: Sequence[int] | None = None) -> Tensor:
        """What is owed when the streams end. [B, T', D']."""
        ...


def row_list(rows: Sequence[int] | None, batch: int, state: State) -> list[int]:
    """The state rows of a batch; without `rows`, batch item b is row b.

    Raises: ValueError when the two do not fit.
    """
    if rows is None:
        if state.rows != batch:
            raise ValueError(f"batch of {batch} for a state of {state.rows} rows: name the rows")
        return list(range(batch))
    index = [int(row) for row in rows]
    if len(index) != batch:
        raise ValueError(f"{len(index)} rows named for a batch of {batch}")
    if len(set(index)) != batch:
        raise ValueError(f"rows {index} name a stream twice")
    return index


def neighbours(rows: Sequence[int]) -> slice | list[int]:
    """An index for rows of a state: a slice, which copies nothing, where they are neighbours."""
    first, count = rows[0], len(rows)
    index = list(rows)
    return slice(first, first + count) if index == list(range(first, first + count)) else index


def same_phase(counters: np.ndarray, rows: Sequence[int], what: str) -> int:
    """The common value of a counter over the rows of one call.

    A batch is one tensor, so its rows must stand at the same phase of the stride; sessions step in
    whole chunks and always do.

    Raises: ValueError when they differ.
    """
    values = {int(counters[row]) for row in rows}
    if len(values) != 1:
        raise ValueError(f"rows of one call differ in {what}: {sorted(values)}")
    return values.pop()
