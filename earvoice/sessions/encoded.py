"""Windows encoded once for all sessions that hear the same speaker.

An offline encoder hears a window anew in every step, so nothing of it lives on but what it gave
last: whoever asks for the same samples next takes that. Where one lags or ends elsewhere, the
samples differ and are encoded for it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Encoded:
    """The newest window of one speaker. Bytes: its samples [W] and embeddings [N, D]."""

    def __init__(self) -> None:
        self._samples: Tensor | None = None
        self._speech: Tensor | None = None

    def speech_of(self, samples: Tensor) -> Tensor | None:
        """The embeddings [N, D], if these are the samples [W]."""
        same = self._samples is not None and torch.equal(self._samples, samples)
        return self._speech if same else None

    def keep(self, samples: Tensor, speech: Tensor) -> None:
        """A newer window."""
        self._samples, self._speech = samples, speech


def encode_once(
    encode: Callable[[Sequence[Tensor]], list[Tensor]],
    windows: Sequence[Tensor],
    shared: Sequence[Encoded | None],
) -> list[Tensor]:
    """Embeddings [N, D] of windows [W]; `shared`: what each has in common with others."""
    found: dict[int, Tensor] = {}
    twins: dict[int, int] = {}
    newest: dict[Encoded, int] = {}
    for item, (samples, place) in enumerate(zip(windows, shared, strict=True)):
        if place is None:
            continue
        known = place.speech_of(samples)
        if known is not None:
            found[item] = known
        elif place in newest and torch.equal(windows[newest[place]], samples):
            twins[item] = newest[place]
        else:
            newest[place] = item
    new = [item for item in range(len(windows)) if item not in found and item not in twins]
    if new:
        found |= zip(new, encode([windows[item] for item in new]), strict=True)
    for item, twin in twins.items():
        found[item] = found[twin]
    for place, item in newest.items():
        place.keep(windows[item], found[item])
    return [found[item] for item in range(len(windows))]
