"""cpWER: every speaker's words in one line, lines paired so that errors are fewest.

Watanabe et al. 2020 (CHiME-6). Speakers who stay alone are all deletions or all insertions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from earvoice.eval.speakers.assignment import cheapest_assignment, padded
from earvoice.eval.speakers.edits import distance
from earvoice.eval.speakers.utterances import Session, Utterance, by_speaker
from earvoice.eval.speakers.words import Ids, Rules, Vocabulary

Line = TypeVar("Line")


@dataclass(frozen=True)
class Errors:
    """Errors of a session against its number of reference words.

    exact: whether the errors are the fewest there are, or those of a search.
    """

    errors: int
    words: int
    exact: bool = True


@dataclass(frozen=True)
class Paired:
    """Which speaker is which, None for nobody, and the errors of all pairs."""

    pairs: tuple[tuple[str | None, str | None], ...]
    errors: int


def cp_errors(session: Session, rules: Rules) -> Errors:
    """The errors of the best pairing of speakers."""
    reference, hypothesis = numbered_lines(session, rules)
    words = sum(len(line) for line in reference.values())
    return Errors(best_pairs(reference, hypothesis, distance, len).errors, words)


def numbered_lines(session: Session, rules: Rules) -> tuple[dict[str, Ids], dict[str, Ids]]:
    """All words of each speaker, numbered: of the reference, and of the hypothesis."""
    vocabulary = Vocabulary()

    def lines(utterances: tuple[Utterance, ...]) -> dict[str, Ids]:
        return {
            speaker: vocabulary.ids(word for item in items for word in rules.words(item.text))
            for speaker, items in by_speaker(utterances).items()
        }

    return lines(session.reference), lines(session.hypothesis)


def best_pairs(
    reference: Mapping[str, Line],
    hypothesis: Mapping[str, Line],
    errors: Callable[[Line, Line], int],
    alone: Callable[[Line], int],
) -> Paired:
    """Pairs speakers one to one so that errors are fewest; alone: errors of a line with none."""
    costs = np.array(
        [[errors(line, other) for other in hypothesis.values()] for line in reference.values()],
        dtype=np.int64,
    ).reshape(len(reference), len(hypothesis))
    deleted = np.array([alone(line) for line in reference.values()], dtype=np.int64)
    inserted = np.array([alone(line) for line in hypothesis.values()], dtype=np.int64)
    square = padded(costs, deleted, inserted)
    columns = cheapest_assignment(square)
    names, others = list(reference), list(hypothesis)
    pairs = tuple(
        (names[row] if row < len(names) else None, others[col] if col < len(others) else None)
        for row, col in enumerate(columns)
    )
    return Paired(pairs, sum(int(square[row, col]) for row, col in enumerate(columns)))
