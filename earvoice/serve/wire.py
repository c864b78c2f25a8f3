"""What network and engine process say to each other: a small header of JSON, then bytes.

    | u32 header size | u32 body size | header: {"kind", "session", ...} | body |

Both ends are this package; the bounds are there so that a fault cannot fill the memory.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from earvoice.errors import EarvoiceError

_SIZES = struct.Struct("<II")
MAX_HEAD_BYTES = 1 << 22
MAX_BODY_BYTES = 1 << 30


class WireError(EarvoiceError):
    """The other process said something that is no message."""


@dataclass(frozen=True)
class Message:
    """One message. `session`: the number of the session it is about, 0 for none."""

    kind: str
    session: int = 0
    head: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""


def pack(message: Message) -> bytes:
    """The bytes of a message."""
    head = json.dumps([message.kind, message.session, dict(message.head)]).encode()
    return _SIZES.pack(len(head), len(message.body)) + head + message.body


class Unpacker:
    """Messages out of a stream of bytes that is cut anywhere."""

    def __init__(self) -> None:
        self._data = bytearray()

    def push(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete. Errors: `WireError`."""
        self._data += data
        while len(self._data) >= _SIZES.size:
            head_size, body_size = _SIZES.unpack_from(self._data)
            if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
                raise WireError(f"a message of {head_size} + {body_size} bytes is too large")
            start = _SIZES.size + head_size
            end = start + body_size
            if len(self._data) < end:
                return
            head, body = bytes(self._data[_SIZES.size : start]), bytes(self._data[start:end])
            del self._data[:end]
            yield _message(head, body)


def _message(head: bytes, body: bytes) -> Message:
    try:
        kind, session, rest = json.loads(head)
    except ValueError as error:
        raise WireError(f"a message has no legal header: {error}") from error
    return Message(kind, session, rest, body)
