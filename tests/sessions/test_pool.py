"""Leasing rows: lowest first, clean, never twice."""

from dataclasses import dataclass

import torch
from hypothesis import given
from hypothesis import strategies as st

from earvoice.nn.state import State
from earvoice.sessions.pool import RowPool


@dataclass
class Marks(State):
    value: torch.Tensor


def pool(rows):
    states = Marks(torch.zeros(rows)), Marks(torch.zeros(rows, 2))
    return RowPool(*states), states


def test_the_lowest_free_row_is_leased():
    rows, _ = pool(3)
    assert [rows.lease() for _ in range(3)] == [0, 1, 2]
    rows.release(2)
    rows.release(0)
    assert rows.lease() == 0


def test_a_leased_row_is_empty_in_all_states():
    rows, states = pool(2)
    row = rows.lease()
    for state in states:
        state.value[row] = 5
    rows.release(row)
    assert rows.lease() == row
    assert not any(state.value.any() for state in states)


def test_rows_double_when_none_is_free_and_streams_stay():
    rows, states = pool(2)
    first = [rows.lease(), rows.lease()]
    states[0].value[:] = torch.tensor([3.0, 4.0])
    assert rows.lease() not in first
    assert rows.rows == 4
    assert states[1].rows == 4
    assert states[0].value.tolist() == [3, 4, 0, 0]


def test_giving_back_twice_frees_once():
    rows, _ = pool(2)
    row = rows.lease()
    rows.release(row)
    rows.release(row)
    assert rows.lease() != rows.lease()


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=60))
def test_no_row_is_leased_twice_at_a_time(steps):
    """None leases; a number gives back one of the leased rows."""
    rows, _ = pool(1)
    leased = []
    for step in steps:
        if step is None:
            row = rows.lease()
            assert row not in leased
            leased.append(row)
        elif leased:
            rows.release(leased.pop(step % len(leased)))
    assert rows.rows <= 2 * max(1, len(steps))
