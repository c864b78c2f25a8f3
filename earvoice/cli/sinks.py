"""Where the events of a translation go: plain text, JSON lines, subtitles."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TextIO

from earvoice import captions
from earvoice.cli.terminal import printable
from earvoice.cli.turns import TurnLines
from earvoice.errors import EarvoiceError, UsageError
from earvoice.events import Commit, Stamped, dumps

FORMATS = ("text", "jsonl", "srt", "vtt")
SUFFIXES = {".txt": "text", ".jsonl": "jsonl", ".srt": "srt", ".vtt": "vtt"}


class OutputError(EarvoiceError):
    """The output cannot be written."""


class Sink(Protocol):
    """Takes every event in order; `close` ends the output, also after an interruption."""

    def take(self, stamped: Stamped) -> None:
        """Write what this event adds."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def make_sink(form: str, file: TextIO) -> Sink:
    """The sink of a format name."""
    if form == "text":
        return TextSink(file)
    if form == "jsonl":
        return JsonLinesSink(file)
    if form in ("srt", "vtt"):
        return CaptionSink(file, form)
    raise UsageError(f"format is {form!r}, it must be one of {', '.join(FORMATS)}")


@contextlib.contextmanager
def output_sink(form: str, output: Path | None) -> Iterator[Sink]:
    """The sink of a file, or of standard output for None; closed at the end, a bad one too.

    The file is opened with the first event, or at a good end: what was there before is not lost to
    a run that had nothing to say.
    """
    if output is None:
        with contextlib.closing(make_sink(form, sys.stdout)) as sink:
            yield sink
        return
    with contextlib.closing(_FileSink(form, output)) as late:
        yield late
        late.open()


class _FileSink:
    def __init__(self, form: str, path: Path) -> None:
        self._form, self._path = form, path
        self._file: TextIO | None = None
        self._sink: Sink | None = None

    def open(self) -> Sink:
        """The sink, made now if there is none."""
        if self._sink is None:
            self._file = self._path.open("w", encoding="utf-8")
            self._sink = make_sink(self._form, self._file)
        return self._sink

    def take(self, stamped: Stamped) -> None:
        """Hand an event on."""
        self.open().take(stamped)

    def close(self) -> None:
        """Write what is left, if anything was taken."""
        if self._file is not None and self._sink is not None:
            with self._file:
                self._sink.close()


class TextSink:
    """Committed translation as it comes: exactly the joined commits and a final newline.

    Of streams with a speaker, transcripts too, whole lines with their labels (`cli/turns.py`).
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._any = False
        self._turns = TurnLines()

    def take(self, stamped: Stamped) -> None:
        """Write the text of a commit."""
        event = stamped.event
        if self._turns.takes(event):
            self._write(self._turns.take(event))
        elif isinstance(event, Commit) and event.stream.role == "translation":
            self._file.write(printable(event.text))
            self._file.flush()
            self._any = True

    def close(self) -> None:
        """End the line."""
        self._write(self._turns.rest())
        if self._any:
            self._file.write("\n")
        self._file.flush()

    def _write(self, lines: list[str]) -> None:
        for line in lines:
            self._file.write(printable(line) + "\n")
        self._file.flush()


class JsonLinesSink:
    """Every event, one JSON object a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def take(self, stamped: Stamped) -> None:
        """Write one line."""
        self._file.write(dumps(stamped) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing is left."""
        self._file.flush()


class CaptionSink:
    """Subtitles, written at the end: how a caption is cut depends on what follows it."""

    def __init__(self, file: TextIO, form: str) -> None:
        self._file = file
        self._form = form
        self._commits: list[Stamped] = []

    def take(self, stamped: Stamped) -> None:
        """Keep a commit."""
        if isinstance(stamped.event, Commit):
            self._commits.append(stamped)

    def close(self) -> None:
        """Write the subtitles of everything that was committed."""
        cues = captions.captions_of_all(self._commits)
        write = captions.format_srt if self._form == "srt" else captions.format_vtt
        self._file.write(write(cues))
        self._file.flush()
