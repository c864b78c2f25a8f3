"""BLEU of conversations: of all that was said (SAgBLEU), and of what each speaker said (SAtBLEU).

Yang et al. 2023 (DiariST, arXiv 2309.08007). SAgBLEU: a session's output is one line, and so are
its references. SAtBLEU: a line per speaker, the side with fewer speakers filled up with empty
lines, and those pairs of lines that give the session the highest BLEU. Both figures are one
corpus BLEU over the lines of all sessions.

BLEU is a function of sums of counts of pairs of lines, so every pair is counted once, and a
permutation costs one sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.quality import sacrebleu_metric
from earvoice.eval.speakers.assignment import cheapest_assignment
from earvoice.eval.speakers.utterances import Session, Utterance, by_speaker

EXACT_SPEAKERS = 7
"""Up to so many speakers every permutation is tried; above, a search by swaps."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Bleu:
    """A corpus figure, those of the sessions, how it was computed; searched: by swaps, how many."""

    value: float
    per_session: tuple[float, ...]
    signature: str
    searched: int = 0


class PairCounter:
    """sacrebleu's counts of pairs of lines, with the tokenizer of a language."""

    def __init__(self, language: str) -> None:
        from sacrebleu.metrics import BLEU

        self._bleu: Any = BLEU
        self._plain = sacrebleu_metric("bleu", language)
        # The counts are the same; without it sacrebleu warns of sentence scores.
        self._counting = sacrebleu_metric("bleu", language, sentences=True)

    @property
    def signature(self) -> str:
        """sacrebleu's, once something was counted."""
        self._plain.corpus_score([""], [[""]])
        return str(self._plain.get_signature())

    def counts(self, line: str, reference: str) -> Counts:
        """Shapes: [10]: length, reference length, 4 x matches, 4 x n-grams."""
        found = self._counting.sentence_score(line, [reference])
        return np.array(
            [found.sys_len, found.ref_len, *found.counts, *found.totals], dtype=np.int64
        )

    def score(self, counts: Counts) -> float:
        """Corpus BLEU of summed counts. Shapes: [10]."""
        length, wanted, *rest = (int(count) for count in counts)
        found = self._bleu.compute_bleu(rest[:4], rest[4:], length, wanted, smooth_method="exp")
        return float(found.score)


def sag_bleu(sessions: Sequence[Session], language: str) -> Bleu:
    """BLEU whoever spoke: a line per session."""
    counter = PairCounter(language)
    counts = [counter.counts(_line(item.hypothesis), _line(item.reference)) for item in sessions]
    return _corpus(counter, counts)


def sat_bleu(
    sessions: Sequence[Session], language: str, exact_speakers: int = EXACT_SPEAKERS
) -> Bleu:
    """BLEU per speaker: a line per speaker, paired for the highest BLEU of the session."""
    counter = PairCounter(language)
    counts, searched = [], 0
    for session in sessions:
        pairs = _pairs(counter, session)
        if len(pairs) > exact_speakers:
            searched += 1
            counts.append(_by_swaps(counter, pairs))
        else:
            counts.append(_by_all(counter, pairs))
    return _corpus(counter, counts, searched)


def _corpus(counter: PairCounter, counts: Sequence[Counts], searched: int = 0) -> Bleu:
    total = np.sum(counts, axis=0) if counts else np.zeros(10, dtype=np.int64)
    per_session = tuple(counter.score(item) for item in counts)
    return Bleu(counter.score(total), per_session, counter.signature, searched)


def _line(utterances: Sequence[Utterance]) -> str:
    return " ".join(item.text for item in utterances)


def _pairs(counter: PairCounter, session: Session) -> Counts:
    """Counts of every line with every reference, filled up. Shapes: [S, S, 10]."""
    references = [_line(items) for items in by_speaker(session.reference).values()]
    lines = [_line(items) for items in by_speaker(session.hypothesis).values()]
    size = max(len(references), len(lines))
    references += [""] * (size - len(references))
    lines += [""] * (size - len(lines))
    counts = [[counter.counts(line, reference) for line in lines] for reference in references]
    return np.array(counts, dtype=np.int64).reshape(size, size, 10)


def _by_all(counter: PairCounter, pairs: Counts) -> Counts:
    """The counts of the best permutation, the first of several. Shapes: [S, S, 10] -> [10]."""
    size = len(pairs)
    orders = np.array(list(itertools.permutations(range(size))), dtype=np.intp)
    sums = pairs[np.arange(size), orders].sum(axis=1)
    unique, first = np.unique(sums, axis=0, return_index=True)
    in_order = unique[np.argsort(first)]
    best = max(range(len(in_order)), key=lambda index: counter.score(in_order[index]))
    return np.asarray(in_order[best])


def _by_swaps(counter: PairCounter, pairs: Counts) -> Counts:
    """A good permutation: most matching n-grams at first, then swaps while BLEU rises.

    The assignment is exact for the sum of matches, but BLEU is not a sum over pairs.
    Shapes: [S, S, 10] -> [10].
    """
    size = len(pairs)
    order = cheapest_assignment(-pairs[:, :, 2:6].sum(axis=2))
    counts = pairs[np.arange(size), order].sum(axis=0)
    score, risen = counter.score(counts), True
    while risen:
        risen = False
        for i, j in itertools.combinations(range(size), 2):
            swapped = (
                counts
                - pairs[i, order[i]]
                - pairs[j, order[j]]
                + pairs[i, order[j]]
                + pairs[j, order[i]]
            )
            if counter.score(swapped) > score:
                order[i], order[j] = order[j], order[i]
                counts, score, risen = swapped, counter.score(swapped), True
    return np.asarray(counts)
