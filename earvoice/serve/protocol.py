"""The messages of the native protocol, version 1: strict, typed, published as JSON Schema.

Text messages are JSON objects told apart by `type`; binary messages are audio (`frames.py`).

    client   start | resume        update  ack  ping  finish      [audio] ...
    server   hello  started | resumed  received  event ...  draft ...  error  closing  pong
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from earvoice.serve.errors import ERRORS, Fault
from earvoice.serve.settings import ENCODINGS, RATES_HZ, Limits
from earvoice.units import SAMPLE_RATE

VERSION = 1
SUBPROTOCOL = "earvoice.v1"

_Id = Annotated[str, Field(min_length=1, max_length=64)]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$", max_length=32)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_Policy = Annotated[str, Field(pattern=r"^[a-z-]{1,32}(:[a-z0-9=,]{1,64})?$")]
_Offset = Annotated[int, Field(ge=0, lt=1 << 53)]


class StrictMessage(BaseModel):
    """A message whose every key is known."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class _ClientMessage(StrictMessage):
    event_id: _Id | None = None
    """The client's own name of the message, quoted in errors about it."""


class AudioFormat(StrictMessage):
    """How the audio comes. The server resamples and mixes down."""

    encoding: str = "s16le"
    rate_hz: int = SAMPLE_RATE
    channels: int = 1


class Term(StrictMessage):
    """A term as it is said and as it is to be written; an empty `target`: as it is."""

    source: Annotated[str, Field(min_length=1, max_length=80)]
    target: Annotated[str, Field(max_length=80)] = ""


def pairs_of(terms: Sequence[Term] | None) -> list[list[str]] | None:
    """Terms as the engine is told them."""
    return None if terms is None else [[term.source, term.target] for term in terms]


_Terms = Annotated[tuple[Term, ...], Field(max_length=500)]


class Start(_ClientMessage):
    """Begin a session. The first message of a connection to `/v1/stream`."""

    type: Literal["start"] = "start"
    version: int = VERSION
    model: _Name | None = None
    """None: the first of `hello.models` with these languages."""
    src_lang: LanguageTag | None = None
    tgt_lang: LanguageTag | None = None
    policy: _Policy | None = None
    """When to write, such as `wait-k:k=3,n=3` or `offline`; what is left out is as in the model's
    own, and so is None."""
    transcript: bool = False
    """Also the words spoken, where the model gives them."""
    drafts: bool = True
    """Whether text that may still change is sent."""
    glossary: _Terms | None = None
    """Terms, for a model with `glossary` (see `hello.models`)."""
    room: _Name | None = None
    """A room whose audience reads along at `/room/NAME`; opened if there is none."""
    more_tgt_langs: Annotated[tuple[LanguageTag, ...], Field(max_length=15)] = ()
    """Languages for the audience of `room` besides `tgt_lang`; each is a session of its own."""
    audio: AudioFormat = AudioFormat()


class Resume(_ClientMessage):
    """Go on with a session. The first message of a connection to `/v1/stream/{session}`."""

    type: Literal["resume"] = "resume"
    version: int = VERSION
    token: _Id
    """Of `started` or the last `resumed`; good for one use."""
    last_seq: Annotated[int, Field(ge=-1, lt=1 << 53)] = -1
    """The last event that came; -1 for none."""


class Update(_ClientMessage):
    """Change the session from this place in the audio on."""

    type: Literal["update"] = "update"
    policy: _Policy | None = None
    tgt_lang: LanguageTag | None = None
    glossary: _Terms | None = None
    """All terms from here on, in place of those before; for every language of a room."""


class Ack(_ClientMessage):
    """Events up to `seq` have come; the server may forget them."""

    type: Literal["ack"] = "ack"
    seq: _Offset


class Ping(_ClientMessage):
    """The client is there though it is silent (paused)."""

    type: Literal["ping"] = "ping"


class Finish(_ClientMessage):
    """No more audio. `samples`: how many there were, checked if given."""

    type: Literal["finish"] = "finish"
    samples: _Offset | None = None


ClientMessage: TypeAlias = Annotated[
    Start | Resume | Update | Ack | Ping | Finish, Field(discriminator="type")
]


class ModelInfo(StrictMessage):
    """A model that is served."""

    name: str
    src_langs: tuple[str, ...]
    tgt_langs: tuple[str, ...]
    glossary: Literal["none", "start", "live"] = "none"
    """Whether terms can be given: not at all, in `start` only, or in `update` too."""
    transcript: bool = False
    """Whether it can give the words spoken."""
    directions: tuple[tuple[str, str], ...] = ()
    """Source and target of each, where not every source goes into every target."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of every direction."""
        every = tuple((src, tgt) for src in self.src_langs for tgt in self.tgt_langs)
        return self.directions or every


class Hello(StrictMessage):
    """The first message of the server."""

    type: Literal["hello"] = "hello"
    version: int = VERSION
    models: tuple[ModelInfo, ...]
    limits: Limits
    encodings: tuple[str, ...] = ENCODINGS
    rates_hz: tuple[int, ...] = RATES_HZ


class Started(StrictMessage):
    """The session is open. `session` and `token` are what a resume needs."""

    type: Literal["started"] = "started"
    session: str
    token: str
    model: str
    src_lang: str
    tgt_lang: str


class Resumed(StrictMessage):
    """The session goes on: send audio from sample `samples` on; `token` is the next one."""

    type: Literal["resumed"] = "resumed"
    session: str
    token: str
    samples: int
    finishing: bool
    """Whether the end of the audio was received already."""


class Received(StrictMessage):
    """Samples received, which the client need not keep, and how far behind the text is."""

    type: Literal["received"] = "received"
    samples: int
    lag_s: float
    """Seconds of audio received and not yet processed."""
    recovering: bool = False
    """The engine is being replaced; nothing is lost."""


class EventMessage(StrictMessage):
    """A lasting event: commit, boundary, note, finished. `seq` counts them without gaps."""

    type: Literal["event"] = "event"
    seq: int
    heard_s: float
    wall_s: float
    event: dict[str, Any]


class DraftMessage(StrictMessage):
    """Text that may still change; replaces the stream's draft before, as a commit does.

    Drafts have no number: one that is overtaken is not sent.
    """

    type: Literal["draft"] = "draft"
    after: int
    """The last `seq` before it, -1 for none."""
    heard_s: float
    wall_s: float
    event: dict[str, Any]


class ErrorMessage(StrictMessage):
    """What went wrong. If `fatal`, the connection closes with `close`."""

    type: Literal["error"] = "error"
    code: str
    message: str
    fatal: bool
    close: int | None = None
    resumable: bool = False
    event_id: str | None = None
    retry_after_s: float | None = None

    @classmethod
    def of(cls, fault: Fault) -> ErrorMessage:
        """The message of a fault."""
        return cls(
            code=fault.code,
            message=str(fault),
            fatal=fault.fatal,
            close=fault.kind.close,
            resumable=fault.kind.resumable,
            event_id=fault.event_id,
            retry_after_s=fault.retry_after_s,
        )


class Closing(StrictMessage):
    """The server will close this connection in `in_s` seconds; end or resume elsewhere."""

    type: Literal["closing"] = "closing"
    reason: str
    in_s: float


class Pong(StrictMessage):
    """The answer to a ping."""

    type: Literal["pong"] = "pong"


ServerMessage: TypeAlias = Annotated[
    Hello
    | Started
    | Resumed
    | Received
    | EventMessage
    | DraftMessage
    | ErrorMessage
    | Closing
    | Pong,
    Field(discriminator="type"),
]

_CLIENT: TypeAdapter[Any] = TypeAdapter(ClientMessage)
_SERVER: TypeAdapter[Any] = TypeAdapter(ServerMessage)


def read_client(text: str) -> Any:
    """A client's message. Errors: `Fault` message_invalid, with its `event_id` if it has one."""
    value: Any = None
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        name = value.get("event_id") if isinstance(value, dict) else None
        known = name if is_name(name, 64) else None
        raise Fault("message_invalid", _sentence(error), event_id=known) from None
    except (ValueError, RecursionError):
        raise Fault("message_invalid", "the message is not legal JSON") from None


def is_name(value: object, most: int) -> TypeGuard[str]:
    """Whether it can be said back: text of at most so many characters, no lone surrogate."""
    return isinstance(value, str) and 0 < len(value) <= most and _is_unicode(value)


def _is_unicode(value: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value)


def read_server(text: str) -> Any:
    """A server's message; unknown keys are an error. Errors: `ValueError`."""
    return _SERVER.validate_json(text)


def write(message: BaseModel) -> str:
    """The JSON text of a message."""
    return message.model_dump_json()


def schema() -> dict[str, Any]:
    """JSON Schema of both directions, and the codes: what docs/protocol.md publishes."""
    from earvoice.serve.room_messages import room_schema  # built of the messages here

    return {
        "version": VERSION,
        "client": _CLIENT.json_schema(),
        "server": _SERVER.json_schema(),
        "room": room_schema(),
        "errors": {
            code: {"close": kind.close, "resumable": kind.resumable, "meaning": kind.meaning}
            for code, kind in ERRORS.items()
        },
    }


def _sentence(error: ValidationError) -> str:
    """Where the first fault is and what would be legal; never the value, which may be private."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part)[:64] for part in first["loc"][:6]) or "the message"
    return f"{where}: {first['msg']}"[:300]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice")
    return value
