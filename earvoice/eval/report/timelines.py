"""Timelines: what was heard when, and below it what each run had written when.

A talk is cut into rows of 10 s, like staves of music; after its end there are only rows with text.
Text starts where it was written; where it would cover the text before, it moves a line down. The
foot of a tick reaches to the time at which computing was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earvoice.eval.report.markup import clock, number, safe
from earvoice.eval.report.view import Heard, View, Written, written_of
from earvoice.eval.scored import Scored

ROW_US = 10_000_000
PIXELS_PER_S = 90.0
LETTER_PIXELS = 7.1
LINE_PIXELS = 16
MOST_LINES = 9
MARGIN = 210
WIDTH = round(ROW_US / 1e6 * PIXELS_PER_S) + MARGIN


@dataclass(frozen=True)
class Mark:
    """Text at a time. foot_us: until when its foot reaches. segment: number of its item."""

    text: str
    at_us: int
    foot_us: int
    segment: int | None


def timelines(view: View, budget_bytes: int) -> str:
    """One foldable timeline per talk, the first open; as many as `budget_bytes` has room for."""
    talks = view.recordings()
    parts: list[str] = []
    size = 0
    for name, numbers in talks.items():
        part = _talk(view, name, numbers, first=not parts)
        size += len(part.encode())
        if size > budget_bytes:
            break
        parts.append(part)
    if len(parts) < len(talks):
        left = len(talks) - len(parts)
        parts.append(f"<p>{left} recordings are left out here, to keep the page small.</p>")
    return "".join(parts)


def _talk(view: View, name: str, numbers: Sequence[int], *, first: bool) -> str:
    scored = view.estimates[numbers[0]].run.scored
    heard, what = _heard(scored, name, view.spoken.get(name, ()))
    bars = _bars(scored, name)
    lanes = [
        (number, [_mark(one) for one in written_of(view.estimates[number].run.scored, name)])
        for number in numbers
    ]
    times = [mark.at_us for _, marks in lanes for mark in marks]
    end = max([*times, *(mark.at_us for mark in heard), *(bar[1] for bar in bars), 0])
    rows = []
    for start in _starts(bars, [*times, *(mark.at_us for mark in heard)]):
        parts = [_source_lane(what, bars, _within(heard, start), start)]
        parts += [
            _run_lane(view.estimates[number].run.name, number, _within(marks, start), start)
            for number, marks in lanes
        ]
        rows.append(f'<div class="row">{"".join(parts)}</div>')
    opened = " open" if first else ""
    return (
        f'<details class="talk" data-pps="{PIXELS_PER_S:g}"{opened}>'
        f"<summary>{safe(name)} <small>{clock(end)}, {len(bars)} segments</small></summary>"
        f'<div class="scroll">{"".join(rows)}</div></details>'
    )


def _starts(bars: Sequence[tuple[int, int, int]], times: Iterable[int]) -> list[int]:
    """Where rows begin: all of the audio, and after it those in which something was written.

    A log may hold times of a clock, years after the audio.
    """
    until = max((end for _, end, _ in bars), default=0)
    late = {time - time % ROW_US for time in times if time > until}
    return sorted({*range(0, until + 1, ROW_US), *late})


def _mark(one: Written) -> Mark:
    return Mark(one.text, one.at_us, one.done_us, one.segment)


def _within(marks: Iterable[Mark], start_us: int) -> list[Mark]:
    return [mark for mark in marks if start_us <= mark.at_us < start_us + ROW_US]


def _bars(scored: Scored, name: str) -> list[tuple[int, int, int]]:
    """(start, end, number) of the recording's segments; the whole of it in short form."""
    if scored.form == "long":
        return [
            (part.offset_us, part.offset_us + part.duration_us, index)
            for index, part in enumerate(scored.segments)
            if part.recording == name
        ]
    return [
        (0, item.timed(None).source_us, index)
        for index, item in enumerate(scored.items)
        if item.recording == name
    ]


def _heard(scored: Scored, name: str, words: Sequence[Heard]) -> tuple[list[Mark], str]:
    """What was said: words at their times, else the segments' text at their starts."""
    bars = _bars(scored, name)
    if words:
        return [
            Mark(word.text, word.start_us, word.start_us, _owner(bars, word)) for word in words
        ], "heard"
    items = scored.items
    known = any(items[index].source for _, _, index in bars)
    texts = [
        (items[index].source or "") if known else items[index].reference for _, _, index in bars
    ]
    marks = [
        Mark(text, start, start, index) for text, (start, _, index) in zip(texts, bars, strict=True)
    ]
    return marks, "heard" if known else "reference"


def _owner(bars: Sequence[tuple[int, int, int]], word: Heard) -> int | None:
    middle = (word.start_us + word.end_us) // 2
    return next((index for start, end, index in bars if start <= middle <= end), None)


def _pixels(time_us: int, start_us: int) -> float:
    return (time_us - start_us) / 1e6 * PIXELS_PER_S


def _lines(marks: Sequence[Mark], start_us: int) -> list[int]:
    """The line of each mark: the first where it does not cover the text before it."""
    ends: list[float] = []
    found = []
    for mark in marks:
        x = _pixels(mark.at_us, start_us)
        free = (row for row, end in enumerate(ends) if end <= x)
        row = next(free, len(ends))
        if row == len(ends) and row < MOST_LINES:
            ends.append(0.0)
        row = min(row, MOST_LINES - 1)
        ends[row] = x + LETTER_PIXELS * len(mark.text) + 9
        found.append(row)
    return found


def _texts(marks: Sequence[Mark], lines: Sequence[int], start_us: int, top: int) -> str:
    """The marks' text. Unquoted attributes: a page has tens of thousands of these."""
    return "".join(
        f"<text x={_pixels(mark.at_us, start_us) + 4:.0f} y={top + LINE_PIXELS * row + 12}"
        f"{'' if mark.segment is None else f' data-s={mark.segment}'}>{safe(mark.text)}</text>"
        for mark, row in zip(marks, lines, strict=True)
    )


def _run_lane(name: str, run: int, marks: Sequence[Mark], start_us: int) -> str:
    lines = _lines(marks, start_us)
    height = LINE_PIXELS * (max(lines, default=0) + 1) + 4
    ticks = "".join(
        f"M{_pixels(mark.at_us, start_us):.0f} {LINE_PIXELS * row + 2}v13"
        + (f"h{foot:.0f}" if (foot := _pixels(mark.foot_us, mark.at_us)) >= 1 else "")
        for mark, row in zip(marks, lines, strict=True)
    )
    return (
        f'<div class="lane r{run}"><span>{safe(name)}</span><svg width="{WIDTH}" '
        f'height="{height}" data-t="{start_us}"><path d="{ticks}"/>'
        f"{_texts(marks, lines, start_us, 0)}</svg></div>"
    )


def _source_lane(
    what: str, bars: Sequence[tuple[int, int, int]], marks: Sequence[Mark], start_us: int
) -> str:
    lines = _lines(marks, start_us)
    height = 22 + LINE_PIXELS * (max(lines, default=0) + 1) + 4
    seconds = "".join(
        f"<text class=sec x={number(_pixels(at, start_us))} y=11>{clock(at)}</text>"
        for at in range(start_us, start_us + ROW_US, 2_000_000)
    )
    spans = "".join(
        f"<rect x={number(_pixels(max(start, start_us), start_us))} y=16 height=4 "
        f"width={number(_pixels(min(end, start_us + ROW_US), max(start, start_us)))} "
        f"data-s={index} />"
        for start, end, index in bars
        if start < start_us + ROW_US and end > start_us
    )
    return (
        f'<div class="lane source"><span>{what}</span><svg width="{WIDTH}" height="{height}" '
        f'data-t="{start_us}">{seconds}{spans}{_texts(marks, lines, start_us, 20)}</svg></div>'
    )
