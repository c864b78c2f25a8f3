"""No connection is held for who asks for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from earvoice.units import Seconds


def first_request_within(limit_s: Seconds) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, which closes a connection whose request does not come whole in time.

    It counts from the connection, and for further requests on it from their first byte, to the end
    of the request's header; bodies are timed where they are read.
    """

    class Patient(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start()

        def on_message_begin(self) -> None:
            self._start()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._stop()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _start(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(limit_s, self._give_up)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _give_up(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return Patient
