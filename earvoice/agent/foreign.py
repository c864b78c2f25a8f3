"""Text of others (glossaries, documents, transcripts) before it comes near a prompt.

Control tokens are known to a `Tokenizer` by id only, so no text reaches them. Two things are left:
characters that are not for reading, and chat templates whose role marks are plain text
(`<|user|>`, `[INST]`), which a term could spell.
"""

from __future__ import annotations

import unicodedata

from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer

_JOINERS = "\u200c\u200d"
"""Part of words in Persian and the languages of India."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_MARKS = str.maketrans({"<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "|": "/", "\u2581": "_"})


def clean(text: str) -> str:
    """NFC, one space between words, without control, format, private and unassigned characters.

    Line and paragraph ends become spaces, so a term is one line wherever it is shown.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    words = " ".join(text.split())
    kept = (char for char in words if char in _JOINERS or unicodedata.category(char) not in _HIDDEN)
    # Composed last: an accent may have been kept from its letter by a character that is gone now.
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def quoted(text: str) -> str:
    """`clean`, and no mark of a chat template can be spelt: `<|user|>` becomes `‹/user/›`.

    What goes into a prompt; what is shown to people keeps its brackets.
    """
    return clean(text).translate(_MARKS)


def told(prompt: Prompt, tokenizer: Tokenizer, text: str) -> Prompt:
    """A prompt of any template with text of others right after the speech."""
    if not clean(text):
        return prompt
    return Prompt(prompt.before, (*tokenizer.encode(quoted(text)), *prompt.after))
