"""Who is who: the cheapest one-to-one assignment of rows to columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cheapest_assignment(costs: NDArray[np.int64]) -> list[int]:
    """The column of each row such that the sum of the costs is least.

    Shortest augmenting paths (Crouse 2016, "On implementing 2D rectangular assignment
    algorithms"), all in integers; time grows with the cube of the size. Of paths that cost the
    same, one that ends is taken. Shapes: costs [N, N].
    """
    size = len(costs)
    row_price = np.zeros(size, dtype=np.int64)
    column_price = np.zeros(size, dtype=np.int64)
    column_of = [-1] * size
    row_of = [-1] * size
    for row in range(size):
        path, end = _shortest_path(costs, row, row_price, column_price, row_of, column_of)
        while True:
            before = path[end]
            row_of[end] = before
            column_of[before], end = end, column_of[before]
            if before == row:
                break
    return column_of


def _shortest_path(
    costs: NDArray[np.int64],
    start: int,
    row_price: NDArray[np.int64],
    column_price: NDArray[np.int64],
    row_of: Sequence[int],
    column_of: Sequence[int],
) -> tuple[list[int], int]:
    """For each column the row before it on the way from `start`, and the free column at the end.

    Changes the prices so that every step of an assigned pair costs nothing again.
    """
    size = len(costs)
    open_columns = list(range(size))[::-1]
    length = [0] * size
    reached: list[int] = []
    path = [-1] * size
    rows = [start]
    row, total = start, 0
    seen = [False] * size
    while True:
        best = -1
        for place, column in enumerate(open_columns):
            way = total + int(costs[row, column] - row_price[row] - column_price[column])
            if not seen[column] or way < length[column]:
                length[column], path[column], seen[column] = way, row, True
            if best < 0 or _better(length, row_of, column, open_columns[best]):
                best = place
        column = open_columns[best]
        total = length[column]
        open_columns[best] = open_columns[-1]
        open_columns.pop()
        reached.append(column)
        if row_of[column] < 0:
            break
        row = row_of[column]
        rows.append(row)
    row_price[start] += total
    for other in rows[1:]:
        row_price[other] += total - length[column_of[other]]
    for column in reached:
        column_price[column] -= total - length[column]
    return path, reached[-1]


def _better(length: Sequence[int], row_of: Sequence[int], column: int, than: int) -> bool:
    """Whether a column is nearer, or as near and free."""
    if length[column] == length[than]:
        return row_of[column] < 0
    return length[column] < length[than]


def padded(
    costs: NDArray[np.int64], alone: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    """A square table in which each row and column may also stay alone.

    Shapes: costs [N, M], alone [N], other [M]; result [max(N, M), max(N, M)].
    """
    rows, columns = costs.shape
    size = max(rows, columns)
    found = np.zeros((size, size), dtype=np.int64)
    found[:rows, :columns] = costs
    found[:rows, columns:] = alone[:, None]
    found[rows:, :columns] = other[None, :]
    return found
