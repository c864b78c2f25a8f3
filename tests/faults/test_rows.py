"""Every row of the fault table, tried a few times."""

import asyncio

import pytest

from tests.faults.rows import ROWS
from tests.serve.running import running

FEW = {
    "S1": 4,
    "S2": 4,
    "S5": 1,
    "S12": 6,
    "S14": 1,
    "S15": 1,
    "S17": 8,
    "S18": 1,
    "A3": 20,
    "A5": 10,
}


@pytest.fixture(scope="module")
def server():
    with running(limits={"max_control_per_s": 50}) as up:
        yield up


@pytest.mark.parametrize("name", ROWS)
def test_row(server, name):
    row, _ = ROWS[name]
    outcome = asyncio.run(row(server, FEW[name]))
    assert outcome.passed == outcome.tried, outcome
