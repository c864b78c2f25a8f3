"""References: one line per item, or one line per segment of long recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from earvoice.eval.hypotheses import DataError, recording_name
from earvoice.eval.lines import number, read_lines, read_text, text

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built

_UNREADABLE = (
    *(yaml.YAMLError, RecursionError),
    # What the loader's own conversions raise, of `!!int ""`, `2001-99-99` and the like.
    *(ValueError, LookupError, AttributeError, TypeError, ArithmeticError),
)


@dataclass(frozen=True)
class Segment:
    """A piece of a recording with its reference. Times in integer microseconds.

    end_us: the end of the recording, that is of its last segment, from this segment's start.
    where: file and line of the reference; timed_where: of offset and duration.
    """

    recording: str
    offset_us: int
    duration_us: int
    end_us: int
    reference: str
    source: str | None
    where: str
    timed_where: str = ""


def read_references(path: Path) -> list[str]:
    """One reference a line, without the space around it.

    Raises: DataError naming file and line, also of a tab: it parts fields, and would shift or join
    what belongs apart.
    """
    lines = []
    for place, line in enumerate(read_lines(path), 1):
        stripped = line.strip()
        if "\t" in stripped:
            raise DataError(
                f"{path} line {place}: a tab after {stripped.split(chr(9))[0][-40:]!r}; a line is "
                "one reference and nothing else"
            )
        lines.append(stripped)
    return lines


def read_segments(segments: Path, references: Path, sources: Path | None = None) -> list[Segment]:
    """A segmentation (YAML or JSON: offset, duration, wav; seconds) with its lines of text.

    Raises: DataError naming file and line: not one line per entry, a wrong type, an unknown wav.
    """
    entries = _entries(segments)
    lines = _as_many(references, len(entries), segments)
    spoken: list[str | None] = [None] * len(entries)
    if sources is not None:
        spoken = list(_as_many(sources, len(entries), segments))
    wheres = [f"{segments} entry {place}" for place in range(1, len(entries) + 1)]
    parsed = [_span(where, entry) for where, entry in zip(wheres, entries, strict=True)]
    _one_file_a_name(wheres, entries)
    ends: dict[str, int] = {}
    for name, offset, duration in parsed:
        ends[name] = max(ends.get(name, 0), offset + duration)
    return [
        Segment(
            name,
            offset,
            duration,
            ends[name] - offset,
            lines[index],
            spoken[index],
            f"{references} line {index + 1}",
            wheres[index],
        )
        for index, (name, offset, duration) in enumerate(parsed)
    ]


def _entries(path: Path) -> list[Any]:
    content = read_text(path)
    loaded = _json(content)
    if loaded is None:
        loaded = _yaml(path, content)
    if not isinstance(loaded, list) or not loaded:
        raise DataError(f"{path}: must be a list of segments, one per line of the references")
    return loaded


def _json(content: str) -> Any:
    """What JSON says, or None where it is none: YAML 1.1 takes its 1e-05 for a text."""
    if not content.lstrip().startswith("["):
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _yaml(path: Path, content: str) -> Any:
    try:
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" line {mark.line + 1}" if mark is not None else ""
        raise DataError(f"{path}{place}: not YAML: {error.problem or error.context}") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _as_many(path: Path, count: int, segments: Path) -> list[str]:
    lines = read_references(path)
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
    name = recording_name(text(where, entry, "wav"))
    if not name:
        raise DataError(f"{where}: wav is {entry['wav']!r}, it must name a recording")
    return name, round(offset * 1_000_000), round(duration * 1_000_000)


def _one_file_a_name(wheres: Sequence[str], entries: Sequence[dict[str, Any]]) -> None:
    """Recordings are known by their file's stem, so no two files may share one."""
    first: dict[str, tuple[Path, str]] = {}
    for where, entry in zip(wheres, entries, strict=True):
        wav = Path(entry["wav"])
        other, there = first.setdefault(recording_name(entry["wav"]), (wav, where))
        if other != wav:
            raise DataError(
                f"{where}: wav {str(wav)!r} has the same name as {str(other)!r} in {there}; a "
                "recording is known by its file's name without folder and ending"
            )
