"""When an agent cuts, and when it first speaks.

    chunk_f1       cut-offs against the reference's: one is right within `TOLERANCE_MS` of one that
                   is not taken yet; precision and recall over all recordings
    flal           seconds from the first sample to the first output that was never withdrawn
                   (First Letter Appearance Lag; CLASI, 2407.21646, 4.4), the mean over recordings

Cut-offs are read from the log of a run: its chunk boundaries stand after commits whose spans end
where the audio that they render does. The reference's are JSON lines of `earvoice corpus chunks`:

    {"recording": "talk-1", "cuts_s": [2.1, 4.8]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.eval.behaviour import unit_of
from earvoice.eval.history import histories_of, settle
from earvoice.eval.hypotheses import DataError, recording_name
from earvoice.eval.lines import read_json_lines, text
from earvoice.eval.runlog import read_recordings
from earvoice.eval.scored import FORMS, Metric, Result, Scored
from earvoice.events import Boundary, Commit

CHUNKS = "chunks"
"""The key in `Scored.extras` of `ChunkCuts`."""
TOLERANCE_MS = 300


@dataclass(frozen=True)
class ChunkCuts:
    """Cut-offs by recording, in milliseconds: the reference's and those of the output."""

    reference: Mapping[str, Sequence[float]]
    written: Mapping[str, Sequence[float]]


def read_cuts(path: Path) -> dict[str, list[float]]:
    """Cut-offs by recording, in milliseconds. Raises: DataError naming file and line."""
    found: dict[str, list[float]] = {}
    for where, data in read_json_lines(path):
        file, cuts = text(where, data, "recording"), data.get("cuts_s")
        name = recording_name(file)
        if not isinstance(cuts, list) or not all(_is_time(cut) for cut in cuts):
            raise DataError(f"{where}: cuts_s must be a list of seconds, 0 or more")
        if name in found:
            raise DataError(f"{where}: recording {file!r} stands twice")
        found[name] = sorted(1000.0 * cut for cut in cuts)
    return found


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


def written_cuts(log: Path) -> dict[str, list[float]]:
    """Cut-offs of a run's log by recording, in milliseconds. Raises: DataError."""
    found: dict[str, list[float]] = {}
    for recorded in read_recordings(log):
        cuts = found[recorded.head.name] = []
        end_s = None
        for logged in recorded.events:
            event = logged.stamped.event
            if isinstance(event, Commit) and event.stream.role == "translation":
                end_s = None if event.span is None else event.span[1]
            elif isinstance(event, Boundary) and event.kind == "chunk" and end_s is not None:
                cuts.append(1000.0 * end_s)
    return found


def matched(reference: Sequence[float], written: Sequence[float], most_ms: float) -> int:
    """The most pairs no further apart than `most_ms`, each time in one pair; both are in order."""
    count = place = 0
    for cut in written:
        while place < len(reference) and reference[place] < cut - most_ms:
            place += 1
        if place < len(reference) and reference[place] <= cut + most_ms:
            count += 1
            place += 1
    return count


def _chunk_f1(scored: Scored) -> Result:
    cuts: ChunkCuts | None = scored.extras.get(CHUNKS)
    if cuts is None:
        return Result(None, undefined="no cut-offs; name a file with --chunks")
    right = there = written = 0
    for name, own in sorted(cuts.reference.items()):
        said = sorted(set(cuts.written.get(name, ())))
        right += matched(own, said, TOLERANCE_MS)
        there += len(own)
        written += len(said)
    signature = f"micro|right:{right}|reference:{there}|written:{written}|within:{TOLERANCE_MS}ms"
    if not there or not written:
        return Result(None, None, signature, "there are no cut-offs to compare")
    return Result(200 * right / (there + written), None, signature)


def _flal(scored: Scored) -> Result:
    firsts: dict[str, int] = {}
    for history in histories_of(scored):
        first = settle(history, unit_of(scored)).first_us
        if first is not None:
            firsts[history.name] = min(first, firsts.get(history.name, first))
    if not firsts:
        return Result(None, undefined="nothing was written")
    mean = sum(firsts.values()) / len(firsts) / 1000
    return Result(mean, None, f"mean|recordings:{len(firsts)}|clock:run|ms")


AGENT: Mapping[str, Metric] = MappingProxyType(
    {
        "chunk_f1": Metric(_chunk_f1, "agent", "cut-offs where the reference has them (--chunks)"),
        "flal": Metric(_flal, "agent", "first sample to the first lasting output, the mean", FORMS),
    }
)
