"""Draws by name."""

import hashlib
import random

from earvoice.data.draws import drawing


def test_a_name_always_draws_the_same():
    """As runs did that are to be resumed: the names with strokes between them, hashed."""
    expected = random.Random(hashlib.sha256(b"1/turns/3").digest())
    assert [drawing(1, "turns", 3).random() for _ in range(2)] == [expected.random()] * 2


def test_another_name_draws_something_else():
    names = [(1, "turns", 3), (2, "turns", 3), (1, "fine", 3), (1, "turns", 4)]
    assert len({drawing(*name).random() for name in names}) == len(names)
