"""State trees: one row is one stream, whatever is done with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from earvoice.nn.state import State, row_list, same_phase


@dataclass
class Inner(State):
    tail: Tensor
    fill: np.ndarray
    limit: int


@dataclass
class Outer(State):
    count: np.ndarray
    one: Inner
    many: list[Inner]
    none: Inner | None = None


def inner(rows: int) -> Inner:
    return Inner(torch.zeros(rows, 2, 3), np.zeros(rows, dtype=np.int64), limit=7)


@pytest.fixture
def state() -> Outer:
    """Three rows; every value of row r is r + 1."""
    outer = Outer(np.arange(1, 4), inner(3), [inner(3), inner(3)])
    for node in (outer.one, *outer.many):
        node.tail += torch.arange(1.0, 4.0)[:, None, None]
        node.fill += np.arange(1, 4)
    return outer


def values(state: Outer, row: int) -> set[float]:
    flat = state.save_row(row)
    return {float(number) for leaf in flat.values() for number in leaf.flatten()}


def test_rows_and_names(state):
    assert state.rows == 3
    assert list(state.save_row(0)) == [
        "count", "one.tail", "one.fill", "many.0.tail", "many.0.fill", "many.1.tail", "many.1.fill",
    ]  # fmt: skip


def test_reset_empties_the_named_rows_only(state):
    state.reset([0, 2])
    assert [values(state, row) for row in range(3)] == [{0}, {2}, {0}]
    assert state.one.limit == 7


def test_fork_copies_and_then_lets_go(state):
    state.fork(0, 2)
    state.reset([0])
    assert [values(state, row) for row in range(3)] == [{0}, {2}, {1}]


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_resize_keeps_what_fits(state, rows):
    state.resize(rows)
    assert state.rows == rows
    kept = [{1}, {2}, {3}][:rows]
    assert [values(state, row) for row in range(rows)] == kept + [{0}] * (rows - len(kept))


def test_a_state_keeps_one_row_at_least(state):
    with pytest.raises(ValueError, match="at least 1, not 0"):
        state.resize(0)


def test_saved_rows_are_copies_and_load_anywhere(state):
    flat = state.save_row(1)
    state.reset([1])
    state.load_row(0, flat)
    assert [values(state, row) for row in range(3)] == [{2}, {0}, {3}]


def test_loading_is_strict(state):
    flat = state.save_row(0)
    with pytest.raises(ValueError, match=r"'tail' has shape \(2,\), this model needs \(2, 3\)"):
        state.load_row(0, {**flat, "one.tail": torch.zeros(2)})
    del flat["many.1.fill"]
    with pytest.raises(KeyError):
        state.load_row(0, flat)


def test_bytes_of_all_rows(state):
    assert state.nbytes() == 3 * (8 + 3 * (2 * 3 * 4 + 8))


def test_phase_is_what_waits(state):
    assert state.phase(1) == (2, 2, 2)
    state.many[1].fill[1] = 5
    assert state.phase(1) == (2, 2, 5)


def test_to_moves_and_returns_the_state(state):
    assert state.to("cpu") is state


def test_rows_of_a_batch(state):
    assert row_list(None, 3, state) == [0, 1, 2]
    assert row_list([2, 0], 2, state) == [2, 0]
    assert row_list(torch.tensor([1]), 1, state) == [1]
    with pytest.raises(ValueError, match="batch of 2 for a state of 3 rows"):
        row_list(None, 2, state)
    with pytest.raises(ValueError, match="1 rows named for a batch of 2"):
        row_list([1], 2, state)
    with pytest.raises(ValueError, match="twice"):
        row_list([1, 1], 2, state)


def test_same_phase():
    counters = np.array([4, 7, 4])
    assert same_phase(counters, [0, 2], "inputs") == 4
    with pytest.raises(ValueError, match=r"differ in inputs: \[4, 7\]"):
        same_phase(counters, [0, 1], "inputs")
