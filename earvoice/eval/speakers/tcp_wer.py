"""tcpWER: cpWER where words may only be paired if they were said at about the same time.

von Neumann et al. 2023 ("MeetEval", arXiv 2307.11394). A word of the reference fills the stretch
that its share of the utterance's characters gives it; a word of the hypothesis is the middle of
its stretch, widened by the collar on both sides. Words whose stretches do not overlap, touching
does not count, cannot be paired.

    reference    |---- guten ----|-- Tag --|
    hypothesis          |<- collar . collar ->|        . the middle of a word
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earvoice.eval.speakers.cp_wer import Errors, best_pairs
from earvoice.eval.speakers.edits import first_row, next_row
from earvoice.eval.speakers.utterances import Session, Utterance, by_speaker
from earvoice.eval.speakers.words import Rules, TimedIds, Vocabulary

COLLAR_US = 5_000_000


def tcp_errors(session: Session, rules: Rules, collar_us: int = COLLAR_US) -> Errors:
    """The errors of the best pairing of speakers, words within the collar."""
    vocabulary = Vocabulary()
    reference = {
        speaker: _timed(vocabulary, rules, items, None)
        for speaker, items in by_speaker(session.reference).items()
    }
    hypothesis = {
        speaker: _timed(vocabulary, rules, items, collar_us)
        for speaker, items in by_speaker(session.hypothesis).items()
    }
    words = sum(len(line) for line in reference.values())
    return Errors(best_pairs(reference, hypothesis, timed_distance, len).errors, words)


def timed_distance(reference: TimedIds, hypothesis: TimedIds) -> int:
    """Fewest edits where only words that overlap in time may be paired."""
    row = first_row(len(hypothesis))
    ids, starts, ends = hypothesis.ids, hypothesis.start_us, hypothesis.end_us
    words = zip(reference.ids, reference.start_us, reference.end_us, strict=True)
    for word, start_us, end_us in words:
        costs = np.where(ids == word, np.int32(0), np.int32(1))
        costs[(starts >= end_us) | (ends <= start_us)] = 2
        row = next_row(row, costs)
    return int(row[-1])


def _timed(
    vocabulary: Vocabulary, rules: Rules, utterances: Sequence[Utterance], collar_us: int | None
) -> TimedIds:
    """A speaker's words; with a collar: of the hypothesis."""
    words = [word for item in utterances for word in rules.timed(item)]
    starts = np.array([start for _, start, _ in words], dtype=np.int64)
    ends = np.array([end for _, _, end in words], dtype=np.int64)
    if collar_us is not None:
        middle = (starts + ends) // 2
        starts, ends = middle - collar_us, middle + collar_us
    return TimedIds(vocabulary.ids(word for word, _, _ in words), starts, ends)
