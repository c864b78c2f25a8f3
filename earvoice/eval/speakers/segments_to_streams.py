"""Which stream does each segment belong to? A search that moves one segment at a time.

Start from the pairing of speakers that cpWER finds, then go through the segments in order, again
and again, and move each to the stream where it lowers the sum of edit distances most, until
nothing moves. First with substitutions at cost 2, which leads to segments that match well, then
at cost 1, which is what is counted. Greedy: it finds a minimum, not always the least.
von Neumann et al. 2025 (arXiv 2508.02112).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earvoice.eval.speakers.assignment import cheapest_assignment, padded
from earvoice.eval.speakers.edits import Row, advance, distance, first_row
from earvoice.eval.speakers.words import Ids

MAX_ROUNDS = 49


def greedy_errors(segments: Sequence[Ids], speakers: Sequence[str], streams: Sequence[Ids]) -> int:
    """The edit distance between the streams and the segments on their streams.

    speakers: of the segments, from which the search starts.
    """
    if not segments or not streams:
        return sum(len(words) for words in (*segments, *streams))
    owners = _by_speaker(segments, speakers, streams)
    errors = 0
    for substitution in (2, 1):
        owners, errors = _search(segments, streams, owners, substitution)
    return errors


def _by_speaker(
    segments: Sequence[Ids], speakers: Sequence[str], streams: Sequence[Ids]
) -> list[int]:
    """Each segment on its speaker's stream; a speaker without one: on the most alike."""
    names = list(dict.fromkeys(speakers))
    lines = [
        np.concatenate([part for part, who in zip(segments, speakers, strict=True) if who == name])
        for name in names
    ]
    costs = np.array([[distance(line, stream) for stream in streams] for line in lines])
    square = padded(
        costs,
        np.array([len(line) for line in lines]),
        np.array([len(stream) for stream in streams]),
    )
    columns = cheapest_assignment(square)
    owner = {
        name: columns[row] if columns[row] < len(streams) else int(np.argmin(costs[row]))
        for row, name in enumerate(names)
    }
    return [owner[speaker] for speaker in speakers]


@dataclass
class _Stream:
    """A stream during one round over the segments.

    before: the row after what was put on it in this round; behind: for each of its segments of
    the last round, the row of all from there to the end; passed: how many of those are behind us.
    """

    words: Ids
    before: Row
    behind: list[Row]
    errors: int
    passed: int = 0

    def without(self, own: bool) -> int:
        """Errors without the segment in hand, if it was on this stream."""
        if not own:
            return self.errors
        return int((self.before + self.behind[self.passed + 1]).min())

    def having(self, own: bool, after: Row) -> int:
        """Errors with the segment in hand; after: the row after it."""
        return self.errors if own else int((after + self.behind[self.passed]).min())


def _search(
    segments: Sequence[Ids], streams: Sequence[Ids], owners: list[int], substitution: int
) -> tuple[list[int], int]:
    errors = 0
    for _ in range(MAX_ROUNDS):
        moved, errors = _round(segments, streams, owners, substitution)
        if moved == owners:
            break
        owners = moved
    return owners, errors


def _round(
    segments: Sequence[Ids], streams: Sequence[Ids], owners: list[int], substitution: int
) -> tuple[list[int], int]:
    states = [
        _begun(
            words,
            [part for part, own in zip(segments, owners, strict=True) if own == i],
            substitution,
        )
        for i, words in enumerate(streams)
    ]
    found = []
    for part, owner in zip(segments, owners, strict=True):
        after = [advance(state.before, part, state.words, substitution) for state in states]
        having = [s.having(i == owner, after[i]) for i, s in enumerate(states)]
        without = [s.without(i == owner) for i, s in enumerate(states)]
        gains = [more - less for more, less in zip(having, without, strict=True)]
        best = gains.index(min(gains))
        if gains[best] == gains[owner]:
            best = owner
        else:
            states[best].errors, states[owner].errors = having[best], without[owner]
        states[best].before = after[best]
        states[owner].passed += 1
        found.append(best)
    return found, sum(state.errors for state in states)


def _begun(words: Ids, parts: Sequence[Ids], substitution: int) -> _Stream:
    row = first_row(len(words))
    behind = [row[::-1]]
    for part in reversed(parts):
        row = advance(row, part[::-1], words[::-1], substitution)
        behind.append(row[::-1])
    behind.reverse()
    return _Stream(words, first_row(len(words)), behind, int(behind[0][0]))
