"""hold-n: draft the whole continuation after each segment, keep its last n words back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earvoice.policies.view import Action, Read, View, Write, check_least


@dataclass(frozen=True)
class HoldN:
    """Liu et al. 2020 (arXiv 2005.11185): the end of a draft is what more audio changes.

        n = 2     draft: Ich habe das Haus  ->  write "Ich habe", hold "das Haus"

    Works with models trained offline only.
    """

    n: int = 4

    kind: ClassVar[str] = "hold-n"

    def __post_init__(self) -> None:
        check_least(self.kind, "n", self.n, 0)

    @property
    def needs_draft(self) -> bool:
        """Yes."""
        return True

    def decide(self, view: View) -> Action:
        """Write all but the last n words of the draft; at the end everything."""
        if view.segments_read == 0:
            return Read()
        if view.source_finished:
            return Write(None)
        stable = len(view.draft(self.kind)) - self.n
        return Write(stable) if stable > 0 else Read()
