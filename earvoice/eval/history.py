"""What a listener saw, step by step: for metrics of what was withdrawn and when text settled.

    step         keep  text         the listener sees          withdrawn
    Draft        0     Guten Tsg    Guten Tsg
    Draft        7     ag zu        Guten Tag zu               "sg": one word, it changed
    Commit       9                  Guten Tag                  " zu": one word
    Commit       9      zusammen    Guten Tag zusammen

A step keeps the beginning of what stood and writes new text after it, so a history is as long as
what was written, not as its square. A word that only grows ("zu", "zusammen") is not withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.eval.hypotheses import DataError, Hypothesis, microseconds, recording_name
from earvoice.eval.interop.simulstream import token_text
from earvoice.eval.lines import number, read_json_lines, text, texts
from earvoice.eval.runlog import read_recordings
from earvoice.eval.scored import Scored
from earvoice.eval.units import Unit, units_of
from earvoice.eval.written import Recorded
from earvoice.events import Commit, Draft, Stream
from earvoice.text.shown_tokens import PIECE_MARK

HISTORIES = "histories"
"""The key in `Scored.extras` of a function without arguments that gives the histories."""


@dataclass(frozen=True)
class Step:
    """From `heard_us` of source on, at `wall_us` on the run's clock, this stands.

    keep: characters that stay of what stood. text: what follows them.
    """

    heard_us: int
    wall_us: int
    keep: int
    text: str


@dataclass
class History:
    """One recording. compute_us: all computing, None where the log does not say.

    source_us: length of the audio. complete: False where computing after the last word is not
    in the log.
    """

    name: str
    where: str
    source_us: int | None = None
    compute_us: int | None = None
    complete: bool = True
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Settled:
    """What remained of a history: the final units, when each last changed, what was withdrawn.

    first_us: when the first letter came that was never withdrawn, alone or with its unit.
    """

    units: tuple[str, ...]
    settled_us: tuple[int, ...]
    withdrawn: int
    first_us: int | None


def settle(history: History, unit: Unit) -> Settled:
    """Plays a history to its end. settled_us: on the run's clock, from the first sample."""
    letters: list[str] = []
    times: list[int] = []
    withdrawn = 0
    for step in history.steps:
        gone = units_of("".join(letters[step.keep :]), unit)
        if gone and unit == "word":  # a word that loses its end is another word
            start = step.keep
            while start and not (letters[start - 1].isspace() or letters[start].isspace()):
                start -= 1
                times[start] = step.wall_us
        withdrawn += len(gone)
        del letters[step.keep :], times[step.keep :]
        letters += step.text
        times += [step.wall_us] * len(step.text)
    units: list[str] = []
    settled: list[int] = []
    fresh = True
    for letter, time in zip(letters, times, strict=True):
        if letter.isspace():
            fresh = True
        elif fresh or unit == "char":
            units.append(letter)
            settled.append(time)
            fresh = False
        else:
            units[-1] += letter
            settled[-1] = max(settled[-1], time)
    shown = (time for letter, time in zip(letters, times, strict=True) if not letter.isspace())
    return Settled(tuple(units), tuple(settled), withdrawn, next(shown, None))


def histories_of(scored: Scored) -> list[History]:
    """From the event log where there is one, else from the hypotheses: they only append."""
    read: Callable[[], Sequence[History]] | None = scored.extras.get(HISTORIES)
    if read is not None:
        return list(read())
    return [history_of_hypothesis(hypothesis) for hypothesis in scored.hypotheses]


def history_of_hypothesis(hypothesis: Hypothesis) -> History:
    """Of a log that only appends. Computing is known up to the last word, where at all."""
    aware = hypothesis.clocks.get("queue")
    totals = hypothesis.clocks.get("simuleval")
    found = History(hypothesis.name, hypothesis.where, hypothesis.source_us, complete=False)
    if totals:
        found.compute_us = totals[-1] - hypothesis.delays_us[-1]
    gap = " " if hypothesis.unit == "word" else ""
    length = 0
    for index, word in enumerate(hypothesis.units):
        heard = hypothesis.delays_us[index]
        written = gap + word if index else word
        found.steps.append(Step(heard, aware[index] if aware else heard, length, written))
        length += len(written)
    return found


def history_of_runlog(path: Path) -> list[History]:
    """Of a simulation's log: its translations, a history per stream. Raises: DataError."""
    return [history for recorded in read_recordings(path) for history in _histories(recorded)]


def _histories(recorded: Recorded) -> list[History]:
    head = recorded.head
    first = History(head.name, recorded.where, head.source_us, recorded.total_us)
    views: dict[Stream, _View] = {}
    for logged in recorded.events:
        event = logged.stamped.event
        if isinstance(event, Commit | Draft) and event.stream.role == "translation":
            if event.stream not in views:
                more = History(head.name, recorded.where, head.source_us, 0)
                views[event.stream] = _View(first if not views else more)
            views[event.stream].take(event, (logged.heard_us, logged.wall_us))
    for view in views.values():
        view.flush()
    return [view.history for view in views.values()] or [first]


@dataclass
class _View:
    """One stream while its events are read. What comes at one time is one step."""

    history: History
    time_us: tuple[int, int] = (0, 0)
    settled: int = 0  # characters that cannot change: the commits before `time_us`
    shown: str = ""  # what stood after them
    written: str = ""  # commits at `time_us`
    draft: str = ""

    def take(self, event: Commit | Draft, time_us: tuple[int, int]) -> None:
        """Shows an event's text from `time_us` on."""
        if time_us != self.time_us:
            self.flush()
            self.time_us = time_us
        if isinstance(event, Commit):
            self.written += event.text
            self.draft = ""
        else:
            self.draft = event.text

    def flush(self) -> None:
        """Adds the step from what stood to what stands."""
        after = self.written + self.draft
        if after != self.shown:
            pairs = enumerate(zip(self.shown, after, strict=False))
            differ = (index for index, (a, b) in pairs if a != b)
            keep = next(differ, min(len(self.shown), len(after)))
            step = Step(*self.time_us, self.settled + keep, after[keep:])
            self.history.steps.append(step)
        self.settled += len(self.written)
        self.shown, self.written = self.draft, ""


def history_of_simulstream(path: Path) -> list[History]:
    """Of simulstream's metrics JSONL, with tokens that are words, characters or pieces of words.

    Its own clock is one queue over the chunks. Raises: DataError naming file and line.
    """
    found: list[_Tokens] = []
    known: dict[Any, _Tokens] = {}
    for where, data in read_json_lines(path):
        key = data.get("id")
        if key is None:
            continue
        if "metadata" in data:
            metadata = data["metadata"]
            if not isinstance(metadata, dict):
                raise DataError(f"{where}: metadata must be an object")
            name = recording_name(text(where, metadata, "wav_name"))
            known[key] = _Tokens(History(name, where, compute_us=0))
            found.append(known[key])
        elif key not in known:
            raise DataError(f"{where}: id {key!r} has no metadata line before it")
        else:
            known[key].chunk(where, data)
    return [tokens.played() for tokens in found]


@dataclass
class _Tokens:
    """A simulstream recording while its chunks are read.

    changes: (heard, time on the clock, tokens withdrawn, tokens written) of each chunk with any.
    """

    history: History
    free_us: int = 0
    standing: int = 0
    changes: list[tuple[int, int, int, list[str]]] = field(default_factory=list)

    def chunk(self, where: str, data: dict[str, Any]) -> None:
        """Adds a chunk's line."""
        heard = microseconds(1000 * number(where, data, "total_audio_processed"))
        took = microseconds(1000 * number(where, data, "computation_time"))
        self.free_us = max(heard, self.free_us) + took
        self.history.source_us = heard
        self.history.compute_us = (self.history.compute_us or 0) + took
        gone = len(texts(where, data, "deleted_tokens"))
        new = texts(where, data, "generated_tokens")
        if gone > self.standing:
            raise DataError(f"{where}: {gone} deleted_tokens, only {self.standing} stand")
        self.standing += len(new) - gone
        if gone or new:
            self.changes.append((heard, self.free_us, gone, new))

    def played(self) -> History:
        """The history; whether tokens are pieces of words is known once all are read."""
        pieces = any(PIECE_MARK in token for *_, new in self.changes for token in new)
        lengths: list[int] = []
        for heard, free_us, gone, new in self.changes:
            del lengths[len(lengths) - gone :]
            keep = sum(lengths)
            written = [token_text(token, pieces=pieces) for token in new]
            lengths += map(len, written)
            self.history.steps.append(Step(heard, free_us, keep, "".join(written)))
        return self.history


HISTORY_READERS: Mapping[str, Callable[[Path], list[History]]] = MappingProxyType(
    {"earvoice": history_of_runlog, "simulstream": history_of_simulstream}
)
"""By log format; a format that is not here only appends, its hypotheses say all."""
