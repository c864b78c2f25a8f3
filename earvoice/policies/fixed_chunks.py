"""Fixed chunks: write everything after every n segments, whatever was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earvoice.policies.view import Action, Read, View, Write, check_least


@dataclass(frozen=True)
class FixedChunks:
    """What a learned decision is compared with: the source cut into pieces of equal length.

        n = 2
        segment    1     2          3     4          5 (last)
        decide     Read  Write all  Read  Write all  Write all

    An agent (CLASI) is asked for everything up to the cut, and its window begins anew there.
    """

    n: int = 6

    kind: ClassVar[str] = "fixed-chunks"

    def __post_init__(self) -> None:
        check_least(self.kind, "n", self.n, 1)

    @property
    def needs_draft(self) -> bool:
        """No: only counts decide."""
        return False

    def decide(self, view: View) -> Action:
        """Write everything after each n-th segment and at the end."""
        if view.segments_read == 0:
            return Read()
        if view.source_finished or view.segments_read % self.n == 0:
            return Write(None)
        return Read()
