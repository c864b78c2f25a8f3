"""A client of the native protocol that reconnects by itself: audio in, stamped events out.

    async for stamped in Client("http://127.0.0.1:8787").translate(packets):
        ...

Audio is kept until the server confirms it, so a broken connection loses nothing; events have
numbers, so nothing is said twice. `counts` says what happened; lost and repeated stay 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from earvoice.audio import Audio, Resampler
from earvoice.errors import AudioError, EarvoiceError, UsageError
from earvoice.events import Stamped, from_json
from earvoice.serve.frames import pack_frame
from earvoice.serve.liveness import PONG_S, SILENCE_S
from earvoice.serve.protocol import (
    SUBPROTOCOL,
    Ack,
    AudioFormat,
    DraftMessage,
    ErrorMessage,
    EventMessage,
    Finish,
    Hello,
    Ping,
    Received,
    Resume,
    Resumed,
    Start,
    Started,
    Update,
    read_server,
    write,
)
from earvoice.serve.settings import RATES_HZ
from earvoice.units import SAMPLE_RATE, Samples, Seconds

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.25, 5.0
_PING_S: Seconds = 10.0
_ACK_EVERY = 16
_ACK_S: Seconds = 0.25
"""Between two acks at least: a recording fed at speed has many events in a second."""
_RETRY_STATUS = frozenset({429, 502, 503, 504})
_BROKEN = (ConnectionClosed, OSError, TimeoutError, InvalidHandshake)


class ServerError(EarvoiceError):
    """The server refused or ended the session. `code` is stable, see docs/protocol.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


@dataclass
class Counts:
    """What happened to a stream on its way."""

    reconnects: int = 0
    lost_events: int = 0
    repeated_events: int = 0
    """Events that came again and were passed over; not shown twice."""
    sent_samples: int = 0
    resent_samples: int = 0


@dataclass
class _Packet:
    offset: Samples
    size: Samples
    pcm: bytes


class Client:
    """One stream to one server. `translate` may be used once.

    `patience_s`: how long it tries to reconnect before it gives up; `buffer_s`: audio kept for
    a resume, the source waits when it is full. `lag_s`: what the server said last. `refused`: what
    it would not do, such as an update; the stream goes on as it was.
    """

    def __init__(
        self,
        url: str,
        *,
        start: Start | None = None,
        token: str | None = None,
        patience_s: Seconds = 60.0,
        buffer_s: Seconds = 120.0,
    ) -> None:
        self._url = socket_url(url)
        self._ask = start or Start()
        self._token = token
        self._patience_s = patience_s
        self._buffer_s = buffer_s
        self.counts = Counts()
        self.lag_s: Seconds = 0.0
        self.refused: list[ServerError] = []
        self.session: Started | None = None
        self.hello: Hello | None = None
        self._resume_token = ""
        self._packets: deque[_Packet] = deque()
        self._next = 0  # index in `_packets` of what is sent next
        self._heard: Samples = 0
        self._sent: Samples = 0
        self._confirmed: Samples = 0
        self._rate_hz = SAMPLE_RATE
        self._source_done = False
        self._changed = asyncio.Event()
        self._last_seq = -1
        self._finished = False
        self._stamp = 0
        self._progressed = False
        self._greeted_s = math.inf  # when this connection began to be one
        # Since which sample, and what; until audio after them is confirmed, as they may be lost.
        self._controls: deque[tuple[Samples, Update]] = deque()
        self._next_control = 0
        self._fault = ""  # code of the last error that ended a connection, for as long as it lasts
        self._out: asyncio.Queue[Stamped | Exception | None] = asyncio.Queue()

    async def translate(
        self, packets: AsyncIterable[Audio] | Iterable[Audio]
    ) -> AsyncIterator[Stamped]:
        """The events of a stream of audio. Errors: `ServerError`, and those of the source."""
        tasks = {
            asyncio.create_task(self._take(_aiter(packets))),
            asyncio.create_task(self._stay_connected()),
        }
        try:
            while (item := await self._out.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def update(self, **changes: Any) -> None:
        """Change `policy`, `tgt_lang` or `glossary` from here on."""
        asked = Update(**changes)
        waits = self._next_control < len(self._controls)
        if waits and self._controls[-1][0] == self._heard:
            # Of changes at one place one message: a server takes only so many at once.
            _, before = self._controls.pop()
            asked = before.model_copy(update={name: getattr(asked, name) for name in changes})
        self._controls.append((self._heard, asked))
        self._changed.set()

    async def _take(self, packets: AsyncIterator[Audio]) -> None:
        """Keep the source's audio for sending, not more than `buffer_s` ahead of the server."""
        resampler: Resampler | None = None
        try:
            async for audio in packets:
                if self._heard == 0 and not self._packets:
                    resampler = Resampler() if audio.rate_hz not in RATES_HZ else None
                    self._rate_hz = SAMPLE_RATE if resampler else audio.rate_hz
                if resampler is None and audio.rate_hz != self._rate_hz:
                    raise AudioError(
                        f"the audio changed from {self._rate_hz} Hz to {audio.rate_hz} Hz; "
                        "a stream keeps its rate"
                    )
                samples = resampler.push(audio) if resampler else audio.mono()
                await self._put(samples)
            if resampler is not None:
                await self._put(resampler.flush())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
            self._out.put_nowait(error)
            return
        self._source_done = True
        self._changed.set()

    async def _put(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        longest = self._rate_hz  # a second in a message
        for first in range(0, samples.size, longest):
            part = np.ascontiguousarray(samples[first : first + longest], dtype="<f4")
            self._packets.append(_Packet(self._heard, part.size, part.tobytes()))
            self._heard += part.size
            self._changed.set()
        while self._kept_s() > self._buffer_s:
            await asyncio.sleep(0.02)

    def _kept_s(self) -> Seconds:
        return (self._heard - self._packets[0].offset) / self._rate_hz if self._packets else 0.0

    async def _stay_connected(self) -> None:
        pause_s, broken_s = _FIRST_PAUSE_S, time.monotonic()
        greeted: Started | None = None
        while True:
            try:
                while not (self._packets or self._source_done):
                    # The format is known with the first packet.
                    await self._wait(_PING_S)
                greeted = self.session
                await self._connection()
                self._out.put_nowait(None)
                return
            except ServerError as error:
                self._out.put_nowait(error)
                return
            except InvalidURI as error:
                self._out.put_nowait(UsageError(str(error)))
                return
            except InvalidStatus as error:
                status = error.response.status_code
                late = time.monotonic() - broken_s > self._patience_s
                if status not in _RETRY_STATUS or self.session is None or late:
                    self._out.put_nowait(_refused(status, bytes(error.response.body or b"")))
                    return
            except _BROKEN as error:
                lasted = time.monotonic() - self._greeted_s > _LAST_PAUSE_S
                if self._progressed or lasted or self.session is not greeted:
                    pause_s, broken_s = _FIRST_PAUSE_S, time.monotonic()
                if time.monotonic() - broken_s > self._patience_s or self.session is None:
                    text = f"no connection to {self._url}: {type(error).__name__}"
                    self._out.put_nowait(ServerError("unreachable", text))
                    return
            self.counts.reconnects += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    async def _connection(self) -> None:
        """One connection, until all is said. Errors: `_BROKEN`, `ServerError`."""
        self._progressed, self._greeted_s = False, math.inf
        url = self._url if self.session is None else f"{self._url}/{self.session.session}"
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        async with connect(
            url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers=headers,
            compression=None,
            max_size=1 << 22,
            user_agent_header="earvoice",
            proxy=None,
            ping_timeout=PONG_S,
        ) as socket:
            await self._greet(socket)
            self._greeted_s = time.monotonic()
            sender = asyncio.create_task(self._send(socket))
            receiver = asyncio.create_task(self._receive(socket))
            try:
                await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
                if receiver.done() or sender.exception() is not None:
                    # What the server said last tells more than that the socket is closed.
                    with contextlib.suppress(ConnectionClosed):
                        if not receiver.done():
                            await asyncio.wait({receiver}, timeout=1)
                    if receiver.done():
                        receiver.result()
                    else:
                        sender.result()
                else:
                    await receiver
            finally:
                for task in (sender, receiver):
                    task.cancel()
                await asyncio.gather(sender, receiver, return_exceptions=True)

    async def _greet(self, socket: ClientConnection) -> None:
        hello = await self._read(socket)
        if isinstance(hello, Hello):
            self.hello = hello
        if self.session is None:
            sound = AudioFormat(encoding="f32le", rate_hz=self._rate_hz)
            await socket.send(write(self._ask.model_copy(update={"audio": sound})))
        else:
            await socket.send(write(Resume(token=self._resume_token, last_seq=self._last_seq)))
        answer = await self._read(socket)
        if isinstance(answer, Started):
            self.session, self._resume_token = answer, answer.token
            self._go_to(0)
        elif isinstance(answer, Resumed):
            self._resume_token = answer.token
            self._go_to(answer.samples)
            # Shows the server that the new token came.
            with contextlib.suppress(ConnectionClosed):
                await socket.send(write(Ping()))
        else:
            raise ServerError("internal", f"the server began with {type(answer).__name__}")

    async def _read(self, socket: ClientConnection) -> Any:
        async with asyncio.timeout(SILENCE_S):
            text = await socket.recv()
        if isinstance(text, bytes):
            raise ServerError("internal", "the server sent a binary message")
        try:
            message = read_server(text)
        except ValueError:
            raise ServerError("internal", "the server does not speak this version") from None
        if isinstance(message, ErrorMessage) and message.fatal:
            # What ends two connections without anything between will end the next one, too.
            if not message.resumable or self._fault == message.code:
                raise ServerError(message.code, message.message)
            self._fault = message.code
        return message

    def _go_to(self, received: Samples) -> None:
        """Send on from sample `received`."""
        self._forget(received)
        self._next = self._next_control = 0
        start = self._packets[0].offset if self._packets else self._heard
        self.counts.resent_samples += max(0, self._sent - start)

    def _forget(self, received: Samples) -> None:
        while self._packets and self._packets[0].offset + self._packets[0].size <= received:
            self._packets.popleft()
            self._next = max(0, self._next - 1)
        while self._controls and self._controls[0][0] < received:
            self._controls.popleft()
            self._next_control = max(0, self._next_control - 1)

    async def _send(self, socket: ClientConnection) -> None:
        finished = False
        spoke_s = time.monotonic()
        while True:
            while self._next < len(self._packets):
                packet = self._packets[self._next]
                await self._say_changes(socket, packet.offset)
                self._next += 1
                for offset, pcm in self._parts(packet):
                    await socket.send(pack_frame(offset, pcm))
                self._sent = max(self._sent, packet.offset + packet.size)
                self.counts.sent_samples = self._sent
                spoke_s = time.monotonic()
            await self._say_changes(socket, self._heard)
            if self._source_done and not finished and self._next >= len(self._packets):
                finished = True
                await socket.send(write(Finish(samples=self._heard)))
            if time.monotonic() - spoke_s > _PING_S:
                await socket.send(write(Ping()))
                spoke_s = time.monotonic()
            await self._wait(1.0)

    async def _say_changes(self, socket: ClientConnection, place: Samples) -> None:
        """Updates that belong before sample `place`; again on a new connection, if unconfirmed."""
        while self._next_control < len(self._controls):
            since, asked = self._controls[self._next_control]
            if since > place:
                return
            self._next_control += 1
            await socket.send(write(asked))

    def _parts(self, packet: _Packet) -> Iterator[tuple[Samples, bytes]]:
        """A packet in frames that the server takes."""
        most = packet.size
        if self.hello is not None:
            most = max(1, int(self.hello.limits.max_frame_s * self._rate_hz))
        for first in range(0, packet.size, most):
            yield packet.offset + first, packet.pcm[4 * first : 4 * (first + most)]

    async def _wait(self, timeout_s: Seconds) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()

    async def _receive(self, socket: ClientConnection) -> None:
        unconfirmed, acked_s = 0, time.monotonic()
        while True:
            try:
                message = await self._read(socket)
            except ConnectionClosed:
                if self._finished:
                    return
                raise
            match message:
                case Received():
                    if message.samples > self._confirmed:
                        self._confirmed = message.samples
                        self._went_on()
                    self._forget(message.samples)
                    self.lag_s = message.lag_s
                case EventMessage():
                    self._went_on()
                    self._take_event(message)
                    unconfirmed += 1
                case DraftMessage():
                    self._emit(message)
                case ErrorMessage(fatal=False):
                    self.refused.append(ServerError(message.code, message.message))
                case _:
                    pass
            due = unconfirmed >= _ACK_EVERY and time.monotonic() - acked_s >= _ACK_S
            if due or (self._finished and unconfirmed):
                unconfirmed, acked_s = 0, time.monotonic()
                # If the server is gone, what it said before is still to be read.
                with contextlib.suppress(*_BROKEN):
                    await socket.send(write(Ack(seq=self._last_seq)))
            if self._finished:
                return

    def _went_on(self) -> None:
        self._progressed, self._fault = True, ""

    def _take_event(self, message: EventMessage) -> None:
        if message.seq <= self._last_seq:
            self.counts.repeated_events += 1
            return
        self.counts.lost_events += message.seq - self._last_seq - 1
        self._last_seq = message.seq
        self._emit(message)
        self._finished = message.event.get("type") == "finished"

    def _emit(self, message: EventMessage | DraftMessage) -> None:
        event = from_json(message.event)
        self._out.put_nowait(Stamped(self._stamp, message.heard_s, message.wall_s, event))
        self._stamp += 1


def socket_url(url: str) -> str:
    """The web-socket address of a server given by host, http or ws URL. Errors: `UsageError`."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise UsageError(f"server is {url!r}, it must be an address such as http://127.0.0.1:8787")
    path = parts.path.rstrip("/")
    path = path if path.endswith("/v1/stream") else f"{path}/v1/stream"
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, "", ""))


def _refused(status: int, body: bytes) -> ServerError:
    code = {401: "unauthorized", 403: "forbidden", 404: "resume_refused", 503: "overloaded"}
    text = body.decode("utf-8", "replace")[:300]
    return ServerError(code.get(status, f"http_{status}"), f"the server refused: {text}")


async def _aiter(packets: AsyncIterable[Audio] | Iterable[Audio]) -> AsyncIterator[Audio]:
    if isinstance(packets, AsyncIterable):
        async for packet in packets:
            yield packet
        return
    for packet in packets:
        yield packet
        await asyncio.sleep(0)
