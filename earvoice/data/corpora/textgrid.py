"""Praat's TextGrids: tiers of intervals with text, as forced aligners write them.

Both forms of the text format are one to us, because Praat reads them by the same rule: what counts
is the free-standing numbers, the strings in quotes and the flags `<exists>`, in this order; the
rest (`xmin =`, `intervals [3]:`) is for people. A quote inside a string is doubled; a `!` that
stands free begins a comment.

    "ooTextFile" "TextGrid" xmin xmax <exists> tiers
        "IntervalTier" name xmin xmax size   and size times   xmin xmax text
        "TextTier"     name xmin xmax size   and size times   time mark       (points: passed over)

UTF-8 with or without a byte order mark, or UTF-16. Times are integer microseconds.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from earvoice.data.corpora.reading import read_bytes
from earvoice.errors import DataError

OVERLAP_US = 1_000
"""So much may an interval begin before the last one's end: rounding of frames."""

_MAX_S = 1e7
_MAX_DIGITS = 9
_TOKEN = re.compile(r'"([^"]*(?:""[^"]*)*)"|"|<([^<>\s"]*)>|!([^\n]*)|([^\s"]+)')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF16_LE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a tier. line: where it begins in the file."""

    start_us: int
    end_us: int
    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Tier:
    """Intervals in order of time, which may leave gaps."""

    name: str
    intervals: tuple[Interval, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TextGrid:
    """The interval tiers of a recording of `end_us - start_us`."""

    start_us: int
    end_us: int
    tiers: tuple[Tier, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: number, string, flag, or end (of the file)."""

    kind: str
    text: str
    line: int


def read_textgrid(path: Path) -> TextGrid:
    """The grid of a file. Raises: DataError naming file and line."""
    return parse_textgrid(_decoded(read_bytes(path), path), path)


def parse_textgrid(text: str, path: Path) -> TextGrid:
    """The grid that a text says; `path` is for messages. Raises: DataError."""
    return _Reader(text, path).grid()


def _decoded(raw: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in raw[:2]:  # UTF-16 without its mark: one half is empty
        encoding = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(encoding, errors="replace")
        raise DataError(
            f"{path} line {before.count(chr(10)) + 1}: byte {error.start} is not {encoding}; a "
            "TextGrid must be UTF-8 or UTF-16"
        ) from None


def _tokens(text: str, path: Path) -> Iterator[_Token]:
    line, at = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        whole, quoted, flag, comment, bare = found.group(0), *found.groups()
        if quoted is not None:
            yield _Token("string", quoted.replace('""', '"'), line)
        elif whole == '"':
            raise DataError(f'{path} line {line}: a " that is not closed')
        elif flag is not None:
            yield _Token("flag", flag, line)
        elif comment is None and _NUMBER.fullmatch(bare):
            yield _Token("number", bare, line)
    yield _Token("end", "", line + text.count("\n", at))


class _Reader:
    """Takes tokens one after the other, each of the kind that must come."""

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.tokens = _tokens(text, path)
        self.line = 1

    def grid(self) -> TextGrid:
        kind = self._take("string", 'File type = "ooTextFile"').text
        if not kind.startswith("ooTextFile"):
            raise self._wrong(f'the file type is {kind!r}, it must be "ooTextFile"')
        if (holds := self._take("string", '"TextGrid"').text) != "TextGrid":
            raise self._wrong(f'holds a {holds!r}, it must be a "TextGrid"')
        start_us, end_us = self._span()
        line = self.line
        exists = self._take("flag", "<exists>").text
        if exists not in ("exists", "absent"):
            raise self._wrong(f"<{exists}> must be <exists> or <absent>")
        count = self._count("tiers") if exists == "exists" else 0
        tiers = [tier for _ in range(count) if (tier := self._tier()) is not None]
        after = next(self.tokens)
        if after.kind != "end":
            self.line = after.line
            raise self._wrong(f"{after.text[:40]!r} comes after the last of {count} tiers")
        return TextGrid(start_us, end_us, tuple(tiers), line)

    def _tier(self) -> Tier | None:
        kind = self._take("string", '"IntervalTier"').text
        if kind not in ("IntervalTier", "TextTier"):
            raise self._wrong(f"a tier is {kind!r}, it must be IntervalTier or TextTier")
        line = self.line
        name = self._take("string", "the name of a tier").text
        self._span()
        count = self._count(f"intervals of the tier {name!r}")
        if kind == "TextTier":
            for _ in range(count):
                self._time()
                self._take("string", "the mark of a point")
            return None
        intervals: list[Interval] = []
        for _ in range(count):
            interval = self._interval()
            if intervals and interval.start_us < intervals[-1].end_us - OVERLAP_US:
                self.line = interval.line
                raise self._wrong(
                    f"an interval of {name!r} begins at {interval.start_us / 1e6} s, before the "
                    f"last one's end at {intervals[-1].end_us / 1e6} s"
                )
            intervals.append(interval)
        return Tier(name, tuple(intervals), line)

    def _interval(self) -> Interval:
        start_us = self._time()
        line = self.line
        end_us = self._time()
        if end_us < start_us:
            raise self._wrong(f"an interval ends at {end_us / 1e6} s and begins later")
        return Interval(
            start_us, end_us, self._take("string", "the text of an interval").text, line
        )

    def _span(self) -> tuple[int, int]:
        start_us, end_us = self._time(), self._time()
        if end_us < start_us:
            raise self._wrong(f"xmax is {end_us / 1e6}, less than xmin, {start_us / 1e6}")
        return start_us, end_us

    def _time(self) -> int:
        seconds = float(self._take("number", "a time in seconds").text)
        if not -_MAX_S <= seconds <= _MAX_S:
            raise self._wrong(f"{seconds} s is no time of a recording")
        return round(seconds * 1_000_000)

    def _count(self, what: str) -> int:
        text = self._take("number", f"the number of {what}").text
        if not text.isdecimal() or len(text) > _MAX_DIGITS:
            raise self._wrong(f"{text} is not a number of {what}")
        return int(text)

    def _take(self, kind: str, what: str) -> _Token:
        token = next(self.tokens)
        self.line = token.line
        if token.kind != kind:
            there = "the end of the file" if token.kind == "end" else repr(token.text[:40])
            raise self._wrong(f"{there} where {what} must be")
        return token

    def _wrong(self, message: str) -> DataError:
        return DataError(f"{self.path} line {self.line}: {message}")


def textgrid_text(grid: TextGrid) -> str:
    """The long form of a grid, UTF-8 text."""
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        f"xmin = {_seconds(grid.start_us)}",
        f"xmax = {_seconds(grid.end_us)}",
        "tiers? <exists>",
        f"size = {len(grid.tiers)}",
        "item []:",
    ]
    for number, tier in enumerate(grid.tiers, 1):
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(tier.name)}",
            f"        xmin = {_seconds(grid.start_us)}",
            f"        xmax = {_seconds(grid.end_us)}",
            f"        intervals: size = {len(tier.intervals)}",
        ]
        for place, interval in enumerate(tier.intervals, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_seconds(interval.start_us)}",
                f"            xmax = {_seconds(interval.end_us)}",
                f"            text = {_quoted(interval.text)}",
            ]
    return "\n".join(lines) + "\n"


def filled(intervals: list[Interval], start_us: int, end_us: int) -> tuple[Interval, ...]:
    """With empty intervals in the gaps, as Praat wants a tier to be."""
    whole: list[Interval] = []
    at_us = start_us
    for interval in intervals:
        if interval.start_us > at_us:
            whole.append(Interval(at_us, interval.start_us, ""))
        whole.append(interval)
        at_us = interval.end_us
    if at_us < end_us:
        whole.append(Interval(at_us, end_us, ""))
    return tuple(whole)


def _seconds(time_us: int) -> str:
    """`1.5`, exact."""
    sign, time_us = ("-", -time_us) if time_us < 0 else ("", time_us)
    whole, part = divmod(time_us, 1_000_000)
    return f"{sign}{whole}.{part:06d}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
