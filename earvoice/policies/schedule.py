"""When a wait-k-stride-n policy writes each word of a known target: what training imitates.

Steps count the segments that have been read. A policy that has read `r` segments is consulted
once per segment from `r = k` on and may then write up to `n` words (FASST, 2408.09430, 3.2-3.3):

    segments read      1   2   3   4   5   6            k = 3, n = 2
    words written              0 1 2 3 4 5

With `hold` (ours), a word additionally waits until its source has been heard and `k - 1` further
segments have passed. The policy can then follow a talk for hours: a fixed stride either runs ahead
of a slow speaker, and invents, or falls ever further behind. Where a consultation writes fewer
than `n` words, the model learns to say "nothing more" (end of sequence) and reads on.

Consultations may be missed: nothing is written at those steps, and what was due comes later. That
is how a model in training gets to see itself behind, and learns to catch up (ours).
"""

from __future__ import annotations

from collections.abc import Sequence, Set

OFFLINE_K = 100
"""The paper's k for whole utterances: read everything, then write."""


def write_steps(
    available: Sequence[int],
    k: int,
    n: int,
    last_step: int | None,
    *,
    hold: bool,
    missed: Set[int] = frozenset(),
) -> list[int]:
    """The step at which each target word is written.

    Args:
        available: per target word, after how many segments its source has been heard; may be zero
            or negative for words heard before the window began. Only its length matters without
            `hold`.
        k, n: wait and stride. last_step: the source ends there, and everything is written at the
            latest then, whatever the stride; None while the source goes on.
        missed: steps at which nothing is written, except the last.
    Returns: non-decreasing steps, as many as words.
    """
    if k < 1 or n < 1:
        raise ValueError(f"k and n must be at least 1, not k={k}, n={n}")
    steps: list[int] = []
    step, written = (-(10**9) if hold else k), 0
    for word, heard in enumerate(available):
        earliest = heard + k - 1 if hold else k + word // n
        if earliest > step:
            step, written = earliest, 0
        elif written == n:
            step, written = step + 1, 0
        while step in missed:
            step, written = step + 1, 0
        written += 1
        steps.append(step)
    if last_step is not None:
        steps = [min(step, last_step) for step in steps]
    return steps


def holds(
    steps: Sequence[int],
    n: int,
    first_step: int,
    last_step: int,
    *,
    ended: bool,
    missed: Set[int] = frozenset(),
) -> list[tuple[int, int]]:
    """The consultations that end with "nothing more": (words written so far, step).

    One for every step in [first_step, last_step] that writes fewer than `n` words; at the last
    step of an ended source always; never at a missed one.
    """
    found = []
    written = 0
    for step in range(first_step, last_step + 1):
        before = written
        while written < len(steps) and steps[written] <= step:
            written += 1
        final = ended and step == last_step
        if final or (written - before < n and step not in missed):
            found.append((written, step))
    return found
