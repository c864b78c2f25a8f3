"""The words of a draft, as policies count them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from earvoice.text.tokenizer import Tokenizer


def split_words(tokenizer: Tokenizer, tokens: Sequence[int]) -> tuple[tuple[str, ...], list[int]]:
    """The words of some tokens, and the index of each one's first token, with the end behind.

    Pieces in front of the first word start belong to no word of these tokens.
    """
    starts = [index for index, token in enumerate(tokens) if tokenizer.begins_unit(token)]
    edges = [*starts, len(tokens)]
    words = tuple(tokenizer.decode(tokens[a:b]) for a, b in itertools.pairwise(edges))
    return words, edges
