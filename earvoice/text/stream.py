"""What a growing prefix of tokens may show: text that later tokens can only add to."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from typing import Any

from earvoice.text.tokenizer import Tokenizer


class TextStream:
    """Incremental detokenisation of one stream.

    Two things are held back until the next token settles them: the bytes of an unfinished
    character and a trailing space. So every piece carries its own leading space, the first has
    none, and joining what was shown is the text:

        ids     ▁Gut  en  ▁Tag  <0xF0> <0x9F> <0x91> <0x8B>  ▁
        push    "Gut" "en" " Tag"  ""     ""     ""    "👋"   ""

    State: at most 3 bytes and the held spaces.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held_spaces = ""
        self._at_start = True

    def push(self, ids: Iterable[int]) -> str:
        """The text that `ids` add, possibly empty."""
        raw = b"".join(self._tokenizer.piece_bytes(token_id) for token_id in ids)
        return self._show(self._decoder.decode(raw))

    def finish(self) -> str:
        """What is left: an unfinished character becomes U+FFFD, a trailing space is dropped."""
        shown = self._show(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        self._held_spaces = ""
        return shown

    def save(self) -> dict[str, Any]:
        """What it remembers, for JSON."""
        pending, flag = self._decoder.getstate()
        return {
            "pending": pending.hex(),
            "flag": flag,
            "held_spaces": self._held_spaces,
            "at_start": self._at_start,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on where `save` was. Raises: KeyError, ValueError for something else."""
        self._decoder.setstate((bytes.fromhex(saved["pending"]), int(saved["flag"])))
        self._held_spaces = str(saved["held_spaces"])
        self._at_start = bool(saved["at_start"])

    def _show(self, text: str) -> str:
        if self._at_start and text:
            text = text.removeprefix(" ")
            self._at_start = False
        text = self._held_spaces + text
        visible = text.rstrip(" ")
        self._held_spaces = text[len(visible) :]
        return visible
