"""SoftSegmenter's definition as plain loops, one cell at a time: what the fast one is held to.

The best alignment without gap cost, by the Jaccard index of the words' letters; punctuation never
pairs with a word; ties: pair, skip the reference, skip the written word. A written word without a
partner goes to the reference before or after it, whichever is more similar; once one of a run has
gone to the one after, so do those that follow it.
"""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.eval.soft_segmenter import PUNCTUATION, normalised
from earvoice.eval.units import Unit

PAIR, SKIP_REFERENCE, SKIP_WRITTEN = range(3)


def plain_segmenter(
    references: Sequence[Sequence[str]], hypothesis: Sequence[str], unit: Unit
) -> list[int | None]:
    """The segment of every written unit, as `earvoice.eval.longform.soft_segmenter` says it."""
    reference = [normalised(word) for line in references for word in line]
    segments = [number for number, line in enumerate(references) for _ in line]
    written = [normalised(word) for word in hypothesis]
    partners = _partners(_steps(reference, written, unit), len(written))
    owners: list[int | None] = []
    before: int | None = None
    run_goes_on = False
    for number, (partner, passed) in enumerate(partners):
        owner = partner
        if partner is not None:
            before, run_goes_on = partner, False
        else:
            after = passed if passed < len(reference) else None
            here = -1.0 if before is None else _score(reference[before], written[number], unit)
            there = -1.0 if after is None else _score(reference[after], written[number], unit)
            run_goes_on = run_goes_on or there > here
            owner = after if run_goes_on else before
        owners.append(None if owner is None else segments[owner])
    return owners


def _score(reference: str, written: str, unit: Unit) -> float:
    """Similarity; less than nothing where a mark would meet a word."""
    if (reference in PUNCTUATION) != (written in PUNCTUATION):
        return -1.0
    if unit == "char":
        return float(reference == written)
    a, b = set(reference), set(written)
    shared = len(a & b)
    either = len(a) + len(b) - shared
    return shared / either if either else 0.0


def _steps(reference: Sequence[str], written: Sequence[str], unit: Unit) -> list[list[int]]:
    """For every cell, how it was reached."""
    above = [0.0] * (len(written) + 1)
    steps = [[SKIP_WRITTEN] * len(above)]
    for word in reference:
        here, taken = [0.0], [SKIP_REFERENCE]
        for column, other in enumerate(written):
            score = _score(word, other, unit)
            paired = above[column] + score if score >= 0 else -1.0
            skipped, left = above[column + 1], here[column]
            if paired >= skipped and paired >= left:
                here.append(paired)
                taken.append(PAIR)
            elif skipped >= left:
                here.append(skipped)
                taken.append(SKIP_REFERENCE)
            else:
                here.append(left)
                taken.append(SKIP_WRITTEN)
        steps.append(taken)
        above = here
    return steps


def _partners(steps: Sequence[Sequence[int]], count: int) -> list[tuple[int | None, int]]:
    """For every written word its reference, or None, and how many references precede it."""
    found: list[tuple[int | None, int]] = []
    row, column = len(steps) - 1, count
    while column > 0:
        step = steps[row][column] if row else SKIP_WRITTEN
        if step == PAIR:
            row, column = row - 1, column - 1
            found.append((row, row))
        elif step == SKIP_REFERENCE:
            row -= 1
        else:
            column -= 1
            found.append((None, row))
    return found[::-1]
