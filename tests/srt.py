"""A strict reader of SubRip text: what a player may rely on."""

from __future__ import annotations

import re

_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3})"
_SPAN = re.compile(f"{_TIME} --> {_TIME}")


def validated_srt(text: str) -> list[tuple[float, float, str]]:
    """(start_s, end_s, text) of each caption.

    Raises: AssertionError naming the caption: numbers from 1 without gaps, times in order, no
    overlap, an end after each start, one or two lines with something in them, one empty line
    between captions, nothing but them.
    """
    assert "\r" not in text
    assert "\ufeff" not in text
    if not text:
        return []
    assert text.endswith("\n"), "no newline at the end"
    assert not text.endswith("\n\n"), "empty lines at the end"
    found: list[tuple[float, float, str]] = []
    free_s = 0.0
    for number, block in enumerate(text.removesuffix("\n").split("\n\n"), start=1):
        head, *rest = block.split("\n")
        assert head == str(number), f"caption {number} is numbered {head!r}"
        assert len(rest) in (2, 3), f"caption {number} has {len(rest) - 1} lines of text"
        match = _SPAN.fullmatch(rest[0])
        assert match, f"caption {number}: times are {rest[0]!r}"
        start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        assert start_s < end_s, f"caption {number} ends before it starts: {rest[0]}"
        assert start_s >= free_s, f"caption {number} overlaps the one before: {rest[0]}"
        for line in rest[1:]:
            assert line.strip(), f"caption {number} has an empty line"
            assert "-->" not in line
        free_s = end_s
        found.append((start_s, end_s, " ".join(rest[1:])))
    return found


def _seconds(parts: tuple[str, ...]) -> float:
    hours, minutes, seconds, milliseconds = map(int, parts)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
