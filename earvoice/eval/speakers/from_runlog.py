"""Utterances from the log of a simulation: the committed text of every speaker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from earvoice.eval.hypotheses import DataError, microseconds
from earvoice.eval.runlog import read_recordings
from earvoice.eval.speakers.utterances import Utterance
from earvoice.eval.units import Unit
from earvoice.eval.written import Logged
from earvoice.events import Boundary, Commit, Role, Stream

NOBODY = "-"
"""The speaker of streams that name none."""


def read_runlog_utterances(
    path: Path, role: Role = "translation", unit: Unit = "word"
) -> tuple[list[Utterance], list[str]]:
    """The turns of every recording, and the names of all recordings.

    A turn ends at a boundary (sentence or turn), and where another speaker's stream writes; a
    word begun before stays with its turn. A word's time is the span of source that its commits
    give; of commits that give none, the audio heard when they came.
    Raises: DataError naming file and line.
    """
    found: list[Utterance] = []
    names: list[str] = []
    for recorded in read_recordings(path):
        if recorded.head.settled != "commit":
            raise DataError(
                f"{recorded.where}: settled is {recorded.head.settled!r}; speakers are scored by "
                "what they commit"
            )
        recording = _Recording(recorded.head.name, role, unit)
        for logged in recorded.events:
            recording.take(logged)
        names.append(recording.name)
        found += recording.utterances()
    return found, names


@dataclass
class _Turn:
    """What one speaker says until it ends or another speaks; times of every character."""

    speaker: str
    where: str
    text: str = ""
    chars_us: list[tuple[int, int]] = field(default_factory=list)

    def add(self, text: str, span_us: tuple[int, int]) -> None:
        self.text += text
        self.chars_us += [span_us] * len(text)

    def words(self) -> Iterator[tuple[str, int, int]]:
        """(word, start, end) of the white-space separated words."""
        start = 0
        for index, letter in enumerate(self.text + " "):
            if letter.isspace():
                if index > start:
                    starts, ends = zip(*self.chars_us[start:index], strict=True)
                    yield self.text[start:index], min(starts), max(ends)
                start = index + 1


@dataclass
class _Recording:
    """A recording while its events are read; latest: the turn that goes on, if one does."""

    name: str
    role: Role
    unit: Unit
    turns: list[_Turn] = field(default_factory=list)
    latest: _Turn | None = None

    def take(self, logged: Logged) -> None:
        """Takes one event."""
        event = logged.stamped.event
        if not isinstance(event, Commit | Boundary) or event.stream.role != self.role:
            return
        speaker = _speaker(event.stream)
        if isinstance(event, Boundary):
            if event.kind != "chunk" and self.latest and self.latest.speaker == speaker:
                self.latest = None
            return
        span_us = (logged.heard_us, logged.heard_us)
        if event.span is not None:
            span_us = (microseconds(1000 * event.span[0]), microseconds(1000 * event.span[1]))
        self._write(logged.where, speaker, event.text, span_us)

    def _write(self, where: str, speaker: str, text: str, span_us: tuple[int, int]) -> None:
        if self.latest is None or self.latest.speaker != speaker:
            if self.unit == "word":
                text = self._finish_word(speaker, text, span_us)
            if not text.strip():
                return
            self.latest = _Turn(speaker, where)
            self.turns.append(self.latest)
        self.latest.add(text, span_us)

    def _finish_word(self, speaker: str, text: str, span_us: tuple[int, int]) -> str:
        """Gives the speaker's turn before what ends its last word; returns what is left."""
        before = next((turn for turn in reversed(self.turns) if turn.speaker == speaker), None)
        if before is None:
            return text
        size = next((i for i, letter in enumerate(text) if letter.isspace()), len(text))
        if before.text[-1:].isspace():
            return text
        before.add(text[: size + 1], span_us)
        return text[size + 1 :]

    def utterances(self) -> Iterator[Utterance]:
        """The turns in which something was said."""
        for turn in self.turns:
            words = list(turn.words())
            if not words:
                continue
            yield Utterance(
                self.name,
                turn.speaker,
                min(start for _, start, _ in words),
                max(end for _, _, end in words),
                " ".join(word for word, _, _ in words),
                turn.where,
                tuple((start, end) for _, start, end in words),
            )


def _speaker(stream: Stream) -> str:
    return stream.speaker or NOBODY
