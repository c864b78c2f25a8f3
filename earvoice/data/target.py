"""A translation with its words, and what each of them waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earvoice.text.spacing import joined


@dataclass(frozen=True, slots=True)
class Target:
    """A translation. `needs[j]` is the last source word that target word j depends on.

    `needs` is empty where nobody knows it (real corpora), else one entry per word of `text`.
    `units`: its words where white space does not tell them (Chinese); else empty.
    """

    text: str
    needs: tuple[int, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the text."""
        return self.units or tuple(self.text.split())

    @classmethod
    def of_words(cls, words: Sequence[str], needs: Sequence[int]) -> Target:
        """A translation from its words."""
        text = joined(words)
        units = () if tuple(text.split()) == tuple(words) else tuple(words)
        return cls(text, tuple(needs), units)
