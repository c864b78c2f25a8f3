"""Subtitles from committed text: SRT and WebVTT that players accept and people can read.

    commits   "Guten"[0.2-0.6]  " Tag,"[0.6-1.0]  " meine Damen und Herren."[1.0-2.4]
    caption   00:00:00,200 --> 00:00:02,400   Guten Tag, meine Damen und Herren.

At most two lines of 42 columns (a wide character counts as two), 1 to 7 seconds, never
overlapping. A caption ends at the end of a sentence if it has lasted long enough, at a pause of
two seconds, or when it is full. Text is shown as text: markup and control characters are not
passed on.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from earvoice.events import Commit, Stamped, Stream
from earvoice.text.sentences import ends_sentence
from earvoice.units import Seconds

LINE_COLUMNS = 42
MIN_S: Seconds = 1.0
MAX_S: Seconds = 7.0
PAUSE_S: Seconds = 2.0


@dataclass(frozen=True)
class Word:
    """What a line is never broken inside. `spaced`: a space stands before it."""

    text: str
    start_s: Seconds
    end_s: Seconds
    spaced: bool = True


@dataclass(frozen=True)
class Caption:
    """One subtitle: whole milliseconds and one or two lines."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def words_of(stamped_events: Iterable[Stamped], stream: Stream | None = None) -> list[Word]:
    """The timed words of a stream's commits (default: the first translation stream).

    A commit's words share its span by length. Without a span a commit lasts from the end of
    the one before to the moment it came (`heard_s`).
    """
    words: list[Word] = []
    last_s = 0.0
    for stamped in stamped_events:
        event = stamped.event
        if not isinstance(event, Commit):
            continue
        if stream is None and event.stream.role == "translation":
            stream = event.stream
        if event.stream != stream:
            continue
        start_s, end_s = event.span or (min(last_s, stamped.heard_s), stamped.heard_s)
        last_s = end_s
        _append(words, event.text, start_s, end_s)
    return words


def captions_of_all(stamped_events: Sequence[Stamped]) -> list[Caption]:
    """The captions of a session's translation; of several speakers, each named in its captions.

    Where people talk at once, their captions share the time.
    """
    events = [stamped.event for stamped in stamped_events]
    streams = dict.fromkeys(
        event.stream
        for event in events
        if isinstance(event, Commit) and event.stream.role == "translation"
    )
    if not any(stream.speaker for stream in streams):
        return captions_of(words_of(stamped_events))
    found = [
        caption
        for stream in streams
        for caption in captions_of(words_of(stamped_events, stream), stream.speaker or "")
    ]
    return sorted(found, key=lambda caption: caption.start_ms)


def captions_of(words: Iterable[Word], speaker: str = "") -> list[Caption]:
    """Pack words into captions with legal times; each begins with the speaker, if one is named."""
    groups: list[list[Word]] = []
    for next_word in words:
        word = next_word
        if not groups or _ends(groups[-1], word):
            groups.append([])
            if speaker:
                groups[-1].append(Word(f"{speaker}:", word.start_s, word.start_s))
                word = replace(word, spaced=True)
        groups[-1].append(word)
    return list(_timed(groups))


def format_srt(captions: Iterable[Caption]) -> str:
    """SubRip text; what players would take for a tag is broken by a space without width."""
    blocks = [
        f"{number}\n{_clock(caption.start_ms, ',')} --> {_clock(caption.end_ms, ',')}\n"
        + "\n".join(map(_unmarked, caption.lines))
        for number, caption in enumerate(captions, start=1)
    ]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _unmarked(line: str) -> str:
    """A line of SubRip that players show as it is: SubRip has no way to escape marks."""
    line = re.sub(r"<(?=[/a-zA-Z])", "<\u200b", line.replace("-->", "→"))
    return line.replace("{\\", "{\u200b\\")


def format_vtt(captions: Iterable[Caption]) -> str:
    """WebVTT text; `<`, `>` and `&` are escaped."""
    blocks = [
        f"{_clock(caption.start_ms, '.')} --> {_clock(caption.end_ms, '.')}\n"
        + "\n".join(html.escape(line, quote=False) for line in caption.lines)
        for caption in captions
    ]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def _append(words: list[Word], text: str, start_s: Seconds, end_s: Seconds) -> None:
    """Add the words of one commit, joining a word that began in the commit before."""
    pieces = list(_pieces(text))
    total = sum(len(piece) for piece, _ in pieces)
    done = 0
    for piece, spaced in pieces:
        from_s = start_s + (end_s - start_s) * done / total
        done += len(piece)
        word = Word(piece, from_s, start_s + (end_s - start_s) * done / total, spaced)
        if words and not spaced and not _breakable(words[-1].text, piece):
            first = words.pop()
            end = max(first.end_s, word.end_s)
            word = Word(first.text + piece, first.start_s, end, first.spaced)
        # A "word" longer than a line is cut where the line ends.
        at, letter_s = 0, (word.end_s - word.start_s) / len(word.text)
        for part in _cut(word.text):
            from_s = word.start_s + letter_s * at
            at += len(part)
            to_s = word.start_s + letter_s * at
            words.append(Word(part, from_s, to_s, word.spaced and at == len(part)))


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The unbreakable pieces of a text and whether a space stands before each."""
    piece, spaced = "", False
    for char in text:
        if char.isspace():
            if piece:
                yield piece, spaced
            piece, spaced = "", True
        elif unicodedata.category(char) in ("Cc", "Cs"):
            continue
        elif piece and _breakable(piece, char):
            yield piece, spaced
            piece, spaced = char, False
        else:
            piece += char
    if piece:
        yield piece, spaced


def _breakable(before: str, after: str) -> bool:
    """Whether a line may break between two texts without a space: around wide letters."""
    if not unicodedata.category(after[0]).startswith("L"):
        return False
    return _columns(before[-1]) == 2 or _columns(after[0]) == 2


def _cut(piece: str) -> Iterator[str]:
    """Parts that fit a line, cut where letters can be told apart, or anywhere if nowhere."""
    part, columns, safe = "", 0, 0
    for char in piece:
        width = _columns(char)
        if part and _separable(part[-1], char):
            safe = len(part)
        if columns + width > LINE_COLUMNS:
            at = safe or len(part)
            yield part[:at]
            part, safe = part[at:], 0
            columns = _columns(part)
        part += char
        columns += width
    yield part


_JOINER = "\u200d"
_BEHIND_THAI = "\u0e30\u0e32\u0e33\u0e45"
"""Thai vowels that are letters of their own and belong to the consonant before them ..."""
_BEFORE_THAI = "\u0e40\u0e41\u0e42\u0e43\u0e44"
"""... and those that are written before it."""


def _separable(before: str, after: str) -> bool:
    """Whether one character may end a line and the other begin the next."""
    if _JOINER in (before, after) or before in _BEFORE_THAI or after in _BEHIND_THAI:
        return False
    return not unicodedata.category(after).startswith("M")


def _columns(text: str) -> int:
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def _join(words: list[Word]) -> str:
    return "".join(
        (" " if word.spaced and index else "") + word.text for index, word in enumerate(words)
    )


def _lines(words: list[Word]) -> tuple[str, ...] | None:
    """The words in one line, or in two of the most equal length; None if they do not fit."""
    whole = _join(words)
    if _columns(whole) <= LINE_COLUMNS:
        return (whole,)
    splits = [(_join(words[:cut]), _join(words[cut:])) for cut in range(1, len(words))]
    fitting = [pair for pair in splits if max(map(_columns, pair)) <= LINE_COLUMNS]
    return min(fitting, key=lambda pair: max(map(_columns, pair))) if fitting else None


def _ends(group: list[Word], word: Word) -> bool:
    """Whether `word` has to begin a new caption."""
    start_s = group[0].start_s
    if _lines([*group, word]) is None or word.end_s - start_s > MAX_S:
        return True
    if word.start_s - group[-1].end_s >= PAUSE_S:
        return True
    return ends_sentence(group[-1].text) and group[-1].end_s - start_s >= MIN_S


def _timed(groups: list[list[Word]]) -> Iterator[Caption]:
    free_ms = 0
    for index, group in enumerate(groups):
        start_ms = max(free_ms, _ms(group[0].start_s))
        wanted_ms = max(_ms(max(word.end_s for word in group)), start_ms + _ms(MIN_S))
        end_ms = min(wanted_ms, start_ms + _ms(MAX_S))
        if index + 1 < len(groups):
            # Make room for the next one, but never show anything for less than the minimum.
            next_ms = _ms(groups[index + 1][0].start_s)
            end_ms = max(min(end_ms, next_ms), start_ms + _ms(MIN_S))
        free_ms = end_ms
        yield Caption(start_ms, end_ms, _lines(group) or (_join(group),))


def _ms(time_s: Seconds) -> int:
    return round(time_s * 1000)


def _clock(time_ms: int, comma: str) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{comma}{ms:03}"
