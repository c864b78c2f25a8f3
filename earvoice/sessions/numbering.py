"""Where text stands on the axis of rotary positions: numbered by count, or placed in time.

    speech      0 1 2 3 | 4 5 6 7 | 8 9 ...        four embeddings a segment
    by count    0 . . . . 1 2 . . . 3 4            text has its own count (2408.09430, 3.4)
    in time             4 5       8 9              text stands right after the speech it has heard

Placed in time, the distance from a word to its source *is* the lag, however long the stream has
lasted and however much was written; a model that must hold its words for k - 1 segments can read
that off. Counted, it would have to work out where the stream stands (ours; `text_position`).

Pure functions over numbers, shared by the training layout and the live session.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np

from earvoice.nn.cache import PINNED
from earvoice.nn.masks import SPEECH, TEXT

TextPosition = Literal["count", "time"]


def timed_positions(steps: Sequence[int], heard: Sequence[int]) -> list[int]:
    """Positions of text rows, relative to the first speech embedding.

    Args: steps: of each row in order, non-decreasing. heard: speech embeddings up to each step.
    """
    first = {step: index for index, step in reversed(list(enumerate(steps)))}
    return [heard[step] + index - first[step] for index, step in enumerate(steps)]


def heard_by_step(segment: Sequence[int], last_step: int) -> list[int]:
    """How many embeddings have appeared up to each step, from 0 to `last_step`.

    segment: in which step each embedding appears.
    """
    counts = [0] * (last_step + 1)
    for step in segment:
        counts[min(step, last_step)] += 1
    return list(accumulate(counts))


def renumbered(
    kind: np.ndarray,
    segment: np.ndarray,
    position: np.ndarray,
    dropped: int,
    base: int,
    text_position: TextPosition,
) -> np.ndarray:
    """New positions of the entries that stay when a window slides.

    As if the stream had begun at the oldest speech that stays: what was written in that segment
    follows the text prefix, which is said there.

    Args: kind, segment, position [n] of the entries that stay, prompt first; dropped: speech
        entries that do not; base: position of the first speech.
    """
    new = position.copy()
    is_speech, is_text = kind == SPEECH, kind == TEXT
    new[is_speech] = base + np.arange(int(is_speech.sum()))
    if text_position == "count":
        new[is_text] = base + np.arange(int(is_text.sum()))
        return new
    pinned = is_text & (segment == PINNED)
    first = segment[is_speech].min() if is_speech.any() else 0
    prefix = int(pinned.sum())
    new[is_text] -= dropped
    said = pinned | (is_text & (segment == first))
    heard = base + int((is_speech & (segment == first)).sum())
    new[pinned] = heard + np.arange(prefix)
    new[said & ~pinned] = heard + prefix + np.arange(int(said.sum()) - prefix)
    return new
