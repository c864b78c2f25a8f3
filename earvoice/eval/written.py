"""From a recording's events to what counts: each unit of the final text with its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from earvoice.eval.hypotheses import CLOCKS, DataError, Hypothesis, microseconds
from earvoice.eval.latency import SourceType
from earvoice.eval.units import Unit, glued_words, units_of
from earvoice.events import Commit, Draft, Event, Stamped

Settled = Literal["commit", "shown"]
"""When a unit counts as written:

    commit  with the commit that ends it; drafts do not count
    shown   from when it stood there and was never touched again, draft or not: the usual count
            for systems that may withdraw any of their text
"""

Stamp = tuple[int, int, int, int]
"""Delay, then the clocks of `CLOCKS`, all in microseconds."""


@dataclass(frozen=True)
class RecordingHead:
    """What a log says of a recording before its events. Raises: DataError for what is not legal."""

    name: str
    source_us: int
    unit: Unit
    source_type: SourceType = "speech"
    target_type: str = "text"
    settled: Settled = "commit"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise DataError(f"recording: name is {self.name!r}, it must be text")
        for key, kind in (("unit", Unit), ("settled", Settled), ("source_type", SourceType)):
            value, legal = getattr(self, key), get_args(kind)
            if value not in legal:
                raise DataError(f"recording: {key} is {value!r}, it must be {' or '.join(legal)}")


@dataclass(frozen=True)
class Logged:
    """An event with its time and what computing had cost: for its chunk, and in all so far.

    where: file and line, for messages.
    """

    stamped: Stamped
    chunk_us: int
    total_us: int
    where: str = field(default="", compare=False)

    @property
    def heard_us(self) -> int:
        """The source heard."""
        return microseconds(1000 * self.stamped.heard_s)

    @property
    def wall_us(self) -> int:
        """When its chunk was done in the one queue."""
        return microseconds(1000 * self.stamped.wall_s)

    @property
    def key(self) -> tuple[int, int]:
        """The same for all events of a chunk: heard, computing in all."""
        return self.heard_us, self.total_us

    @property
    def stamp(self) -> Stamp:
        """Its time by every clock."""
        heard = self.heard_us
        return heard, self.wall_us, heard + self.total_us, heard + self.chunk_us


@dataclass(frozen=True)
class Recorded:
    """All that a log says of a recording. where: file and line, for messages."""

    head: RecordingHead
    events: Sequence[Logged]
    total_us: int
    where: str


@dataclass
class Showing:
    """The translation as a listener sees it."""

    committed: list[str] = field(default_factory=list)
    draft: str = ""

    @property
    def text(self) -> str:
        """Commits and the last draft."""
        return "".join(self.committed) + self.draft

    def take(self, event: Event) -> bool:
        """Whether the event changed what is shown."""
        if not isinstance(event, Commit | Draft) or event.stream.role != "translation":
            return False
        if isinstance(event, Draft):
            self.draft = event.text
        else:
            self.committed.append(event.text)
            self.draft = ""
        return True


def hypothesis_of(recorded: Recorded, unit: Unit | None = None) -> Hypothesis:
    """The final text with the time of each unit. unit: None is the recording's own."""
    head = recorded.head
    unit = unit or head.unit
    find = _by_commits if head.settled == "commit" else _by_showing
    units, stamps = find(recorded.events, unit)
    shown = _shown(recorded.events, drafts=head.settled == "shown")
    delays, *aware = (tuple(item) for item in zip(*stamps, strict=True)) if stamps else ((),) * 4
    return Hypothesis(
        name=head.name,
        unit=unit,
        units=tuple(units),
        delays_us=delays,
        source_us=head.source_us,
        where=recorded.where,
        clocks=dict(zip(CLOCKS, aware, strict=True)),
        source_type=head.source_type,
        glued=glued_words(shown) if unit == "word" else frozenset(),
        spaced=shown if unit == "char" else None,
    )


def _shown(events: Sequence[Logged], *, drafts: bool) -> str:
    """What stood at the end. drafts: with the last one."""
    showing = Showing()
    for event in events:
        showing.take(event.stamped.event)
    return showing.text if drafts else "".join(showing.committed)


def _by_commits(events: Sequence[Logged], unit: Unit) -> tuple[list[str], list[Stamp]]:
    """A unit's time is that of the commit that wrote its last character."""
    parts: list[str] = []
    owners: list[Stamp] = []  # per character
    for event in events:
        said = event.stamped.event
        if isinstance(said, Commit) and said.stream.role == "translation":
            parts.append(said.text)
            owners += [event.stamp] * len(said.text)
    text = "".join(parts) + " "
    units: list[str] = []
    stamps: list[Stamp] = []
    start = 0
    for index, letter in enumerate(text):
        if not letter.isspace():
            continue
        if unit == "char":
            units += text[start:index]
            stamps += owners[start:index]
        elif index > start:
            units.append(text[start:index])
            stamps.append(owners[index - 1])
        start = index + 1
    return units, stamps


def _by_showing(events: Sequence[Logged], unit: Unit) -> tuple[list[str], list[Stamp]]:
    """A unit's time is that of the event after which it stood untouched."""
    showing = Showing()
    units: list[str] = []
    stamps: list[Stamp] = []
    for event in events:
        if not showing.take(event.stamped.event):
            continue
        shown = units_of(showing.text, unit)
        same = common_prefix(units, shown)
        stamps = stamps[:same] + [event.stamp] * (len(shown) - same)
        units = shown
    return units, stamps


def common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    """How many units are the same from the start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
