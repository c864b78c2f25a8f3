"""What every reader gives: recordings, and what is said in them when."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from earvoice.data.corpora.archives import Packed
from earvoice.data.corpora.result import Tally
from earvoice.errors import DataError, UsageError

Form = Literal["short", "long"]

# Legal in a file name and plain in YAML.
_ID = re.compile(r"\w[\w.+@=()-]*")
_SUBTAG = re.compile(r"[a-z]{2,3}(?=[-_]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a recording with its transcript and its translation.

    Times are microseconds from the start of the recording; end_us None is its end. where: file
    and line, for messages. terms: (source, target) pairs that are said in it.
    """

    start_us: int
    end_us: int | None
    source: str
    target: str
    where: str
    speaker: str = ""
    terms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """A recording with its passages, in order of time.

    packed: where it is as long as there is no file `audio`; of a corpus in archives.
    """

    id: str
    audio: Path
    passages: tuple[Passage, ...]
    where: str
    packed: Packed | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise DataError(
                f"{self.where}: the name {self.id!r} must be of letters, digits and "
                ". _ + @ = ( ) -, and begin with a letter or digit; rename the recording"
            )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a corpus. src, tgt: codes as the user gave them. segments: times elsewhere."""

    src: str
    tgt: str
    split: str
    form: Form = "short"
    segments: Path | None = None


Reader = Callable[[Path, Wanted, Tally], list[Take]]
"""Reads a corpus folder; counts in the tally what it left out.

Raises: DataError for a file that is not legal, UsageError for a folder without the layout.
"""


def primary_subtag(code: str) -> str:
    """`zh-CN` and `cmn_hans_cn` -> `zh`, `sv-SE` -> `sv`. Raises: UsageError if it is no code."""
    found = _SUBTAG.match(code.strip())
    if found is None:
        raise UsageError(f"{code!r} is not a language code such as de, zh-CN or cmn_hans_cn")
    subtag = found.group().lower()
    return {"cmn": "zh"}.get(subtag, subtag)


def in_time(passages: list[Passage]) -> tuple[Passage, ...]:
    """By start, which is a number here; those that start together stay as they were."""
    return tuple(sorted(passages, key=lambda passage: passage.start_us))
