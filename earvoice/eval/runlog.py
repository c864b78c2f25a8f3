"""The log of a simulation: one line per event, whole recordings only.

    {"recording": {"name": ..., "source_us": ..., "source_type": "speech", ...}}
    {"stamped": {...}, "chunk_us": 41000, "total_us": 120000}        computing of this chunk, so far
    {"end": NAME, "total_us": 350000}

A recording's lines are written at once and in order. After a kill, whatever follows the last `end`
is dropped, so a log that is gone on with equals one that was never interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from earvoice.errors import EarvoiceError
from earvoice.eval.hypotheses import DataError, Hypothesis, microseconds
from earvoice.eval.lines import read_json_lines
from earvoice.eval.units import Unit
from earvoice.events import Commit, Stamped, dumps, loads

LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class RecordingHead:
    """What a log says of a recording before its events."""

    name: str
    source_us: int
    unit: Unit
    source_type: str = "speech"
    target_type: str = "text"


@dataclass(frozen=True)
class Logged:
    """An event with its time and what computing had cost: for its chunk, and in all so far."""

    stamped: Stamped
    chunk_us: int
    total_us: int


class RunLog:
    """Appends recordings to a log; knows which are done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = _keep_whole_recordings(path)

    def write(self, head: RecordingHead, events: Sequence[Logged], total_us: int) -> None:
        """Appends a whole recording and makes it last."""
        lines = [json.dumps({"recording": asdict(head)}, ensure_ascii=False)]
        lines += [
            f'{{"stamped": {dumps(event.stamped)}, "chunk_us": {event.chunk_us}, '
            f'"total_us": {event.total_us}}}'
            for event in events
        ]
        lines.append(json.dumps({"end": head.name, "total_us": total_us}, ensure_ascii=False))
        with self.path.open("ab") as file:
            file.write("".join(line + "\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self.done.append(head.name)


def _keep_whole_recordings(path: Path) -> list[str]:
    """Truncates a log after its last whole recording. Returns the names of those there are."""
    if not path.exists():
        return []
    raw = path.read_bytes()
    names, end, offset = [], 0, 0
    for line in raw.splitlines(keepends=True):
        offset += len(line)
        if line.startswith(b'{"end": ') and line.endswith(b"\n"):
            names.append(str(json.loads(line)["end"]))
            end = offset
    if end < len(raw):
        with path.open("r+b") as file:
            file.truncate(end)
    return names


@dataclass
class _Open:
    """A recording whose events are being read."""

    head: RecordingHead
    where: str
    text: str = ""
    stamps: list[tuple[int, int, int, int]] = field(default_factory=list)  # per character


def read_runlog(path: Path, unit: Unit | None = None) -> list[Hypothesis]:
    """The committed text of every recording with the time of each unit.

    A unit's time is that of the event that wrote its last character. unit: None is the log's own.
    Raises: DataError naming file and line.
    """
    found: list[Hypothesis] = []
    recording: _Open | None = None
    for where, data in read_json_lines(path):
        if "recording" in data:
            recording = _Open(_head(where, data["recording"]), where)
        elif recording is None:
            raise DataError(f"{where}: no recording has begun")
        elif "end" in data:
            found.append(_hypothesis(recording, unit or recording.head.unit))
            recording = None
        else:
            _event(where, data, recording)
    return found


def _head(where: str, data: Any) -> RecordingHead:
    try:
        return RecordingHead(**data)
    except TypeError as error:
        raise DataError(f"{where}: recording: {error}") from None


def _event(where: str, data: dict[str, Any], recording: _Open) -> None:
    try:
        stamped = loads(json.dumps(data["stamped"]))
        chunk, total = int(data["chunk_us"]), int(data["total_us"])
    except (KeyError, ValueError, TypeError, EarvoiceError) as error:
        raise DataError(f"{where}: {error!r}") from None
    event = stamped.event
    if not isinstance(event, Commit) or event.stream.role != "translation":
        return
    heard = microseconds(1000 * stamped.heard_s)
    stamp = (heard, microseconds(1000 * stamped.wall_s), heard + total, heard + chunk)
    recording.text += event.text
    recording.stamps += [stamp] * len(event.text)


def _hypothesis(recording: _Open, unit: Unit) -> Hypothesis:
    units: list[str] = []
    times: list[tuple[int, int, int, int]] = []
    stamps = recording.stamps
    start = 0
    text = recording.text + " "
    for index, letter in enumerate(text):
        if letter.isspace():
            if index > start:
                _take(text[start:index], stamps[start:index], unit, units, times)
            start = index + 1
    delays, *aware = (tuple(column) for column in zip(*times, strict=True)) if times else ((),) * 4
    clocks = dict(zip(("queue", "simuleval", "chunk"), aware, strict=True))
    return Hypothesis(
        name=recording.head.name,
        unit=unit,
        units=tuple(units),
        delays_us=delays,
        source_us=recording.head.source_us,
        where=recording.where,
        clocks=clocks,
        source_type=recording.head.source_type,
    )


def _take(
    word: str,
    stamps: Sequence[tuple[int, int, int, int]],
    unit: Unit,
    units: list[str],
    times: list[tuple[int, int, int, int]],
) -> None:
    if unit == "word":
        units.append(word)
        times.append(stamps[-1])
    else:
        units += word
        times += stamps
