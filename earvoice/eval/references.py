"""References: one line per item, or one line per segment of long recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from earvoice.eval.hypotheses import DataError
from earvoice.eval.lines import number, read_lines, read_text

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built


@dataclass(frozen=True)
class Segment:
    """A piece of a recording with its reference. Times in integer microseconds.

    end_us: the end of the recording, that is of its last segment, from this segment's start.
    """

    recording: str
    offset_us: int
    duration_us: int
    end_us: int
    reference: str
    source: str | None
    where: str


def read_segments(segments: Path, references: Path, sources: Path | None = None) -> list[Segment]:
    """A segmentation (YAML or JSON: offset, duration, wav; seconds) with its lines of text.

    Raises: DataError naming file and line: not one line per entry, a wrong type, an unknown wav.
    """
    entries = _entries(segments)
    lines = _as_many(references, len(entries), segments)
    spoken: list[str | None] = [None] * len(entries)
    if sources is not None:
        spoken = list(_as_many(sources, len(entries), segments))
    parsed = [_span(f"{segments} entry {i}", entry) for i, entry in enumerate(entries, 1)]
    ends: dict[str, int] = {}
    for name, offset, duration in parsed:
        ends[name] = max(ends.get(name, 0), offset + duration)
    return [
        Segment(name, offset, duration, ends[name] - offset, line.strip(), source, where)
        for (name, offset, duration), line, source, where in zip(
            parsed,
            lines,
            spoken,
            [f"{references} line {i}" for i in range(1, len(lines) + 1)],
            strict=True,
        )
    ]


def _entries(path: Path) -> list[Any]:
    try:
        loaded = yaml.load(read_text(path), Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise DataError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, list) or not loaded:
        raise DataError(f"{path}: must be a list of segments, one per line of the references")
    return loaded


def _as_many(path: Path, count: int, segments: Path) -> list[str]:
    lines = read_lines(path)
    if len(lines) != count:
        raise DataError(
            f"{path} has {len(lines)} lines, {segments} has {count} segments; "
            f"line {min(len(lines), count) + 1} has no partner"
        )
    return lines


def _span(where: str, entry: Any) -> tuple[str, int, int]:
    if not isinstance(entry, dict) or not isinstance(entry.get("wav"), str):
        raise DataError(f"{where}: must have wav, offset and duration")
    offset, duration = (number(where, entry, key) for key in ("offset", "duration"))
    if offset < 0 or duration < 0:
        raise DataError(f"{where}: offset {offset} and duration {duration} must not be negative")
    return Path(entry["wav"]).stem, round(offset * 1_000_000), round(duration * 1_000_000)
