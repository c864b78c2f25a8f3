"""The speech that an agent has not finished with: embeddings from the last cut-off to now."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from earvoice.units import Samples

_SEARCHED = 0.25
"""A full window is cut at the quietest place of its last quarter."""


class AgentWindow:
    """At most `most` embeddings, each of `stride` samples, and how loud each is.

    start: embeddings of the stream before the window. Bytes: most * (D + 1) * element size.
    """

    def __init__(self, most: int, stride: Samples) -> None:
        self.most, self.stride = most, stride
        self.start = 0
        self._speech: Tensor | None = None
        self._levels = torch.zeros(0)

    def __len__(self) -> int:
        return 0 if self._speech is None else len(self._speech)

    def add(self, speech: Tensor, samples: Tensor) -> None:
        """Embeddings [N, D] and the samples [N * stride] they are of."""
        level = samples.unflatten(0, (-1, self.stride)).square().mean(1)
        self._speech = speech if self._speech is None else torch.cat([self._speech, speech])
        self._levels = torch.cat([self._levels, level])

    def full(self, coming: int) -> bool:
        """Whether `coming` more would be too many."""
        return len(self) + coming > self.most

    def speech(self, count: int) -> Tensor:
        """The first `count` embeddings. [count, D]."""
        assert self._speech is not None
        return self._speech[:count]

    def quietest(self) -> int:
        """Where a full window is best cut: after the quietest of its last embeddings."""
        first = int(len(self) * (1 - _SEARCHED))
        return first + int(self._levels[first:].argmin()) + 1

    def save(self) -> tuple[dict[str, Tensor], int]:
        """Embeddings [N, D] and levels [N], nothing where nothing was heard; and `start`."""
        if self._speech is None:
            return {}, self.start
        return {"speech": self._speech.clone(), "levels": self._levels.clone()}, self.start

    def restore(self, tensors: Mapping[str, Tensor], start: int) -> None:
        """Makes a new window what a saved one was."""
        if tensors:
            self._speech, self._levels = tensors["speech"], tensors["levels"]
        self.start = int(start)

    def drop(self, count: int) -> None:
        """Forgets the first `count`."""
        if count and self._speech is not None:
            self._speech, self._levels = self._speech[count:].clone(), self._levels[count:].clone()
            self.start += count
