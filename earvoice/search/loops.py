"""Text that goes round in circles: small models fall into it where they did not understand."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 12
"""Tokens of the longest phrase that is looked for."""
_TIMES = 3
_TIMES_ONE = 5
"""Of a single token: digits and syllables may well stand several times."""


def next_of_loop(tokens: Sequence[int]) -> int | None:
    """The token that would begin the same phrase once more, when it has come three times in a row.

    A single token may come five times. None where the text does not go round in circles.
    """
    for period in range(1, min(LONGEST, len(tokens) // _TIMES) + 1):
        times = _TIMES_ONE if period == 1 else _TIMES
        if len(tokens) < times * period:
            continue
        tail = tokens[len(tokens) - times * period :]
        if all(a == b for a, b in zip(tail, tail[period:], strict=False)):
            return tail[0]
    return None
