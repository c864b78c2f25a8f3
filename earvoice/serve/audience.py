"""One viewer's web socket: sends what is new in a room, never more than the viewer reads.

Nothing waits for a viewer. Its socket holds at most what the system buffers; the rest stays where
it is, in the room, and comes in one message when there is space again.
"""

from __future__ import annotations

import asyncio
import contextlib

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from earvoice.serve.errors import CLOSE_DONE, Fault
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import ErrorMessage, Ping, Pong, write
from earvoice.serve.room_messages import Watch, read_audience
from earvoice.serve.rooms import Room, Viewer
from earvoice.serve.settings import ServeSettings
from earvoice.units import Seconds

_PAUSE_S: Seconds = 0.05
"""Between two messages to a viewer: what comes meanwhile goes together."""
_POLL_S: Seconds = 1.0


class ViewerConnection:
    """Serves one accepted socket until it ends."""

    def __init__(
        self, socket: WebSocket, room: Room, settings: ServeSettings, metrics: Metrics
    ) -> None:
        self._socket = socket
        self._room = room
        self._limits = settings.limits
        self._metrics = metrics
        self._viewer = Viewer(room)
        self._sending = asyncio.Lock()
        self._faults = 0

    async def run(self) -> None:
        """Until the viewer leaves, stops reading, or the room is over."""
        self._room.viewers.add(self._viewer)
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._close(CLOSE_DONE)
        except Fault as fault:
            self._metrics.errors.labels(fault.code).inc()
            await self._close(fault.kind.close or CLOSE_DONE, fault.code)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return
        finally:
            self._room.viewers.discard(self._viewer)
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(self) -> None:
        """What the viewer wants. Ends when it leaves."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            try:
                if text is None:
                    raise Fault("message_invalid", "an audience sends no binary messages")
                await self._take(text)
            except Fault as fault:
                if fault.fatal:
                    raise
                self._metrics.errors.labels(fault.code).inc()
                self._faults += 1
                if self._faults > self._limits.max_control_per_s:
                    raise Fault("rate_limited", "too many messages that are none") from None
                await self._say(ErrorMessage.of(fault))
            await asyncio.sleep(1 / self._limits.max_control_per_s)

    async def _take(self, text: str) -> None:
        message = read_audience(text)
        if isinstance(message, Ping):
            await self._say(Pong())
        elif isinstance(message, Watch):
            channel = self._room.channels.get((message.role, message.language))
            if channel is None:
                raise Fault("message_invalid", "the room has no such text (yet)")
            self._viewer.watch(channel, min(message.after, channel.last))

    async def _write(self) -> None:
        while True:
            for text in self._viewer.take():
                await self._send(text)
            # An ended room stays readable; the socket is closed once it is forgotten.
            if self._room.forgotten:
                return
            await asyncio.sleep(_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._viewer.wake.wait()

    async def _say(self, message: BaseModel) -> None:
        await self._send(write(message))

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._limits.write_stall_s), self._sending:
                await self._socket.send_text(text)
        except TimeoutError:
            self._metrics.slow_viewers.inc()
            text = f"nothing was read for {self._limits.write_stall_s:g} s"
            raise Fault("slow_consumer", text) from None

    async def _close(self, code: int, reason: str = "") -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._socket.close(code, reason)
