"""simulstream (1.0): its web socket, and its speech processor over HTTP, which IWSLT asks for.

    /v1/simulstream   {"sample_rate", "source_lang", "target_lang"}  [s16le] ...  {"end_of_stream"}
                      {"new", "deleted"} ...  {"end_of_processing"}
    /process_chunk    and the other paths of its HTTP server, at the root as its client has them

The socket has no message for errors: it is closed with our code, and the code's name as reason.
The processor answers a chunk when the model has nothing more to say about it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.websockets import WebSocket, WebSocketDisconnect

from earvoice.serve.auth import Gate
from earvoice.serve.dialects.bodies import BodyError, read_json
from earvoice.serve.dialects.native import NativeStream, Said, language_tag, start_of
from earvoice.serve.dialects.plain_http import answered
from earvoice.serve.dialects.shown import Change, Shown
from earvoice.serve.dialects.sockets import close, send_text
from earvoice.serve.errors import Fault
from earvoice.serve.protocol import Start
from earvoice.serve.sessions import Sessions
from earvoice.text.shown_tokens import text_of
from earvoice.units import SAMPLE_RATE, Seconds

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_BODY_BYTES = 4 << 20
_MAX_TOKENS = 10_000
_Act: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Response]]


@dataclass
class _Languages:
    source: str | None = None
    target: str | None = None

    def start(self, **audio: Any) -> Start:
        return start_of(src_lang=self.source, tgt_lang=self.target, audio=audio)


class SimulstreamSocket:
    """One socket; several streams may follow each other."""

    def __init__(self, socket: WebSocket, sessions: Sessions) -> None:
        self._socket, self._sessions = socket, sessions
        self._limits = sessions.settings.limits
        self._languages = _Languages()
        self._rate_hz = SAMPLE_RATE
        self._stream: NativeStream | None = None
        self._teller: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """From the accepted socket to its close."""
        try:
            while True:
                await self._next()
        except Fault as fault:
            self._sessions.metrics.errors.labels(fault.code).inc()
            await close(self._socket, fault.kind.close or 4400, fault.code)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # the client is gone
        finally:
            await self._drop()

    async def _next(self) -> None:
        receiving = asyncio.create_task(self._socket.receive())
        waiting: set[asyncio.Task[Any]] = {receiving}
        if self._teller is not None:
            waiting.add(self._teller)
        await asyncio.wait(
            waiting, timeout=self._limits.idle_s, return_when=asyncio.FIRST_COMPLETED
        )
        try:
            if self._teller is not None and self._teller.done():
                self._teller.result()
            if not receiving.done():
                raise Fault("idle", f"no audio for {self._limits.idle_s:g} s")
            message = receiving.result()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        if message.get("bytes") is not None:
            await self._open().hear(message["bytes"])
        else:
            await self._control(str(message.get("text", "")))

    def _open(self) -> NativeStream:
        if self._stream is None:
            start = self._languages.start(rate_hz=self._rate_hz)
            self._stream = NativeStream(self._sessions, start)
            self._teller = asyncio.create_task(self._tell(self._stream))
        return self._stream

    async def _control(self, text: str) -> None:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise Fault("message_invalid", "a text message must be a JSON object")
        if "end_of_stream" in data:
            self._open().finish()
            assert self._teller is not None
            await self._teller
            await self._drop()
            await self._send({"end_of_processing": True})
            return
        if self._stream is not None and data.keys() - {"metrics_metadata"}:
            raise Fault("request_refused", "what was asked cannot change once audio was sent")
        rate_hz = data.get("sample_rate", self._rate_hz)
        if not isinstance(rate_hz, int) or isinstance(rate_hz, bool):
            raise Fault("audio_format_unsupported", "sample_rate must be a whole number")
        self._rate_hz = rate_hz
        self._languages.source = language_tag(data.get("source_lang")) or self._languages.source
        self._languages.target = language_tag(data.get("target_lang")) or self._languages.target
        self._languages.start(rate_hz=rate_hz)

    async def _tell(self, stream: NativeStream) -> None:
        shown = Shown()
        async for message in stream.said():
            change = shown.change([message])
            if change.new_text or change.deleted_text:
                await self._send({"new": change.new_text, "deleted": change.deleted_text})

    async def _send(self, message: dict[str, Any]) -> None:
        await send_text(self._socket, json.dumps(message), self._limits.write_stall_s)

    async def _drop(self) -> None:
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.gather(self._teller, return_exceptions=True)
        if self._stream is not None:
            self._stream.close()
        self._stream = self._teller = None


@dataclass
class _Processor:
    """One stream of the HTTP server."""

    used_s: Seconds
    languages: _Languages = field(default_factory=_Languages)
    stream: NativeStream | None = None
    shown: Shown = field(default_factory=Shown)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SimulstreamProcessors:
    """The HTTP server's sessions by the ids that its clients choose."""

    def __init__(self, sessions: Sessions, gate: Gate) -> None:
        self._sessions, self._gate = sessions, gate
        self._by_id: dict[str, _Processor] = {}

    def routes(self) -> list[BaseRoute]:
        """The paths, as the released client has them."""
        return [
            self._route("speech_chunk_size", "GET", self._chunk_size),
            self._route("process_chunk", "POST", self._process),
            self._route("source_language", "PUT", self._source),
            self._route("target_language", "PUT", self._target),
            self._route("end_of_stream", "POST", self._end),
            self._route("clear", "POST", self._clear),
            self._route("tokens_to_string", "GET", self._text),
        ]

    def _route(self, name: str, method: str, do: _Act) -> Route:
        async def endpoint(request: Request) -> Response:
            async def work() -> Response:
                silent_s = self._sessions.settings.handshake_s
                data = await read_json(request, _MAX_BODY_BYTES, silent_s)
                session = data.get("session_id")
                if not isinstance(session, str) or not _SESSION.fullmatch(session):
                    raise BodyError(400, "session_id must have 1 to 64 letters, digits, _ or -")
                return await do(session, data)

            return await answered(request, self._gate, self._sessions.metrics, work)

        return Route(f"/{name}", endpoint, methods=[method])

    def _get(self, session: str) -> _Processor:
        now_s = time.monotonic()
        for_s = self._sessions.settings.limits.resume_window_s
        for name, other in list(self._by_id.items()):
            if now_s - other.used_s > for_s and not other.lock.locked():
                self._forget(name)
        if session not in self._by_id:
            if len(self._by_id) >= 2 * self._sessions.settings.max_sessions:
                raise Fault("overloaded", "there are too many sessions")
            self._by_id[session] = _Processor(now_s)
        found = self._by_id[session]
        found.used_s = now_s
        if found.stream is not None:
            found.stream.keep()
        return found

    def _forget(self, session: str) -> None:
        gone = self._by_id.pop(session, None)
        if gone is not None and gone.stream is not None:
            gone.stream.close()

    async def _chunk_size(self, session: str, data: dict[str, Any]) -> Response:
        return JSONResponse({"speech_chunk_size": self._sessions.settings.speech_chunk_s})

    async def _source(self, session: str, data: dict[str, Any]) -> Response:
        self._get(session).languages.source = language_tag(data.get("language"))
        return Response(status_code=204)

    async def _target(self, session: str, data: dict[str, Any]) -> Response:
        self._get(session).languages.target = language_tag(data.get("language"))
        return Response(status_code=204)

    async def _process(self, session: str, data: dict[str, Any]) -> Response:
        waveform = data.get("waveform")
        try:
            pcm = base64.b64decode(waveform if isinstance(waveform, str) else b"-", validate=True)
        except (binascii.Error, ValueError):
            raise BodyError(400, "waveform must be base64 of float32 samples") from None
        if len(pcm) % 4:
            raise BodyError(400, f"waveform has {len(pcm)} bytes, which are no whole samples")
        return await self._ask(session, pcm, end=False)

    async def _end(self, session: str, data: dict[str, Any]) -> Response:
        return await self._ask(session, b"", end=True)

    async def _ask(self, session: str, pcm: bytes, *, end: bool) -> Response:
        processor = self._get(session)
        async with processor.lock:
            if processor.stream is None:
                if end:
                    return _output(processor.shown.change([]))
                start = processor.languages.start(encoding="f32le", rate_hz=SAMPLE_RATE)
                start = start.model_copy(update={"drafts": False})
                processor.stream = NativeStream(self._sessions, start)
            stream = processor.stream
            stream.rest(waits=False)
            try:
                await stream.hear(pcm)
                if end:
                    stream.finish()
                said: list[Said] = await stream.settled()
            except Fault:
                self._forget(session)
                raise
            finally:
                stream.rest(waits=True)
                processor.used_s = time.monotonic()
            if end:
                stream.close()
                processor.stream = None
            return _output(processor.shown.change(said))

    async def _clear(self, session: str, data: dict[str, Any]) -> Response:
        self._forget(session)
        return Response(status_code=204)

    async def _text(self, session: str, data: dict[str, Any]) -> Response:
        tokens = data.get("tokens")
        if not isinstance(tokens, list) or len(tokens) > _MAX_TOKENS:
            raise BodyError(400, f"tokens must be a list of at most {_MAX_TOKENS} texts")
        if not all(isinstance(token, str) for token in tokens):
            raise BodyError(400, "tokens must be texts")
        if not _is_unicode("".join(tokens)):
            raise BodyError(400, "tokens must be Unicode; there is half of a surrogate pair")
        return JSONResponse({"tokens_as_string": text_of(tokens, "spm")})


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: JSON can say what is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _output(change: Change) -> Response:
    return JSONResponse(
        {
            "new_tokens": change.new_tokens,
            "new_string": change.new_text,
            "deleted_tokens": change.deleted_tokens,
            "deleted_string": change.deleted_text,
        }
    )
