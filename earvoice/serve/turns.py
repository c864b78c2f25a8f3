"""Web sockets that take turns: what one client sends is parsed a little at a time.

The event loop hands a protocol up to 256 KiB at once, which are forty thousand of the smallest
frames; parsed in one go, they hold up everybody else for seconds.

    from the socket   [============================]
    parsed            [==]  others  [==]  others  [==] ...   no reading until all is parsed,
                                                             no parsing while the application
                                                             has not taken what there is
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from earvoice.serve.bucket import Bucket

_TURN_BYTES = 16_384
CLOSE_POLICY = 1008


def in_turns(pings_per_s: int) -> type[asyncio.Protocol]:
    """uvicorn's web socket protocol, in turns and with so many pings a second at most."""

    class InTurns(WebSocketsSansIOProtocol):
        _rest = b""
        _turn: asyncio.Handle | None = None

        def connection_made(self, transport: Any) -> None:
            self._pings = Bucket(pings_per_s)
            self._reads = transport
            super().connection_made(_Held(transport, self))  # type: ignore[arg-type]

        def data_received(self, data: bytes) -> None:
            self._rest += data
            if self._turn is None:
                self._next()

        def go_on(self) -> None:
            """The application has taken what there was."""
            if not self._rest:
                self._reads.resume_reading()
            elif self._turn is None:
                self._turn = self.loop.call_soon(self._next)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._turn is not None:
                self._turn.cancel()
            super().connection_lost(exc)

        def handle_ping(self) -> None:
            if self.close_sent:
                return
            if self._pings.take():
                super().handle_ping()
                return
            self.conn.fail(CLOSE_POLICY, "too many pings")
            self.handle_parser_exception()

        def _next(self) -> None:
            self._turn = None
            if self._reads.is_closing():
                self._rest = b""
                return
            part, self._rest = self._rest[:_TURN_BYTES], self._rest[_TURN_BYTES:]
            super().data_received(part)
            if self._rest:
                self._reads.pause_reading()
            if not self.read_paused:
                self.go_on()

    return InTurns


class _Held:
    """A transport that is read on only when its protocol has parsed what it has."""

    def __init__(self, transport: Any, protocol: Any) -> None:
        self._transport, self._protocol = transport, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def resume_reading(self) -> None:
        self._protocol.go_on()
