"""A fixed piece of work, timed beside every measurement: the unit of account.

A shared machine slows everything down by factors that change within minutes. A ratio of two
figures, each divided by the reference timed next to it, does not care.
"""

from __future__ import annotations

import time

import torch

SIZE = 384
"""Rows and columns: 0.11 GFLOP, about a millisecond on one core."""


class ReferenceGemm:
    """The product of two fixed float32 matrices of 384 x 384."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._a = torch.randn(SIZE, SIZE, generator=generator)
        self._b = torch.randn(SIZE, SIZE, generator=generator)
        self._out = torch.empty(SIZE, SIZE)
        for _ in range(3):  # the first calls choose kernels and touch memory
            self.time_s()

    def time_s(self) -> float:
        """CPU seconds of one product."""
        start_s = time.process_time()
        torch.mm(self._a, self._b, out=self._out)
        return time.process_time() - start_s
