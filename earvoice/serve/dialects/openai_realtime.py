"""OpenAI's realtime sessions over a web socket: translation, and transcription.

    /v1/realtime/translations?model=M      session.update  session.input_audio_buffer.append
                                           session.close
    /v1/realtime?intent=transcription      session.update
                                           input_audio_buffer.append | commit | clear

Audio is base64 of 24 kHz 16-bit mono. Text only: no spoken translation is given. A translation's
deltas are our commits. A transcription's item is the audio between two `commit`s, a session of its
own; there is no turn detection.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import secrets
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from earvoice.serve.dialects.native import NativeStream, language_tag, model_named, start_of
from earvoice.serve.dialects.openai_errors import error_of, is_server_s
from earvoice.serve.dialects.sockets import close, send_text
from earvoice.serve.errors import Fault
from earvoice.serve.protocol import is_name
from earvoice.serve.sessions import Sessions
from earvoice.text.languages import primary
from earvoice.units import Seconds

RATE_HZ = 24_000
_FRAME_MS = 200
_MAX_EVENT_ID = 64
_STAYS = ("request_refused", "overloaded")
"""Errors that end a native session, which here may not have begun: the client asks again."""


class _Refused(Exception):
    """An event that is refused; the session goes on."""

    def __init__(self, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


class RealtimeSession:
    """What both kinds share: reading events, sending them, the native session, errors."""

    role = "translation"
    kind = "translation"
    append = "session.input_audio_buffer.append"

    def __init__(self, socket: WebSocket, sessions: Sessions) -> None:
        self._socket, self._sessions = socket, sessions
        self._limits = sessions.settings.limits
        self._id = f"sess_{secrets.token_hex(12)}"
        self._expires = int(time.time() + self._limits.max_session_s)
        self._end_s = time.monotonic() + self._limits.max_session_s
        self._model = ""
        self._src_lang: str | None = None
        self._tgt_lang: str | None = None
        self._transcript = False
        self._stream: NativeStream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closing = False
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """From the accepted socket to its close."""
        try:
            self._choose_model()
            await self._send("session.created", session=self._described())
            while not self._closing:
                await self._next()
        except Fault as fault:
            await self._fail(fault)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # the client is gone
        finally:
            await self._drop()
        await close(self._socket, 1000)

    def _choose_model(self) -> None:
        name = self._socket.query_params.get("model") or self._sessions.models[0].name
        model = model_named(self._sessions, name)
        if model is None:
            there = ", ".join(known.name for known in self._sessions.models)
            raise Fault("request_refused", f"there is no model of this name; there are {there}")
        self._model, self._tgt_lang = model.name, model.tgt_langs[0]

    async def _next(self) -> None:
        """One event of the client, or the end of the native session."""
        event = await self._event()
        given = event.get("event_id") if isinstance(event, dict) else None
        name = given if is_name(given, _MAX_EVENT_ID) else None
        try:
            if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                raise _Refused("an event must be a JSON object with a type", "invalid_event")
            await self._take(event["type"], event)
        except _Refused as refused:
            error = error_of(str(refused), refused.code, param=refused.param, event_id=name)
            await self._send("error", error=error)
        except Fault as fault:
            if fault.fatal and fault.code not in _STAYS:
                raise
            self._sessions.metrics.errors.labels(fault.code).inc()
            server = is_server_s(fault)
            error = error_of(str(fault), fault.code, server=server, event_id=name)
            await self._send("error", error=error)

    async def _event(self) -> Any:
        """The client's next. Errors: `Fault` for what ends the session meanwhile."""
        left_s, idle_s = self._end_s - time.monotonic(), self._limits.idle_s
        # Without a stream nothing is held for a client that is silent, as between two items.
        idles = self._stream is not None and idle_s < left_s
        receiving = asyncio.create_task(self._receive())
        waiting = {receiving} | ({self._reader} if self._reader is not None else set())
        done, _ = await asyncio.wait(
            waiting,
            timeout=idle_s if idles else max(0.0, left_s),
            return_when=asyncio.FIRST_COMPLETED,
        )
        try:
            if self._reader is not None and self._reader in done:
                self._reader.result()  # raises what ended the session
                raise Fault("internal", "the session ended early")
            if left_s <= 0 or (receiving not in done and not idles):
                lasts_s = self._limits.max_session_s
                raise Fault("session_expired", f"a session lasts {lasts_s:g} s")
            if receiving not in done:
                raise Fault("idle", f"no audio for {idle_s:g} s")
            return receiving.result()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(self) -> Any:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        try:
            return json.loads(message.get("text") or "")
        except (ValueError, RecursionError):
            return None

    async def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind == self.append:
            await self._hear(event.get("audio"))
        elif kind == "session.update":
            session = event.get("session")
            if not isinstance(session, dict):
                raise _Refused("session must be an object", "invalid_value", "session")
            self._update(session)
            await self._send("session.updated", session=self._described())
        else:
            raise _Refused(f"there is no event {kind[:64]!r} here", "invalid_event", "type")

    async def _hear(self, audio: object) -> None:
        try:
            pcm = base64.b64decode(audio if isinstance(audio, str) else b"-", validate=True)
        except (binascii.Error, ValueError):
            raise _Refused("audio must be base64", "invalid_value", "audio") from None
        if self._stream is None:
            self._stream = NativeStream(self._sessions, self._start())
            self._reader = asyncio.create_task(self._read(self._stream))
        await self._stream.hear(pcm)

    def _start(self) -> Any:
        return start_of(
            model=self._model,
            src_lang=self._src_lang,
            tgt_lang=self._tgt_lang,
            transcript=self._transcript,
            drafts=False,
            audio={"rate_hz": RATE_HZ},
        )

    async def _read(self, stream: NativeStream) -> None:
        """Send what is said, as it is said."""
        async for message in stream.said():
            event = message.event
            if event["type"] == "commit":
                await self._said(event["stream"]["role"], event["text"], message.heard_s)

    async def _finish(self) -> None:
        """All the rest of the native session."""
        stream, reader = self._stream, self._reader
        if stream is not None and reader is not None:
            if stream.truncated:
                text = "the audio ended inside a sample, which was dropped"
                await self._send("error", error=error_of(text, "audio_truncated"))
            stream.finish()
            await reader
        await self._drop()

    async def _drop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._stream is not None:
            self._stream.close()
        self._stream = self._reader = None

    async def _fail(self, fault: Fault) -> None:
        self._sessions.metrics.errors.labels(fault.code).inc()
        if fault.code != "slow_consumer":  # who would not read this either
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, Fault):
                error = error_of(str(fault), fault.code, server=is_server_s(fault))
                await self._send("error", error=error)
        await close(self._socket, fault.kind.close or 1000, fault.code)

    async def _send(self, kind: str, **rest: Any) -> None:
        event = {"type": kind, "event_id": f"event_{secrets.token_hex(8)}", **rest}
        async with self._sending:
            text = json.dumps(event, ensure_ascii=False)
            # A message may quote what came, and that may be no Unicode.
            text = text.encode("utf-8", "replace").decode()
            await send_text(self._socket, text, self._limits.write_stall_s)

    def _settled(self, name: str, value: object, now: object) -> None:
        """Refuse a change that comes after the audio began."""
        if self._stream is not None and value != now:
            text = f"{name} cannot change once audio was sent; open another session"
            raise _Refused(text, "cannot_update", f"session.{name}")

    def _input(self, session: dict[str, Any]) -> dict[str, Any]:
        """`audio.input` of an update. What is asked and cannot be done is refused."""
        audio = _object(session, "audio")
        given = _object(audio, "input")
        for name in ("noise_reduction", "turn_detection"):
            if given.get(name) is not None:
                raise _Refused(f"there is no {name}", "unsupported_value", f"audio.input.{name}")
        form = _object(given, "format")
        if form and (form.get("type"), form.get("rate", RATE_HZ)) != ("audio/pcm", RATE_HZ):
            text = "the audio must be audio/pcm at 24000 Hz"
            raise _Refused(text, "unsupported_value", "audio.input.format")
        return given

    def _update(self, session: dict[str, Any]) -> None:
        raise NotImplementedError

    def _described(self) -> dict[str, Any]:
        raise NotImplementedError

    async def _said(self, role: str, text: str, heard_s: Seconds) -> None:
        raise NotImplementedError


class TranslationSession(RealtimeSession):
    """`/v1/realtime/translations`. The source language is our extension: `audio.input.language`."""

    async def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind != "session.close":
            await super()._take(kind, event)
            return
        await self._finish()
        self._closing = True
        await self._send("session.closed")

    def _update(self, session: dict[str, Any]) -> None:
        if session.get("model", self._model) != self._model:
            raise _Refused("the model of a session cannot change", "cannot_update", "session.model")
        given = self._input(session)
        wanted = _object(_object(session, "audio"), "output").get("language")
        target = language_tag(wanted) or self._tgt_lang
        source = language_tag(given.get("language")) or self._src_lang
        transcript = self._transcript
        if "transcription" in given:
            transcript = given["transcription"] is not None
        model = model_named(self._sessions, self._model)
        if transcript and (model is None or not model.transcript):
            text = f"model {self._model} gives no transcript"
            raise _Refused(text, "unsupported_value", "audio.input.transcription")
        if model is not None and target and primary(target) not in _primary(model.tgt_langs):
            text = f"model {model.name} translates to {', '.join(model.tgt_langs)}"
            raise _Refused(text, "unsupported_value", "audio.output.language")
        self._settled("audio.output.language", target, self._tgt_lang)
        self._settled("audio.input.language", source, self._src_lang)
        self._settled("audio.input.transcription", transcript, self._transcript)
        self._tgt_lang, self._src_lang, self._transcript = target, source, transcript

    def _described(self) -> dict[str, Any]:
        transcription = {"model": self._model} if self._transcript else None
        return {
            "id": self._id,
            "type": "translation",
            "model": self._model,
            "expires_at": self._expires,
            "audio": {
                "input": {"transcription": transcription, "noise_reduction": None},
                "output": {"language": self._tgt_lang},
            },
        }

    async def _said(self, role: str, text: str, heard_s: Seconds) -> None:
        kind = "output" if role == "translation" else "input"
        elapsed_ms = int(heard_s * 1000) // _FRAME_MS * _FRAME_MS
        await self._send(f"session.{kind}_transcript.delta", delta=text, elapsed_ms=elapsed_ms)


class TranscriptionSession(RealtimeSession):
    """`/v1/realtime?intent=transcription`."""

    append = "input_audio_buffer.append"

    def __init__(self, socket: WebSocket, sessions: Sessions) -> None:
        super().__init__(socket, sessions)
        self._transcript = True
        self._item: str | None = None
        self._before: str | None = None
        self._text = ""

    def _choose_model(self) -> None:
        if self._socket.query_params.get("intent") != "transcription":
            text = "only sessions with intent=transcription are served here; see the documents"
            raise Fault("request_refused", text)
        if "model" in self._socket.query_params:
            super()._choose_model()
        else:
            self._model = next((m.name for m in self._sessions.models if m.transcript), "")
        model = model_named(self._sessions, self._model)
        if model is None or not model.transcript:
            raise Fault("request_refused", "this model gives no transcript; it translates")

    async def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind == self.append and self._item is None:
            self._item, self._text = f"item_{secrets.token_hex(8)}", ""
        if kind == "input_audio_buffer.commit":
            await self._commit()
        elif kind == "input_audio_buffer.clear":
            await self._drop()
            self._item = None
            await self._send("input_audio_buffer.cleared")
        else:
            await super()._take(kind, event)

    async def _commit(self) -> None:
        item = self._item
        if self._stream is None or item is None:
            raise _Refused("the buffer is empty", "input_audio_buffer_commit_empty")
        await self._send(
            "input_audio_buffer.committed", item_id=item, previous_item_id=self._before
        )
        heard_s = self._stream.session.heard_s
        await self._finish()
        await self._send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript=self._text,
            usage={"type": "duration", "seconds": round(heard_s, 3)},
        )
        self._before, self._item = item, None

    def _update(self, session: dict[str, Any]) -> None:
        if session.get("type", "transcription") != "transcription":
            raise _Refused("the session is a transcription", "cannot_update", "session.type")
        if session.get("include"):
            raise _Refused("there are no log probabilities", "unsupported_value", "include")
        given = self._input(session)
        wanted = _object(given, "transcription")
        if wanted.get("prompt"):
            text = "the model takes no prompt"
            raise _Refused(text, "unsupported_value", "audio.input.transcription.prompt")
        name = wanted.get("model", self._model)
        model = model_named(self._sessions, name) if isinstance(name, str) else None
        if model is None or not model.transcript:
            text = "there is no such model that gives a transcript"
            raise _Refused(text, "model_not_found", "audio.input.transcription.model")
        source = language_tag(wanted.get("language")) or self._src_lang
        self._settled("audio.input.transcription", (name, source), (self._model, self._src_lang))
        self._model, self._src_lang, self._tgt_lang = model.name, source, None

    def _described(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "transcription",
            "object": "realtime.transcription_session",
            "expires_at": self._expires,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": RATE_HZ},
                    "transcription": {"model": self._model, "language": self._src_lang},
                    "noise_reduction": None,
                    "turn_detection": None,
                }
            },
        }

    async def _said(self, role: str, text: str, heard_s: Seconds) -> None:
        if role == "transcript":
            self._text += text
            await self._send(
                "conversation.item.input_audio_transcription.delta",
                item_id=self._item,
                content_index=0,
                delta=text,
            )


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused(f"{name} must be an object", "invalid_value", name)
    return value


def _primary(tags: tuple[str, ...]) -> set[str]:
    return {primary(tag) for tag in tags}
