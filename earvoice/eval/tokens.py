"""Words cut into tokens before SoftSegmenter aligns them: the Moses tokenizer.

OmniSTEval aligns whole words unless a language is named; then every word, lower-cased, goes
through the tokenizer of Moses 4 by itself, dashes split, nothing escaped. The same here, by
sacremoses, which differs in one rule: it splits the comma off `1.000,`, the older program that
OmniSTEval runs does not.
"""

from __future__ import annotations

import importlib
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Literal

from earvoice.errors import UsageError
from earvoice.eval.longform import Segmenter, soft_segmenter
from earvoice.eval.soft_segmenter import Piece, assign, normalised
from earvoice.eval.units import CHAR_LANGUAGES, Unit
from earvoice.text.languages import primary

Tokenizer = Literal["none", "moses"]
TOKENIZERS: tuple[Tokenizer, ...] = ("none", "moses")
TOKENIZER = "tokenizer"
"""The key in `Scored.extras` of the tokenizer with which the items of long form were cut."""
Cutter = Callable[[str], list[str]]


def segmenter_of(tokenizer: Tokenizer, language: str) -> Segmenter:
    """SoftSegmenter on words, or on tokens of them. Raises: UsageError without sacremoses."""
    return moses_segmenter(language) if tokenizer == "moses" else soft_segmenter


def moses_segmenter(language: str) -> Segmenter:
    """SoftSegmenter on Moses tokens of words. language: BCP-47, of the output.

    Where characters count, and in languages without spaces, nothing is cut further.
    Raises: UsageError where sacremoses is not installed.
    """
    tokenize = moses(language)
    return partial(_segment, tokenize)


def moses(language: str) -> Cutter:
    """A normalised word to its tokens. Raises: UsageError where sacremoses is not installed."""
    code = primary(language)
    if code in CHAR_LANGUAGES:
        return lambda word: [word]
    try:
        sacremoses = importlib.import_module("sacremoses")
    except ImportError:
        raise UsageError(
            "the moses tokenizer needs the package sacremoses; install it, or leave "
            "--segmenter-tokenizer at none, OmniSTEval's default"
        ) from None
    tokenizer = sacremoses.MosesTokenizer(lang=code)

    @cache
    def tokens(word: str) -> list[str]:
        found: list[str] = tokenizer.tokenize(word, aggressive_dash_splits=True, escape=False)
        if len(found) > 1 and found[-1] == "," and _ends_in_number(found[-2]):
            return [*found[:-2], f"{found[-2]},"]
        return found

    return tokens


def _ends_in_number(token: str) -> bool:
    return unicodedata.category(token[-1]).startswith("N")


def _segment(
    tokenize: Cutter, references: Sequence[Sequence[str]], hypothesis: Sequence[str], unit: Unit
) -> list[int | None]:
    words = [word for segment in references for word in segment]
    reference = _pieces(words, tokenize, unit)
    segments = [number for number, segment in enumerate(references) for _ in segment]
    numbers = [segments[piece.unit] for piece in reference]
    written = _pieces(hypothesis, tokenize, unit)
    owners: list[int | None] = [None] * len(hypothesis)
    found = assign(reference, numbers, written, unit == "char")
    for piece, owner in zip(written, found, strict=True):
        if piece.first:
            owners[piece.unit] = owner
    return owners


def _pieces(words: Sequence[str], tokenize: Cutter, unit: Unit) -> list[Piece]:
    """A word's pieces, in order; the first of them says where the word belongs."""
    if unit == "char":
        return [Piece(normalised(word), index) for index, word in enumerate(words)]
    return [
        Piece(token, index, first=place == 0)
        for index, word in enumerate(words)
        for place, token in enumerate(tokenize(normalised(word)))
    ]
