"""One web socket of the native protocol: a reader, a writer, and every way they can end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from earvoice.serve.bucket import Bucket
from earvoice.serve.errors import CLOSE_DONE, CLOSE_GOING_AWAY, SHUTS_DOWN, Fault
from earvoice.serve.frames import HEADER
from earvoice.serve.live import LiveSession, Subscription
from earvoice.serve.liveness import RECEIVED_S
from earvoice.serve.protocol import (
    VERSION,
    Ack,
    Closing,
    ErrorMessage,
    Finish,
    Hello,
    Ping,
    Pong,
    Received,
    Resume,
    Resumed,
    Start,
    Started,
    Update,
    pairs_of,
    read_client,
    write,
)
from earvoice.serve.sessions import Sessions
from earvoice.units import Seconds

_log = logging.getLogger("earvoice.serve")
_LAG_POLL_S: Seconds = 0.05
_THANKS_S: Seconds = 1.0


class Gone(Exception):
    """The client closed the socket. `for_good`: it said so (1000, 1001), nothing broke."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.for_good = code in (CLOSE_DONE, CLOSE_GOING_AWAY)


class Connection:
    """Serves one accepted socket until it ends."""

    def __init__(self, socket: WebSocket, sessions: Sessions) -> None:
        self._socket = socket
        self._sessions = sessions
        self._limits = sessions.settings.limits
        self._sending = asyncio.Lock()
        self._control = Bucket(self._limits.max_control_per_s)
        self._fresh_token = False

    async def run(self, session_id: str | None) -> None:
        """From the first message to the close. `session_id`: the session to be resumed."""
        session: LiveSession | None = None
        subscription: Subscription | None = None
        for_good = False
        try:
            await self._say(Hello(models=self._sessions.models, limits=self._limits))
            session, subscription = await self._enter(session_id)
            await self._serve(session, subscription)
            await self._close(CLOSE_DONE)
        except Fault as fault:
            await self._fail(fault)
            for_good = not fault.kind.resumable
        except Gone as gone:
            for_good = gone.for_good
        except Exception:  # noqa: BLE001 - told, logged and closed as a fault
            # Its words may quote input; the log names its kind and place only.
            _log.exception("connection_broke")
            for_good = True
            await self._fail(Fault("internal", "a fault of the server ended this connection"))
        finally:
            if session is not None and subscription is not None:
                session.unsubscribe(subscription)
                if session.owner is subscription:
                    session.owner = None
                    self._sessions.left(session, for_good=for_good)

    async def closing(self, reason: str, in_s: Seconds) -> None:
        """Tell the client that the server will close."""
        with contextlib.suppress(Gone, Fault):
            await self._say(Closing(reason=reason, in_s=in_s))

    async def _enter(self, session_id: str | None) -> tuple[LiveSession, Subscription]:
        try:
            async with asyncio.timeout(self._sessions.settings.handshake_s):
                data = await self._receive()
        except TimeoutError:
            raise Fault("start_invalid", "no first message came in time") from None
        if isinstance(data, bytes):
            raise Fault("start_invalid", "the first message must be text")
        try:
            message = read_client(data)
        except Fault as fault:
            raise Fault("start_invalid", str(fault), event_id=fault.event_id) from None
        wanted = Start if session_id is None else Resume
        if not isinstance(message, wanted):
            raise Fault("start_invalid", f"the first message must be {wanted.__name__.lower()}")
        if message.version != VERSION:
            raise Fault(
                "version_unsupported", f"version is {message.version}, it must be {VERSION}"
            )
        if isinstance(message, Start):
            return await self._start(message)
        return await self._resume(session_id or "", message)

    async def _start(self, message: Start) -> tuple[LiveSession, Subscription]:
        session = self._sessions.open(message)
        session.owner = subscription = session.subscribe()
        started = Started(
            session=session.id,
            token=session.token,
            model=session.model,
            src_lang=session.request["src_lang"],
            tgt_lang=session.request["tgt_lang"],
        )
        return await self._greet(session, subscription, started)

    async def _resume(self, session_id: str, message: Resume) -> tuple[LiveSession, Subscription]:
        session = self._sessions.resume(session_id, message)
        if session.owner is not None:
            session.owner.end(Fault("replaced", "another connection took the session over"))
        session.owner = subscription = session.subscribe(message.last_seq)
        self._fresh_token = True
        resumed = Resumed(
            session=session.id,
            token=session.token,
            samples=session.reader.received,
            finishing=session.finishing,
        )
        return await self._greet(session, subscription, resumed)

    async def _greet(
        self, session: LiveSession, subscription: Subscription, message: BaseModel
    ) -> tuple[LiveSession, Subscription]:
        try:
            await self._say(message)
            if (in_s := self._sessions.closes_in_s) is not None:  # it came back meanwhile
                await self._say(Closing(reason=SHUTS_DOWN, in_s=in_s))
        except (Gone, Fault):
            session.unsubscribe(subscription)
            if session.owner is subscription:
                session.owner = None
                self._sessions.left(session, for_good=False)
            raise
        return session, subscription

    async def _serve(self, session: LiveSession, subscription: Subscription) -> None:
        """Until all is said, or one side fails."""
        writer = asyncio.create_task(self._write(session, subscription))
        reader = asyncio.create_task(self._read(session))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            first = reader if reader.done() else writer
            first.result()
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _read(self, session: LiveSession) -> None:
        while True:
            try:
                async with asyncio.timeout(self._limits.idle_s):
                    data = await self._receive()
            except TimeoutError:
                if session.finishing:
                    continue
                text = f"neither audio nor a ping for {self._limits.idle_s:g} s"
                raise Fault("idle", text) from None
            if self._fresh_token:
                session.confirm_token()
                self._fresh_token = False
            try:
                if isinstance(data, bytes):
                    await self._take_audio(session, data)
                else:
                    await self._take_control(session, data)
            except Fault as fault:
                if fault.fatal:
                    raise
                await self._tell(fault)
            await asyncio.sleep(0)  # many messages that are there already are no one turn

    async def _take_audio(self, session: LiveSession, data: bytes) -> None:
        if len(data) <= HEADER.size:
            self._count("frames without audio")  # they would cost nothing else
        before_s = session.heard_s
        session.hear(data)
        self._sessions.metrics.heard(session.heard_s - before_s)
        # Back-pressure: what is not read fills the client's side, not this one.
        while session.most_lag_s > self._limits.max_lag_s and not session.over:
            await asyncio.sleep(_LAG_POLL_S)

    async def _take_control(self, session: LiveSession, text: str) -> None:
        self._count("control messages")
        message = read_client(text)
        match message:
            case Ack(seq=seq):
                session.ack(seq)
            case Ping():
                await self._say(Pong())
            case Finish():
                self._finish(session, message)
            case Update():
                changes = message.model_dump(exclude_none=True, exclude={"type", "event_id"})
                if "glossary" in changes:
                    changes["glossary"] = pairs_of(message.glossary)
                if changes:
                    session.update(changes)
            case _:
                raise Fault(
                    "message_out_of_order",
                    "a session can be started or resumed only once in a connection",
                    event_id=message.event_id,
                )

    def _count(self, what: str) -> None:
        if not self._control.take():
            raise Fault(
                "rate_limited",
                f"more than {self._limits.max_control_per_s} {what} a second",
                retry_after_s=1.0,
            )

    def _finish(self, session: LiveSession, message: Finish) -> None:
        reader = session.reader
        if message.samples is not None and message.samples > reader.received:
            raise Fault(
                "audio_gap",
                f"finish says {message.samples} samples, {reader.received} were received",
                event_id=message.event_id,
            )
        truncated = reader.truncated
        session.finish()
        if truncated:
            reader.forget_rest()
            raise Fault("audio_truncated", "the audio ended inside a sample, which was dropped")

    async def _write(self, session: LiveSession, subscription: Subscription) -> None:
        told: tuple[int, float] | None = None
        next_ack_s = next_sign_s = 0.0
        while True:
            # Before the events: a client leaves once it has read the last one.
            while subscription.notices:
                await self._tell(subscription.notices.pop(0))
            for text in subscription.take():
                await self._send(text)
            now_s = time.monotonic()
            state = (session.reader.received, round(session.lag_s, 2))
            if (now_s >= next_ack_s and state != told) or now_s >= next_sign_s:
                told, next_ack_s = state, now_s + self._sessions.settings.ack_s
                next_sign_s = now_s + RECEIVED_S
                await self._say(
                    Received(samples=state[0], lag_s=state[1], recovering=session.recovering)
                )
            if session.finished and subscription.cursor >= session.last_seq:
                await self._thanks(session)
                return
            await subscription.wait(self._sessions.settings.ack_s)

    async def _thanks(self, session: LiveSession) -> None:
        """Wait a little for the client to confirm the end, so that nothing needs a resume."""
        for _ in range(round(_THANKS_S / _LAG_POLL_S)):
            if session.acked_seq >= session.last_seq:
                return
            await asyncio.sleep(_LAG_POLL_S)

    async def _receive(self) -> bytes | str:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone(message.get("code", 1006))
        data = message.get("bytes")
        return data if data is not None else str(message.get("text", ""))

    async def _say(self, message: BaseModel) -> None:
        await self._send(write(message))

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._limits.write_stall_s), self._sending:
                await self._socket.send_text(text)
        except TimeoutError:
            text = f"nothing was read for {self._limits.write_stall_s:g} s"
            raise Fault("slow_consumer", text) from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise Gone(1006) from None

    async def _tell(self, fault: Fault) -> None:
        self._sessions.metrics.errors.labels(fault.code).inc()
        await self._say(ErrorMessage.of(fault))

    async def _fail(self, fault: Fault) -> None:
        _log.info("connection_failed", extra={"code": fault.code})
        with contextlib.suppress(Gone, Fault):
            if fault.code == "slow_consumer":
                self._sessions.metrics.errors.labels(fault.code).inc()
            else:
                await self._tell(fault)
            await self._close(fault.kind.close or CLOSE_DONE, fault.code)

    async def _close(self, code: int, reason: str = "") -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._socket.close(code, reason)
