"""What a session says: five events, and their JSON.

What a listener sees of a stream is always the joined text of its commits plus its last draft:

    Commit("Guten")  Commit(" Tag")  Draft(" zusam")  Draft(" zusammen")  Commit(" zusammen")
     Guten            Guten Tag       Guten Tag zusam  Guten Tag zusammen  Guten Tag zusammen

A commit carries its own leading space, so joining needs no separator, in any language. It is
never withdrawn; it does not empty the draft by itself: a commit replaces the draft it fulfils.
Time is stamped by the driver (`Stamped`), never by the system that speaks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from earvoice.errors import EarvoiceError
from earvoice.units import Seconds

Role: TypeAlias = Literal["translation", "transcript"]
BoundaryKind: TypeAlias = Literal["sentence", "chunk", "turn"]
Span: TypeAlias = tuple[Seconds, Seconds]


class EventFormatError(EarvoiceError):
    """An event, or the JSON of one, is not legal."""


@dataclass(frozen=True)
class Stream:
    """The label of one text output of a session. `language` is BCP-47, e.g. `de`."""

    role: Role
    language: str
    speaker: str | None = None

    def __post_init__(self) -> None:
        _one_of("Stream.role", self.role, get_args(Role))
        _text("Stream.language", self.language)
        if not self.language:
            raise EventFormatError("Stream.language is empty, it must be a language code")
        if self.speaker is not None:
            _text("Stream.speaker", self.speaker)


@dataclass(frozen=True)
class Commit:
    """Text that will not change. `span`: seconds of source that it renders, where known."""

    stream: Stream
    text: str
    span: Span | None = None

    def __post_init__(self) -> None:
        _text("Commit.text", self.text)
        if self.span is not None:
            start_s, end_s = self.span
            if not (math.isfinite(start_s) and math.isfinite(end_s) and 0 <= start_s <= end_s):
                raise EventFormatError(
                    f"Commit.span is {self.span!r}, it must be [start, end] in seconds, "
                    "0 <= start <= end"
                )


@dataclass(frozen=True)
class Draft:
    """Text after the commits that may still change; replaces the stream's previous draft."""

    stream: Stream
    text: str

    def __post_init__(self) -> None:
        _text("Draft.text", self.text)


@dataclass(frozen=True)
class Boundary:
    """A unit ends here: a sentence of the text, a chunk of the audio, a turn of a speaker."""

    stream: Stream
    kind: BoundaryKind

    def __post_init__(self) -> None:
        _one_of("Boundary.kind", self.kind, get_args(BoundaryKind))


@dataclass(frozen=True)
class Note:
    """Something for people and logs (retrieved terms, memory, guards); text never depends on it.

    `data` is a JSON object; treat it as frozen.
    """

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _text("Note.kind", self.kind)


@dataclass(frozen=True)
class Finished:
    """The stream is complete: nothing follows."""


Event: TypeAlias = Commit | Draft | Boundary | Note | Finished


@dataclass(frozen=True)
class Stamped:
    """An event with the driver's stamps.

    `seq` counts from 0 without gaps. `heard_s`: seconds of audio the session had been given.
    `wall_s`: seconds on the driver's clock since the stream began.
    """

    seq: int
    heard_s: Seconds
    wall_s: Seconds
    event: Event

    def __post_init__(self) -> None:
        if self.seq < 0:
            raise EventFormatError(f"Stamped.seq is {self.seq}, it must be 0 or more")
        for name in ("heard_s", "wall_s"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise EventFormatError(f"Stamped.{name} is {value!r}, it must be 0 s or more")


def shown_text(events: Iterable[Event], stream: Stream | None = None) -> str:
    """What a listener sees of `stream` (default: the first stream that speaks) after `events`."""
    committed: list[str] = []
    draft = ""
    for event in events:
        if not isinstance(event, Commit | Draft):
            continue
        stream = stream or event.stream
        if event.stream != stream:
            continue
        if isinstance(event, Commit):
            committed.append(event.text)
            draft = ""
        else:
            draft = event.text
    return "".join(committed) + draft


# JSON: one object per event, told apart by "type".


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object; `from_json` gives back an equal event."""
    match event:
        case Commit(stream, text, span):
            return {
                "type": "commit",
                "stream": _stream_to_json(stream),
                "text": text,
                "span": None if span is None else list(span),
            }
        case Draft(stream, text):
            return {"type": "draft", "stream": _stream_to_json(stream), "text": text}
        case Boundary(stream, kind):
            return {"type": "boundary", "stream": _stream_to_json(stream), "kind": kind}
        case Note(kind, data):
            return {"type": "note", "kind": kind, "data": dict(data)}
        case Finished():
            return {"type": "finished"}


def from_json(value: Any) -> Event:
    """The event of a JSON object. Errors: `EventFormatError` naming the key and what is legal."""
    readers: dict[str, Callable[[Any], Event]] = {
        "commit": _read_commit,
        "draft": _read_draft,
        "boundary": _read_boundary,
        "note": _read_note,
        "finished": _read_finished,
    }
    if not isinstance(value, dict):
        raise EventFormatError(f"event: expected an object, got {type(value).__name__}")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in readers:
        raise EventFormatError(f"event.type is {kind!r}, it must be one of {sorted(readers)}")
    return readers[kind](value)


def dumps(stamped: Stamped) -> str:
    """One line of JSON, without a newline. Errors: `EventFormatError` for data JSON cannot hold."""
    value = {
        "seq": stamped.seq,
        "heard_s": stamped.heard_s,
        "wall_s": stamped.wall_s,
        "event": to_json(stamped.event),
    }
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EventFormatError(f"event {stamped.seq}: {error}") from error


def loads(line: str) -> Stamped:
    """The stamped event of one line of JSON; strict. Errors: `EventFormatError`."""
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (json.JSONDecodeError, RecursionError) as error:
        raise EventFormatError(f"event: not JSON ({error})") from error
    obj = _object("stamped", value, ("seq", "heard_s", "wall_s", "event"))
    seq = obj["seq"]
    if type(seq) is not int:
        raise EventFormatError(f"stamped.seq is {seq!r}, it must be an integer")
    return Stamped(
        seq=seq,
        heard_s=_number("stamped.heard_s", obj["heard_s"]),
        wall_s=_number("stamped.wall_s", obj["wall_s"]),
        event=from_json(obj["event"]),
    )


def _stream_to_json(stream: Stream) -> dict[str, Any]:
    return {"role": stream.role, "language": stream.language, "speaker": stream.speaker}


def _read_stream(where: str, value: Any) -> Stream:
    obj = _object(where, value, ("role", "language", "speaker"))
    return Stream(obj["role"], obj["language"], obj["speaker"])


def _read_commit(value: Any) -> Commit:
    obj = _object("commit", value, ("type", "stream", "text", "span"))
    span = obj["span"]
    if span is not None:
        if not isinstance(span, list) or len(span) != 2:
            raise EventFormatError(f"commit.span is {span!r}, it must be null or [start, end]")
        span = (_number("commit.span[0]", span[0]), _number("commit.span[1]", span[1]))
    return Commit(_read_stream("commit.stream", obj["stream"]), obj["text"], span)


def _read_draft(value: Any) -> Draft:
    obj = _object("draft", value, ("type", "stream", "text"))
    return Draft(_read_stream("draft.stream", obj["stream"]), obj["text"])


def _read_boundary(value: Any) -> Boundary:
    obj = _object("boundary", value, ("type", "stream", "kind"))
    return Boundary(_read_stream("boundary.stream", obj["stream"]), obj["kind"])


def _read_note(value: Any) -> Note:
    obj = _object("note", value, ("type", "kind", "data"))
    if not isinstance(obj["data"], dict):
        raise EventFormatError("note.data must be an object")
    return Note(obj["kind"], obj["data"])


def _read_finished(value: Any) -> Finished:
    _object("finished", value, ("type",))
    return Finished()


def _object(where: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EventFormatError(f"{where}: expected an object, got {type(value).__name__}")
    wrong = sorted(set(value) ^ set(keys))
    if wrong:
        state = "missing" if wrong[0] in keys else "unknown"
        raise EventFormatError(f"{where}.{wrong[0]} is {state}; the keys are {', '.join(keys)}")
    return value


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EventFormatError(f"{where} is {value!r}, it must be a number")
    try:
        return float(value)
    except OverflowError:
        raise EventFormatError(f"{where} is too large for a number of seconds") from None


def _text(where: str, value: Any) -> None:
    if not isinstance(value, str):
        raise EventFormatError(f"{where} is a {type(value).__name__}, it must be text")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise EventFormatError(f"{where} holds a lone surrogate, which is not a character")


def _one_of(where: str, value: Any, legal: tuple[str, ...]) -> None:
    if value not in legal:
        raise EventFormatError(f"{where} is {value!r}, it must be one of {', '.join(legal)}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    obj = dict(pairs)
    if len(obj) != len(pairs):
        raise EventFormatError("event: a key appears twice in one object")
    return obj


def _no_constant(name: str) -> Any:
    raise EventFormatError(f"event: {name} is not a JSON number")
