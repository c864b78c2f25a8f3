"""Texts whose times are in another file: the k-th text of a talk is the k-th entry of its wav."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earvoice.data.corpora.spans import Span, read_spans, spans_by_recording
from earvoice.data.corpora.takes import Passage, in_time
from earvoice.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Said:
    """A segment's transcript and translation, and where they stand."""

    source: str
    target: str
    where: str


def segmentation(given: Path | None, folder: Path, why: str) -> Path | None:
    """The file with the times: the given one, or the only YAML file in the folder, if any.

    Raises: UsageError where there are several.
    """
    if given is not None:
        return given
    found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UsageError(f"{folder} has several YAML files: {names}; {why}")
    return found[0] if found else None


def read_times(path: Path) -> dict[str, list[Span]]:
    """The entries of a segmentation by recording."""
    return spans_by_recording(read_spans(path))


def timed(
    talk: str, said: Sequence[Said], times: dict[str, list[Span]], listed: Path
) -> tuple[Passage, ...]:
    """The talk's texts with their times. Raises: DataError if there are not as many of each."""
    spans = times.get(talk, [])
    if len(spans) != len(said):
        if len(spans) < len(said):
            lonely = said[len(spans)].where
        else:
            lonely = spans[len(said)].where
        raise DataError(
            f"{lonely} has no partner: {listed} has {len(spans)} segments of {talk}, the "
            f"references have {len(said)}"
        )
    return in_time(
        [
            Passage(span.start_us, span.end_us, text.source, text.target, text.where, span.speaker)
            for span, text in zip(spans, said, strict=True)
        ]
    )
