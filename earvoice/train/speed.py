"""What a stage gets done per second: audio, tokens, arithmetic."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch

from earvoice.train.device import memory_gib
from earvoice.train.distributed import Ranks
from earvoice.train.flops import FlopCount, peak_flops


class Speed:
    """How much was learnt from per second since the last report, over all ranks.

    The arithmetic of one batch of each report is counted and scaled by seconds of audio (or by
    tokens, where there is none).
    """

    def __init__(self, ranks: Ranks, device: torch.device, precision: str) -> None:
        self._ranks, self._device = ranks, device
        self._peak = peak_flops(device, precision)
        self._begin()

    def _begin(self) -> None:
        self._audio_s, self._tokens = 0.0, 0
        self._counted, self._counted_work = 0, 0.0
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def batch(self, batch: Any) -> Iterator[None]:
        """Around the forward pass of a batch."""
        self._audio_s, self._tokens = self._audio_s + batch.audio_s, self._tokens + batch.tokens
        if self._counted_work:
            yield
            return
        with FlopCount() as count:
            yield
        self._counted, self._counted_work = count.flops, float(batch.audio_s or batch.tokens)

    def take(self) -> dict[str, float]:
        """The rates, and begins anew. All ranks call it.

        `mfu` is the share of what the devices can do, `memory_gib` the most a rank has held.
        """
        spent_s = time.perf_counter() - self._since
        work = float(self._audio_s or self._tokens)
        flops = self._counted * work / self._counted_work if self._counted_work else 0.0
        found = {"audio_s": self._audio_s, "tokens": float(self._tokens)}
        sums = self._ranks.total({**found, "share": flops / self._peak / self._ranks.world})
        rates = {
            "audio_per_s": sums["audio_s"] / spent_s,
            "tokens_per_s": sums["tokens"] / spent_s,
            "mfu": sums["share"] / spent_s,
            "memory_gib": self._ranks.most(memory_gib(self._device)),
        }
        self._begin()
        return rates
