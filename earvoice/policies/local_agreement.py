"""Local agreement: write what the last drafts have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earvoice.policies.view import Action, Read, View, Write, check_least


@dataclass(frozen=True)
class LocalAgreement:
    """Liu et al. 2020 (arXiv 2005.11185): what n drafts in a row agree on, more audio keeps.

        n = 2     draft before:  Ich habe ein Haus
                  draft now:     Ich habe das Haus   ->  write "Ich habe"

    Works with models trained offline only.
    """

    n: int = 2

    kind: ClassVar[str] = "local-agreement"

    def __post_init__(self) -> None:
        check_least(self.kind, "n", self.n, 2)

    @property
    def needs_draft(self) -> bool:
        """Yes."""
        return True

    def decide(self, view: View) -> Action:
        """Write the words that the last n drafts begin with; at the end everything."""
        if view.segments_read == 0:
            return Read()
        if view.source_finished:
            return Write(None)
        draft = view.draft(self.kind)
        if len(view.previous) < self.n - 1:
            return Read()
        agreed = 0
        for words in zip(draft, *view.previous[: self.n - 1], strict=False):
            if len(set(words)) > 1:
                break
            agreed += 1
        return Write(agreed) if agreed else Read()
