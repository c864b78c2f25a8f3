"""Rows of state, leased to sessions."""

from __future__ import annotations

from earvoice.nn.state import State


class RowPool:
    """Hands out rows of several states that grow together.

    A lease is returned by `release`; the row is emptied when it is leased again. Rows double when
    none is free, so existing streams are copied a bounded number of times, never per step.
    """

    def __init__(self, *states: State) -> None:
        self._states = states
        self._free = list(range(states[0].rows))

    @property
    def rows(self) -> int:
        """Rows in the pool, leased or not."""
        return self._states[0].rows

    def lease(self) -> int:
        """The lowest free row, emptied."""
        if not self._free:
            rows = self.rows
            for state in self._states:
                state.resize(2 * rows)
            self._free.extend(range(rows, 2 * rows))  # a row may have come back meanwhile
        row = min(self._free)
        self._free.remove(row)
        for state in self._states:
            state.reset([row])
        return row

    def release(self, row: int) -> None:
        """Gives a row back; giving it back twice has no further effect."""
        if row not in self._free:
            self._free.append(row)
