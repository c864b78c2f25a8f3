"""Every row of the fault table, tried a few times; the slowest only when asked for."""

import asyncio

import pytest

from tests.faults.all_rows import ROWS
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
    "S3": 7,
    "S4": 14,
    "S6": 1,
    "S7": 1,
    "S8": 4,
    "S9": 60,
    "S10": 1,
    "S11": 12,
    "S13": 2,
    "S16": 1,
    "S16b": 1,
    "S19": 2,
    "S20": 1,
    "S21": 2,
    "A1": 7,
    "A2": 3,
    "A4": 16,
    "A6": 16,
    "A7": 60,
    "A8": 7,
    "A9": 8,
    "A10": 3,
    "A11": 40,
    "A12": 16,
    "A13": 4,
    "A14": 70,
    "A3": 20,
    "A5": 10,
}


@pytest.fixture(scope="module")
def server():
    with running(limits={"max_control_per_s": 50}) as up:
        yield up


SLOW = ("S3", "S6", "S7", "S10", "S11", "S16", "S16b", "S19", "S21", "A8", "A9")
"""Seconds each, for what they wait for."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in ROWS]
)
def test_row(server, name):
    row, _ = ROWS[name]
    outcome = asyncio.run(row(server, FEW[name]))
    assert outcome.passed == outcome.tried, outcome
