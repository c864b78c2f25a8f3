"""A folder of TextGrids: which one is of which cut, and what is said in a stretch of it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earvoice.data.corpora.matching import Mismatch, Word, is_silence, match_words
from earvoice.data.corpora.textgrid import Interval, TextGrid, Tier, read_textgrid
from earvoice.data.manifest import PAUSE, Talk
from earvoice.data.plain_wav import WAV_HEADER_BYTES
from earvoice.errors import DataError, UsageError

LONGER_US = 1_000_000
"""A TextGrid may be so much longer than its audio; more, and it is another recording's."""

_ARPABET = re.compile(r"[A-Z]{1,2}[012]?", re.ASCII)
_SPEAKER_MARK = " - "


@dataclass(frozen=True, slots=True)
class TierNames:
    """What tiers are called; with several speakers in a recording, `SPEAKER - words`.

    phones: None takes `phones` if it is there.
    """

    words: str = "words"
    phones: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a sentence says and when; times from the first sample of its cut."""

    text: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Aligned:
    """Words and phonemes of a sentence; times from the first sample of its cut."""

    words: tuple[Word, ...]
    phones: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A grid and where the cut begins in it."""

    path: Path
    grid: TextGrid
    offset_us: int


class Grids:
    """The TextGrids below a folder by name. The last one read is kept: cuts come by recording."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
        self.paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() != ".textgrid" or not path.is_file():
                continue
            if path.stem in self.paths:
                raise DataError(f"{path} has the name of {self.paths[path.stem]}; keep one")
            self.paths[path.stem] = path
        if not self.paths:
            raise UsageError(f"{folder} has no file *.TextGrid")
        self._last: tuple[Path, TextGrid] | None = None

    def of(self, talk: Talk) -> Placed | None:
        """The grid of a cut, or of its recording. Raises: DataError for one much too long."""
        name = "" if talk.path is None else talk.path.stem
        own = talk.id != name and talk.id in self.paths
        path = self.paths.get(talk.id if own else name)
        if path is None:
            return None
        if self._last is None or self._last[0] != path:
            self._last = (path, read_textgrid(path))
        grid = self._last[1]
        audio_us = _microseconds(talk.samples, talk) if own else _recording_us(talk)
        if audio_us is not None and grid.end_us > audio_us + LONGER_US:
            raise DataError(
                f"{path} line {grid.line}: lasts {grid.end_us / 1e6} s, the audio of {talk.id} "
                f"{audio_us / 1e6} s; it is of another recording"
            )
        return Placed(path, grid, 0 if own else _microseconds(talk.first_sample, talk))


def _microseconds(samples: int, talk: Talk) -> int:
    return round(samples * 1_000_000 / talk.sample_rate)


def _recording_us(talk: Talk) -> int | None:
    """The length of the file that the cut is of, None where it is not there."""
    if talk.path is None or not talk.path.is_file():
        return None
    return _microseconds((talk.path.stat().st_size - WAV_HEADER_BYTES) // 2, talk)


def aligned(stretch: Stretch, placed: Placed, names: TierNames) -> Aligned | tuple[str, str]:
    """Words and phonemes of a sentence, or the reason why there are none, and where.

    A sentence is looked for in each speaker's tier, then in all of them together. Raises:
    DataError for a grid without such tiers.
    """
    start_us, end_us = stretch.start_us + placed.offset_us, stretch.end_us + placed.offset_us
    tiers = _tiers(placed, names.words)
    failed: tuple[str, str] | None = None
    candidates = [[tier] for tier in tiers] + ([tiers] if len(tiers) > 1 else [])
    for chosen in candidates:
        inside = _within(chosen, start_us, end_us)
        if all(is_silence(interval.text) for interval in inside):
            continue
        found = match_words(stretch.text, inside)
        if isinstance(found, Mismatch):
            failed = failed or _told(found, placed.path, inside)
            continue
        if not found or 2 * sum(word.unknown for word in found) > len(found):
            failed = failed or ("with mostly unknown words", f"{placed.path} line {inside[0].line}")
            continue
        speakers = [_speaker(tier.name) for tier in chosen]
        phones = _phones(placed, names, speakers, start_us, end_us)
        return Aligned(
            tuple(_clipped(word, start_us, end_us, placed.offset_us) for word in found),
            tuple(_clipped(phone, start_us, end_us, placed.offset_us) for phone in phones),
        )
    return failed or ("not aligned", f"{placed.path} line {tiers[0].line}")


def _told(found: Mismatch, path: Path, inside: Sequence[Interval]) -> tuple[str, str]:
    reason = "with other words"
    if found.interval is None:
        return reason, f"{path} line {inside[-1].line}: ends before {found.expected!r}"
    place = f"{path} line {found.interval.line}: {found.interval.text!r}"
    return reason, f"{place} for {found.expected!r}" if found.expected else f"{place} after the end"


def _speaker(name: str) -> str:
    return name.rpartition(_SPEAKER_MARK)[0]


def _tiers(placed: Placed, name: str) -> list[Tier]:
    found = [t for t in placed.grid.tiers if t.name == name or t.name.endswith(f" - {name}")]
    if not found:
        there = ", ".join(repr(tier.name) for tier in placed.grid.tiers) or "none"
        raise DataError(
            f"{placed.path} line {placed.grid.line}: no tier {name!r}; there are: {there}"
        )
    return found


def _within(tiers: Sequence[Tier], start_us: int, end_us: int) -> list[Interval]:
    """The intervals whose middle is in the stretch, in order of time."""
    found: list[Interval] = []
    for tier in tiers:
        first = bisect_left(tier.intervals, 2 * start_us, key=lambda i: i.start_us + i.end_us)
        last = bisect_left(tier.intervals, 2 * end_us, key=lambda i: i.start_us + i.end_us)
        found += tier.intervals[first:last]
    return sorted(found, key=lambda interval: interval.start_us) if len(tiers) > 1 else found


def _phones(
    placed: Placed, names: TierNames, speakers: Sequence[str], start_us: int, end_us: int
) -> list[Word]:
    """Phonemes of the stretch, pauses only between them."""
    name = "phones" if names.phones is None else names.phones
    if names.phones is None and not any(t.name.endswith(name) for t in placed.grid.tiers):
        return []
    tiers = [tier for tier in _tiers(placed, name) if _speaker(tier.name) in speakers]
    found = [
        Word(_symbol(interval.text), interval.start_us, interval.end_us)
        for interval in _within(tiers, start_us, end_us)
    ]
    while found and found[-1].text == PAUSE:
        found.pop()
    spoken = next((n for n, phone in enumerate(found) if phone.text != PAUSE), len(found))
    return found[spoken:]


def _symbol(text: str) -> str:
    """`AH0` -> `ah`, silence -> `pau`; other alphabets as they are."""
    text = text.strip()
    if is_silence(text):
        return PAUSE
    return text.rstrip("012").lower() if _ARPABET.fullmatch(text) else text


def _clipped(word: Word, start_us: int, end_us: int, offset_us: int) -> Word:
    """The word inside its sentence, timed from the cut's start."""
    begin, end = max(word.start_us, start_us), min(word.end_us, end_us)
    return Word(word.text, begin - offset_us, max(begin, end) - offset_us)
