"""Joining words: with spaces, but for scripts that are written without them.

Word times and alignments need words; Chinese text has none that show. So words are kept apart in
manifests and joined by what stands at their edges:

    我们 会 在 Berlin 讨论 项目。    ->  我们会在Berlin讨论项目。
    We will meet.                  ->  We will meet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPACELESS = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x31FF),  # radicals, full-width punctuation, kana, bopomofo
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFF9F),  # full-width forms, half-width kana
    (0x20000, 0x3FFFF),
)
_SPACED_LETTER = rf"[^\W{''.join(f'{chr(first)}-{chr(last)}' for first, last in _SPACELESS)}]"
"""A letter or digit of any other script."""


def is_spaceless(character: str) -> bool:
    """Whether a character belongs to a script that puts no spaces between words."""
    code = ord(character)
    return any(first <= code <= last for first, last in _SPACELESS)


def whole_words(text: str) -> str:
    """A regular expression for a text that is no part of a longer word.

    Where its edge is a letter of a script with spaces, no such letter may follow or come before:
    "AI" is in "the AI," and in "用AI做", not in "said".
    """
    before = f"(?<!{_SPACED_LETTER})" if re.match(_SPACED_LETTER, text[:1]) else ""
    behind = f"(?!{_SPACED_LETTER})" if re.match(_SPACED_LETTER, text[-1:]) else ""
    return f"{before}{re.escape(text)}{behind}"


def joined(words: Iterable[str], gap: str = "") -> str:
    """The words as text: a space between two unless one of them meets the other in such a script.

    Empty words count for nothing. gap: what stands where there is no space.
    """
    text = ""
    for word in words:
        if text and word:
            text += gap if is_spaceless(text[-1]) or is_spaceless(word[0]) else " "
        text += word
    return text
