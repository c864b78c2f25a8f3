"""Where a written sentence ends."""

from __future__ import annotations

_ENDS = (".", "?", "!", "…", "。", "？", "！")
_BEHIND = " \"'”’»)]」』）"


def ends_sentence(text: str) -> bool:
    """Whether the last thing in a text is the end of a sentence, quotes and brackets aside."""
    return text.rstrip().rstrip(_BEHIND).endswith(_ENDS)
