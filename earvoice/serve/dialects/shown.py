"""What a listener sees, as simulstream's clients want it: what is new, and what is taken back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from earvoice.serve.dialects.native import Said
from earvoice.text.shown_tokens import ShownTokens, TokenUnit, text_of

UNIT: TokenUnit = "spm"
"""Pieces, a mark where a word begins: a word may go on without being taken back."""


@dataclass(frozen=True)
class Change:
    """Tokens and their text."""

    new_tokens: list[str]
    deleted_tokens: list[str]
    new_text: str
    deleted_text: str


class Shown:
    """The translation of one stream."""

    def __init__(self) -> None:
        self._committed = ShownTokens(UNIT)
        self._draft = ""
        self._shown: list[str] = []

    def change(self, messages: Iterable[Said]) -> Change:
        """What these messages change; tokens taken back are the end of those that stood."""
        for message in messages:
            event = message.event
            if event["type"] not in ("commit", "draft") or not _translates(event):
                continue
            if event["type"] == "commit":
                self._committed.add(event["text"])
                self._draft = ""
            else:
                self._draft = event["text"]
        shown = self._committed.with_draft(self._draft)
        pairs = zip(self._shown, shown, strict=False)
        same = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
        new, gone = shown[same:], self._shown[same:]
        self._shown = shown
        return Change(
            new, gone, text_of(new, UNIT, after=same > 0), text_of(gone, UNIT, after=same > 0)
        )


def _translates(event: dict[str, object]) -> bool:
    stream = event["stream"]
    return isinstance(stream, dict) and stream.get("role") == "translation"
