"""What an audience's socket says: `/v1/room/{name}` of the native protocol, version 1.

    viewer   watch  ping
    server   room   captions ...  pong  error  closing

A viewer holds a number, not a queue: captions are numbered without gaps within a text, and
whoever was away or slow is sent all after its number, several at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from earvoice.serve.errors import Fault
from earvoice.serve.protocol import (
    Closing,
    ErrorMessage,
    LanguageTag,
    Ping,
    Pong,
    StrictMessage,
)

Role: TypeAlias = Literal["translation", "transcript"]
RoomState: TypeAlias = Literal["waiting", "live", "paused", "ended"]


class Watch(StrictMessage):
    """Which text to read, from which caption on; may be sent again to read another."""

    type: Literal["watch"] = "watch"
    role: Role = "translation"
    language: LanguageTag
    after: Annotated[int, Field(ge=-1, lt=1 << 53)] = -1
    """The last caption that came; -1: the whole history."""


class ChannelInfo(StrictMessage):
    """A text of a room."""

    role: Role
    language: str
    failed: bool = False
    """Whether its model failed; the others go on."""


class RoomMessage(StrictMessage):
    """What the room is at the moment; comes first, and whenever it changes."""

    type: Literal["room"] = "room"
    version: int = 1
    name: str
    title: str
    state: RoomState
    history: str
    """Another one than before: captions are numbered anew."""
    channels: tuple[ChannelInfo, ...]


class Caption(StrictMessage):
    """Words that will not change, or the end of a sentence or turn (`ends`, then no text)."""

    text: str = ""
    ends: Literal["sentence", "turn"] | None = None
    span: tuple[float, float] | None = None
    """Seconds of its session's audio that it renders."""
    wall_s: float
    """Seconds since the room was opened."""


class Captions(StrictMessage):
    """Captions number `first` and on, and the draft after them, which may be empty.

    `after`: the last caption the viewer had, as it said or was sent; what comes next follows on
    it, unless older ones are no longer kept.
    """

    type: Literal["captions"] = "captions"
    role: Role
    language: str
    after: int = -1
    first: int
    captions: tuple[Caption, ...]
    draft: str = ""


AudienceMessage: TypeAlias = Annotated[Watch | Ping, Field(discriminator="type")]
RoomServerMessage: TypeAlias = Annotated[
    RoomMessage | Captions | Pong | ErrorMessage | Closing, Field(discriminator="type")
]
_AUDIENCE: TypeAdapter[Any] = TypeAdapter(AudienceMessage)
_SERVER: TypeAdapter[Any] = TypeAdapter(RoomServerMessage)


def read_audience(text: str) -> Watch | Ping:
    """A viewer's message. Errors: `Fault` message_invalid."""
    try:
        message = _AUDIENCE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Fault("message_invalid", str(first["msg"])[:300]) from None
    assert isinstance(message, Watch | Ping)
    return message


def room_schema() -> dict[str, Any]:
    """JSON Schema of both directions."""
    return {"audience": _AUDIENCE.json_schema(), "server": _SERVER.json_schema()}
