"""The window of an append session: what stays when a stream outgrows it.

    before   [prompt] E1 E2 E3 E4 E5 <sp_end>  T1 T2 T3 T4 T5
    after    [prompt]       E3 E4 E5 <sp_end>        T3 T4 T5     numbered from the oldest speech

Keys and values stay as they were computed, with what they had seen; only keys turn with their
positions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import PINNED, EntryCache
from earvoice.nn.masks import SPEECH, TEXT
from earvoice.sessions.numbering import TextPosition, renumbered
from earvoice.sessions.progress import Progress


class WindowSettings(Protocol):
    """How long a window grows, what a slide leaves, what one consultation may add."""

    @property
    def window(self) -> int:
        """Segments at which the window slides."""
        ...

    @property
    def keep(self) -> int:
        """Segments that stay, the newest."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of one consultation."""
        ...

    @property
    def text_position(self) -> TextPosition:
        """Where text stands among rotary positions."""
        ...


def slide_window(
    lm: LanguageModel,
    cache: EntryCache,
    row: int,
    progress: Progress,
    settings: WindowSettings,
    speech: int,
) -> None:
    """Drops the oldest segments of a row when its window is full and renumbers the rest.

    Also when the row is: a model that writes far more than expected costs context, not the
    stream. `speech` is how many embeddings come next.
    """
    needed = speech + len(progress.prompt.after) + settings.max_tokens
    first = cache.oldest(row, SPEECH)
    if progress.segments - first + 1 >= settings.window:
        first = progress.segments - settings.keep + 1
    elif cache.capacity - int(cache.length[row]) >= needed:
        return
    keep = cache.slots_from(row, first)
    while len(keep) + needed > cache.capacity and first <= progress.segments:
        first += 1
        keep = cache.slots_from(row, first)
    prefix = len(progress.prompt.after)
    if progress.last is not None and progress.last_step < first and progress.text > prefix:
        # All text is older than the window: go on from the prompt's last token.
        pinned = keep[cache.kind[row, keep] == TEXT]
        keep = keep[keep != pinned[-1]]
        progress.last, progress.last_step = progress.prompt.after[-1], progress.segments
    else:
        keep = _without_stale(cache, row, keep, first)
    kind = cache.kind[row, keep]
    before, progress.speech = progress.speech, int((kind == SPEECH).sum())
    position = renumbered(
        kind,
        cache.segment[row, keep],
        cache.position[row, keep],
        before - progress.speech,
        len(progress.prompt.before),
        settings.text_position,
    )
    lm.reanchor(cache, row, keep, position)
    if progress.last is not None:
        progress.text = int((kind == TEXT).sum()) + 1


def _without_stale(cache: EntryCache, row: int, keep: np.ndarray, first: int) -> np.ndarray:
    """Slots without the word that stands in segment `first` only because it was fed again there.

    It was written before the window; in training the first word of a window follows the prompt.
    """
    used = int(cache.length[row])
    segment = cache.segment[row, :used]
    text = np.flatnonzero((cache.kind[row, :used] == TEXT) & (segment != PINNED))
    kept = text[segment[text] >= first]
    if len(kept) == len(text) or segment[kept[:1]].tolist() != [first]:
        return keep
    return keep[keep != kept[0]]
