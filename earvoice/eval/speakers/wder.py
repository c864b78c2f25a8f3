"""WDER: the share of recognised words that have the wrong speaker.

El Shafey et al. 2019: (correct words with the wrong speaker + substituted words with the wrong
speaker) / (correct words + substituted words). Words that were left out or put in do not count,
so read it beside a word error rate.

Both sides are one line of words, utterances in order of their start; they are aligned with the
fewest edits. Speakers of the hypothesis are then mapped one to one to those of the reference so
that the rate is least; one who is left over is wrong everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.speakers.assignment import cheapest_assignment, padded
from earvoice.eval.speakers.cp_wer import Errors
from earvoice.eval.speakers.edits import aligned
from earvoice.eval.speakers.utterances import Session, Utterance
from earvoice.eval.speakers.words import Ids, Rules, Vocabulary


def wder_errors(session: Session, rules: Rules) -> Errors:
    """Words with the wrong speaker against aligned words."""
    vocabulary = Vocabulary()
    reference, who = _line(session.reference, vocabulary, rules)
    hypothesis, said_by = _line(session.hypothesis, vocabulary, rules)
    pairs = aligned(reference, hypothesis)
    together = np.zeros((who.max(initial=-1) + 1, said_by.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(together, (who[pairs[:, 0]], said_by[pairs[:, 1]]), 1)
    rows, columns = together.shape
    square = padded(-together, np.zeros(rows, np.int64), np.zeros(columns, np.int64))
    best = cheapest_assignment(square)
    right = -sum(int(square[row, column]) for row, column in enumerate(best))
    return Errors(len(pairs) - right, len(pairs))


def _line(
    utterances: Sequence[Utterance], vocabulary: Vocabulary, rules: Rules
) -> tuple[Ids, NDArray[np.int64]]:
    """All words in order, and the number of the speaker of each. Shapes: both [N]."""
    numbers: dict[str, int] = {}
    words: list[str] = []
    speakers: list[int] = []
    for utterance in utterances:
        own = rules.words(utterance.text)
        words += own
        speakers += [numbers.setdefault(utterance.speaker, len(numbers))] * len(own)
    return vocabulary.ids(words), np.array(speakers, dtype=np.int64)
