"""The tokens in which simulstream sees a text that grows, and at times shrinks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from earvoice.errors import UsageError

PIECE_MARK = "\u2581"
"""Where a word begins, in the pieces of sentencepiece."""

TokenUnit = Literal["spm", "word", "char"]
"""`latency_unit` of simulstream's `simuleval` detokenizer:

    spm   pieces, a mark where a word begins: a word may go on later without being withdrawn
    word  words; one that goes on is withdrawn and written anew
    char  characters, without white space
"""

_WORD = re.compile(r"(\s*)(\S+)")


def token_unit(value: object) -> TokenUnit:
    """Raises: UsageError for what is none."""
    for unit in get_args(TokenUnit):
        if value == unit:
            return unit  # type: ignore[no-any-return]
    raise UsageError(f"latency_unit is {value!r}, it must be spm, word or char")


@dataclass
class ShownTokens:
    """Tokens of a text that is given piece by piece."""

    unit: TokenUnit
    tokens: list[str] = field(default_factory=list)
    _spaced: bool = True  # the next letter begins a word

    def add(self, text: str) -> None:
        """Appends text, with its own spaces."""
        for found in _WORD.finditer(text):
            self._spaced = self._spaced or bool(found[1])
            word = found[2].replace(PIECE_MARK, "_")
            if self.unit == "char":
                self.tokens += word
            elif self.unit == "spm":
                self.tokens.append(f"{PIECE_MARK}{word}" if self._spaced else word)
            elif self._spaced or not self.tokens:
                self.tokens.append(word)
            else:
                self.tokens[-1] += word
            self._spaced = False
        self._spaced = self._spaced or text[-1:].isspace()

    def space(self) -> None:
        """What comes next begins a word."""
        self._spaced = True

    def with_draft(self, draft: str) -> list[str]:
        """The tokens if the draft stood behind them."""
        copy = ShownTokens(self.unit, list(self.tokens), self._spaced)
        copy.add(draft)
        return copy.tokens


def text_of(tokens: Sequence[str], unit: TokenUnit, *, after: bool = False) -> str:
    """The text of tokens, as simulstream's own detokenizer gives it.

    after: with the space, if one belongs there, that parts them from what stands before.
    """
    if unit == "spm":
        text = "".join(tokens).replace(PIECE_MARK, " ")
        return text if after else text.strip()
    text = (" " if unit == "word" else "").join(tokens)
    return f" {text}" if after and tokens and unit == "word" else text
