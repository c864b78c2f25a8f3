"""wait-k-stride-n: wait for k segments, then write n words after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earvoice.policies.view import Action, Read, View, Write, check_least


@dataclass(frozen=True)
class WaitK:
    """FASST section 3.2 (arXiv 2408.09430); its defaults are n = 3 and k from 1 to 5.

        k = 2, n = 3
        segment    1     2        3        4 (last)
        decide     Read  Write 3  Write 3  Write all

    A model that ends early loses the rest of its n words; they are not made up for later.
    """

    k: int = 3
    n: int = 3

    kind: ClassVar[str] = "wait-k"

    def __post_init__(self) -> None:
        check_least(self.kind, "k", self.k, 1)
        check_least(self.kind, "n", self.n, 1)

    @property
    def needs_draft(self) -> bool:
        """No: only counts decide."""
        return False

    def decide(self, view: View) -> Action:
        """Read below k segments; then n words a segment; at the end everything."""
        if view.segments_read == 0:
            return Read()
        if view.source_finished:
            return Write(None)
        return Read() if view.segments_read < self.k else Write(self.n)
