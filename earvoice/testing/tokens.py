"""A vocabulary that needs no training data."""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.text.tokenizer import BOUNDARY, SPECIALS, Tokenizer


def byte_tokenizer(extra_specials: Sequence[str] = ()) -> Tokenizer:
    """The control tokens, the 256 bytes and the word boundary: 263 ids, any text encodes."""
    size = len(SPECIALS.names()) + len(extra_specials) + 256 + len(BOUNDARY)
    return Tokenizer.train([], size, extra_specials=extra_specials)
