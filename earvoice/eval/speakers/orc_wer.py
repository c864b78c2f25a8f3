"""ORC-WER: word errors on the best streams, whoever is said to have spoken.

Sklyar et al. 2022: every utterance of the reference goes, whole and in order of start times, to
the stream of the hypothesis where errors are fewest. Labels of the reference do not count.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earvoice.eval.speakers.cp_wer import Errors
from earvoice.eval.speakers.segments_to_streams import greedy_errors
from earvoice.eval.speakers.utterances import Session, Utterance, by_speaker
from earvoice.eval.speakers.words import Ids, Rules, Vocabulary

EXACT_STEPS = 2_000_000_000
EXACT_CELLS = 20_000_000
"""Up to so many cells (product of the streams' lengths) and steps (cells x streams x words of the
reference) the search is exact: two streams of 800 words, some seconds, 400 MB."""

Table = NDArray[np.int32]


def orc_errors(session: Session, rules: Rules, exact_steps: int = EXACT_STEPS) -> Errors:
    """The errors of the best distribution; of a greedy search where the exact one is too long."""
    vocabulary = Vocabulary()
    segments, speakers = numbered_segments(session.reference, vocabulary, rules)
    streams = numbered_streams(session.hypothesis, vocabulary, rules)
    errors, exact = fewest_errors(segments, speakers, streams, exact_steps)
    return Errors(errors, sum(len(part) for part in segments), exact)


def fewest_errors(
    segments: Sequence[Ids], speakers: Sequence[str], streams: Sequence[Ids], exact_steps: int
) -> tuple[int, bool]:
    """Errors with every segment on its best stream, and whether they are the fewest for sure."""
    spoken = [line for line in streams if len(line)]
    cells = math.prod(len(line) + 1 for line in spoken)
    words = sum(len(part) for part in segments)
    if cells <= EXACT_CELLS and cells * len(spoken) * words <= exact_steps:
        return _least_errors(segments, spoken), True
    return greedy_errors(segments, speakers, streams), False


def numbered_segments(
    utterances: Sequence[Utterance], vocabulary: Vocabulary, rules: Rules
) -> tuple[list[Ids], list[str]]:
    """The words of each utterance, and its speaker."""
    return (
        [vocabulary.ids(rules.words(item.text)) for item in utterances],
        [item.speaker for item in utterances],
    )


def numbered_streams(
    utterances: Sequence[Utterance], vocabulary: Vocabulary, rules: Rules
) -> list[Ids]:
    """All words of each speaker."""
    return [
        vocabulary.ids(word for item in items for word in rules.words(item.text))
        for items in by_speaker(utterances).values()
    ]


def _least_errors(segments: Sequence[Ids], streams: Sequence[Ids]) -> int:
    """A table with one axis per stream: fewest errors for so much of each, after each utterance."""
    if not streams:
        return sum(len(part) for part in segments)
    shape = tuple(len(line) + 1 for line in streams)
    table = np.indices(shape, dtype=np.int32, sparse=True)
    done: Table = sum(table[1:], start=table[0])
    for part in segments:
        if len(part):
            done = _after(done, part, streams)
    return int(done[(-1,) * len(streams)])


def _after(table: Table, part: Ids, streams: Sequence[Ids]) -> Table:
    """The table after one more utterance, wherever it is put."""
    best = _after_on(table, part, streams[0], 0)
    for axis, line in enumerate(streams[1:], 1):
        np.minimum(best, _after_on(table, part, line, axis), out=best)
    return best


def _after_on(table: Table, part: Ids, line: Ids, axis: int) -> Table:
    """The table after an utterance that is put on the stream of `axis`."""
    own = np.array(np.moveaxis(table, axis, 0), order="C")
    for word in part:
        costs = np.where(line == word, np.int32(0), np.int32(1))
        after = own + np.int32(1)
        own[:-1] += costs.reshape(-1, *(1,) * (table.ndim - 1))
        np.minimum(after[1:], own[:-1], out=after[1:])
        # An insertion; slice by slice, since numpy's accumulate is several times slower.
        for before, here in itertools.pairwise(after.reshape(len(after), -1)):
            np.minimum(here, before + np.int32(1), out=here)
        own = after
    return np.moveaxis(own, 0, axis)
