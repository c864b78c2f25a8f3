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
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from earvoice.errors import EarvoiceError
from earvoice.eval.hypotheses import DataError, Hypothesis
from earvoice.eval.lines import microseconds_of, read_json_lines
from earvoice.eval.units import Unit
from earvoice.eval.written import Logged, Recorded, RecordingHead, hypothesis_of
from earvoice.events import dumps, loads

__all__ = ["LOG_FILE", "Logged", "RecordingHead", "RunLog", "read_recordings", "read_runlog"]

LOG_FILE = "log.jsonl"


class RunLog:
    """Appends recordings to a log; knows which are done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = _keep_whole_recordings(path)

    def write(self, head: RecordingHead, events: Sequence[Logged], total_us: int) -> None:
        """Appends a whole recording and makes it last."""
        lines = [json.dumps({"recording": _fields(head)}, ensure_ascii=False)]
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


def _fields(head: RecordingHead) -> dict[str, Any]:
    """What a head's line says; the usual way of settling goes without saying."""
    said = asdict(head)
    if head.settled == "commit":
        del said["settled"]
    return said


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


def read_recordings(path: Path) -> list[Recorded]:
    """Every whole recording with its events; what follows the last `end` is not there yet.

    The one reader of a run's log: whatever is wrong with a log is found here.
    Raises: DataError naming file and line.
    """
    found: list[Recorded] = []
    names: dict[str, str] = {}
    head: RecordingHead | None = None
    begun = ""
    events: list[Logged] = []
    for where, data in read_json_lines(path):
        if "recording" in data:
            if head is not None:
                raise DataError(f"{where}: recording {head.name!r} ({begun}) has no end before it")
            head, begun, events = _head(where, data["recording"]), where, []
            if head.name in names:
                raise DataError(
                    f"{where}: recording {head.name!r} was there before, in {names[head.name]}; a "
                    "recording has one hypothesis"
                )
        elif head is None:
            raise DataError(
                f"{where}: no recording has begun; is it a log of `earvoice eval simulate` "
                "(--log-format)?"
            )
        elif "end" in data:
            if data["end"] != head.name:
                raise DataError(f"{where}: end is {data['end']!r}, it must be {head.name!r}")
            found.append(Recorded(head, events, microseconds_of(where, data, "total_us"), begun))
            names[head.name] = begun
            head = None
        else:
            events.append(_event(where, data))
    return found


def read_runlog(path: Path, unit: Unit | None = None) -> list[Hypothesis]:
    """The text of every recording with the time of each unit.

    A unit's time is that of the event that wrote its last character (`Settled` says which events
    count). unit: None is the log's own. Raises: DataError naming file and line.
    """
    return [hypothesis_of(recorded, unit) for recorded in read_recordings(path)]


def _head(where: str, data: Any) -> RecordingHead:
    if not isinstance(data, dict):
        raise DataError(f"{where}: recording is {data!r}, it must be an object")
    legal = {one.name: one.default is MISSING for one in fields(RecordingHead)}
    wrong = [key for key in data if key not in legal]
    wrong += [key for key, needed in legal.items() if needed and key not in data]
    if wrong:
        raise DataError(
            f"{where}: recording: {wrong[0]} is {'unknown' if wrong[0] in data else 'missing'}; "
            f"there are {', '.join(legal)}"
        )
    source_us = microseconds_of(where, data, "source_us")
    try:
        return RecordingHead(**{**data, "source_us": source_us})
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _event(where: str, data: dict[str, Any]) -> Logged:
    if "stamped" not in data:
        raise DataError(f"{where}: it must have recording, stamped or end")
    chunk_us, total_us = (microseconds_of(where, data, key) for key in ("chunk_us", "total_us"))
    try:
        return Logged(loads(json.dumps(data["stamped"])), chunk_us, total_us, where)
    except EarvoiceError as error:
        raise DataError(f"{where}: {error}") from None
