"""Streams that are labelled with a speaker, as lines that people can read.

    SELF (en): Good morning. How are you?
    SELF → es: Buenos días. ¿Cómo está usted?
    OTHER (es): Muy bien, gracias.

A line is a turn, or a sentence of a long one: streams grow side by side, and whole lines can stand
one below the other.
"""

from __future__ import annotations

from earvoice.events import Boundary, Commit, Draft, Event, Stream


class TurnLines:
    """Collects the labelled streams of a session; others are not taken.

    State: an unfinished line and a draft a stream.
    """

    def __init__(self) -> None:
        self._lines: dict[Stream, str] = {}
        self._drafts: dict[Stream, str] = {}

    def takes(self, event: Event) -> bool:
        """Whether an event belongs to a labelled stream."""
        labelled = isinstance(event, Commit | Draft | Boundary)
        return labelled and event.stream.speaker is not None  # type: ignore[union-attr]

    def take(self, event: Event) -> list[str]:
        """The lines that an event completes."""
        if isinstance(event, Commit):
            self._drafts.pop(event.stream, None)
            self._lines[event.stream] = self._lines.get(event.stream, "") + event.text
        elif isinstance(event, Draft):
            self._drafts[event.stream] = event.text
        elif isinstance(event, Boundary) and event.kind in ("turn", "sentence"):
            return self._ended(event.stream)
        return []

    def rest(self) -> list[str]:
        """The lines that were never completed, at the end."""
        return [line for stream in list(self._lines) for line in self._ended(stream)]

    def growing(self) -> list[tuple[str, str]]:
        """What is not complete yet: the line so far and its draft, each with its label."""
        streams = dict.fromkeys([*self._lines, *self._drafts])
        found = []
        for stream in streams:
            line, draft = self._lines.get(stream, ""), self._drafts.get(stream, "")
            if line or draft:
                found.append((f"{label(stream)}: {line.lstrip()}", draft))
        return found

    def _ended(self, stream: Stream) -> list[str]:
        text = self._lines.pop(stream, "").strip()
        return [f"{label(stream)}: {text}"] if text else []


def label(stream: Stream) -> str:
    """`SELF (en)` for what somebody says, `SELF → es` for its translation."""
    if stream.role == "transcript":
        return f"{stream.speaker} ({stream.language})"
    return f"{stream.speaker} → {stream.language}"
