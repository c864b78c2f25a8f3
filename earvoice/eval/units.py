"""What is counted: words of a text, or its characters for scripts without spaces."""

from __future__ import annotations

import re
from typing import Literal

from earvoice.text.languages import primary

Unit = Literal["word", "char"]

CHAR_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "km", "my", "yue"})
"""Languages whose words are not separated by spaces: counted in characters."""


def default_unit(language: str) -> Unit:
    """`char` for languages written without spaces, else `word`. language: BCP-47."""
    return "char" if primary(language) in CHAR_LANGUAGES else "word"


def units_of(text: str, unit: Unit) -> list[str]:
    """The units of an output text: words, or all characters but white space."""
    words = text.split()
    return words if unit == "word" else list("".join(words))


def glued_words(text: str) -> frozenset[int]:
    """Numbers of the words that no ASCII space, but another, parts from the word before."""
    gaps = re.findall(r"\s+", text.strip())
    return frozenset(number for number, gap in enumerate(gaps, 1) if " " not in gap)


def joined(units: list[str], unit: Unit) -> str:
    """Text from units."""
    return (" " if unit == "word" else "").join(units)


def reference_units(text: str, unit: Unit) -> int:
    """R: words, or characters.

    Spaces inside a character-counted reference count, as in the field's tools for whole items;
    long-form scoring takes them out before.
    """
    return len(text.split()) if unit == "word" else len(text.strip())
