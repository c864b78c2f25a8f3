"""OpenAI's `/v1/audio/translations` and `/v1/audio/transcriptions`: a file in, text out.

The form's `model` is a served model. Translations go to the model's first language, or `tgt_lang`
(an extra field); OpenAI's are always English. `language` is the one spoken. What nothing here would
take notice of is refused: a prompt, times of words, a `temperature` but 0.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from earvoice import captions
from earvoice.errors import AudioError
from earvoice.events import Commit, Role, Stamped, from_json
from earvoice.serve.auth import Gate
from earvoice.serve.dialects.bodies import BodyError, body_of
from earvoice.serve.dialects.decode import decoded
from earvoice.serve.dialects.multipart import Form, FormError, read_form
from earvoice.serve.dialects.native import NativeStream, language_tag, model_named, start_of
from earvoice.serve.dialects.openai_errors import answer, answer_of
from earvoice.serve.dialects.statuses import refusal_headers
from earvoice.serve.errors import Fault
from earvoice.serve.protocol import EventMessage, Start
from earvoice.serve.sessions import Sessions
from earvoice.units import SAMPLE_RATE

_log = logging.getLogger("earvoice.serve")

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_FIELDS = frozenset(
    ("model", "response_format", "language", "tgt_lang", "temperature", "prompt", "stream")
    + ("timestamp_granularities[]", "timestamp_granularities", "include[]", "chunking_strategy")
)


_CUT = "chunking_strategy["  # how the client writes an object's fields
_GATE_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


@dataclass(frozen=True)
class Asked:
    """A legal request."""

    start: Start
    role: Role
    form: str
    streamed: bool


class AudioFiles:
    """Both routes; `role` of the text that is wanted."""

    def __init__(self, sessions: Sessions, gate: Gate) -> None:
        self._sessions, self._gate = sessions, gate

    async def translate(self, request: Request) -> Response:
        """`POST /v1/audio/translations`."""
        return await self._answer(request, "translation")

    async def transcribe(self, request: Request) -> Response:
        """`POST /v1/audio/transcriptions`."""
        return await self._answer(request, "transcript")

    async def _answer(self, request: Request, role: Role) -> Response:
        refused = self._gate.refusal(request)
        if refused is not None:
            code = _GATE_CODES.get(refused[0], "forbidden")
            return answer(refused[0], refused[1], code, headers=refusal_headers(refused[0]))
        busy = self._sessions.refusal()
        if busy is not None:  # before a byte of the file is read
            self._sessions.metrics.refused.inc()
            return answer_of(busy)
        self._gate.enter(request)
        try:
            return await self._read(request, role)
        finally:
            self._gate.leave(request)

    async def _read(self, request: Request, role: Role) -> Response:
        settings = self._sessions.settings
        chunks = body_of(request, settings.limits.idle_s)
        try:
            form = await read_form(
                request.headers.get("content-type", ""), chunks, settings.max_upload_bytes
            )
        except ClientDisconnect:
            return Response(status_code=499)  # which nobody reads
        except BodyError as error:
            return answer(error.status, str(error), "request_timeout", headers=error.headers)
        except FormError as error:
            return answer(413 if error.too_large else 400, str(error), "form_invalid")
        except OSError:
            _log.exception("upload_not_stored")
            return answer(507, "there is no space for the file", "upload_not_stored")
        try:
            asked = self._asked(form, role)
            if isinstance(asked, Response):
                return asked
            stream = NativeStream(self._sessions, asked.start)
        except FormError as error:
            form.close()
            return answer(400, str(error), "form_invalid")
        except Fault as fault:
            form.close()
            self._count(fault)
            return answer_of(fault)
        job = _Job(stream, form, asked, settings.limits.max_session_s, self._count)
        if asked.streamed:
            return _Told(job)
        return await _unless_gone(request, job.whole())

    def _count(self, fault: Fault) -> None:
        self._sessions.metrics.errors.labels(fault.code).inc()

    def _asked(self, form: Form, role: Role) -> Asked | Response:
        """What the form says, or why it is refused. Errors: `FormError`, `Fault`."""
        cut = {name for name in form.fields if name.startswith(_CUT)}
        unknown = sorted(form.fields.keys() - _FIELDS - cut)
        refused = self._cannot(form, unknown, role)
        if refused is not None:
            form.close()
            return refused
        name = form.text("model") or ""
        model = model_named(self._sessions, name)
        if model is None:
            form.close()
            there = ", ".join(known.name for known in self._sessions.models)
            text = f"there is no model {name[:64]!r}; there are {there}"
            return answer(404, text, "model_not_found", param="model")
        if role == "transcript" and not model.transcript:
            form.close()
            text = f"model {model.name} gives no transcript; it translates"
            return answer(400, text, "unsupported_model", param="model")
        start = start_of(
            model=model.name,
            src_lang=language_tag(form.text("language")),
            tgt_lang=language_tag(form.text("tgt_lang")),
            transcript=role == "transcript",
            drafts=False,
            audio={"encoding": "f32le", "rate_hz": SAMPLE_RATE},
        )
        streamed = form.text("stream") == "true"
        return Asked(start, role, form.text("response_format") or "json", streamed)

    def _cannot(self, form: Form, unknown: list[str], role: Role) -> Response | None:
        """The refusal of an option, None if all can be had."""
        chosen = form.text("response_format") or "json"
        for fault, param, text in (
            (form.file is None, "file", "the field 'file' is missing"),
            (bool(unknown), "", f"there is no field {unknown[0][:64]!r}" if unknown else ""),
            (
                chosen not in FORMATS,
                "response_format",
                f"response_format must be one of {', '.join(FORMATS)}",
            ),
            (bool(form.text("prompt")), "prompt", "the model takes no prompt"),
            (
                not _is_zero(form.text("temperature") or "0"),
                "temperature",
                "temperature must be 0; the models do not sample",
            ),
            (bool(form.fields.get("include[]")), "include", "there are no log probabilities"),
            *_times(form, chosen),
            *_pieces(form, chosen, role),
        ):
            if fault:
                return answer(400, text, "unsupported_value", param=param or None)
        return None


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False


def _times(form: Form, chosen: str) -> list[tuple[bool, str, str]]:
    """What may be wrong with the times that are wanted, as in `_cannot`."""
    name = "timestamp_granularities"
    wanted = [*form.fields.get(f"{name}[]", []), *form.fields.get(name, [])]
    return [
        ("word" in wanted, name, "there are no times of words"),
        (bool(set(wanted) - {"segment"}), name, f"{name} must be segment"),
        (
            bool(wanted) and chosen != "verbose_json",
            name,
            f"{name} needs the response_format verbose_json",
        ),
    ]


def _pieces(form: Form, chosen: str, role: Role) -> list[tuple[bool, str, str]]:
    """What may be wrong with how the audio is to be cut, or the answer, as in `_cannot`."""
    stream = form.text("stream") or "false"
    # A `server_vad` would have thresholds, which no model takes notice of.
    cut = [name for name in form.fields if name.startswith(_CUT)]
    return [
        (
            bool(cut) or (form.text("chunking_strategy") or "auto") != "auto",
            "chunking_strategy",
            "chunking_strategy must be auto; where audio is cut is the model's business",
        ),
        (stream not in ("true", "false"), "stream", "stream must be true or false"),
        (
            stream == "true" and role == "translation",
            "stream",
            "a translation is not streamed; /v1/realtime/translations is",
        ),
        (
            stream == "true" and chosen not in ("json", "text"),
            "response_format",
            "what is streamed has one form; response_format must be json",
        ),
    ]


class _Told(StreamingResponse):
    """A job's answer in pieces. Its client may be gone before the first is asked for."""

    def __init__(self, job: _Job) -> None:
        super().__init__(job.streamed(), media_type="text/event-stream")
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._job.close()


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The answer; who waits no longer for it gets none, and the work is given up."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=499)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Job:
    """One file: fed while what is said is read."""

    def __init__(
        self,
        stream: NativeStream,
        form: Form,
        asked: Asked,
        max_s: float,
        count: Callable[[Fault], None],
    ) -> None:
        self._stream, self._form, self._asked, self._max_s = stream, form, asked, max_s
        self._count = count
        self._failed: Exception | None = None

    async def whole(self) -> Response:
        """The answer when all is said."""
        try:
            stamped = [item async for item in self._commits()]
        except Fault as fault:
            return answer_of(fault)
        except AudioError as error:
            return answer(400, str(error), "invalid_audio", param="file")
        return self._shaped(stamped)

    async def streamed(self) -> AsyncIterator[str]:
        """Server-sent events `transcript.text.delta` and `.done`."""
        text = ""
        try:
            async for item in self._commits():
                assert isinstance(item.event, Commit)
                text += item.event.text
                yield _sse({"type": "transcript.text.delta", "delta": item.event.text})
        except (Fault, AudioError) as error:
            code = error.code if isinstance(error, Fault) else "invalid_audio"
            yield _sse({"error": {"message": str(error), "code": code}})
            return
        yield _sse({"type": "transcript.text.done", "text": text})
        yield "data: [DONE]\n\n"

    async def _commits(self) -> AsyncIterator[Stamped]:
        feeder = asyncio.create_task(self._feed())
        try:
            async for message in self._stream.said():
                event = from_json(message.event)
                if not isinstance(message, EventMessage) or not isinstance(event, Commit):
                    continue
                if event.stream.role == self._asked.role:
                    yield Stamped(message.seq, message.heard_s, message.wall_s, event)
            await feeder
        except Fault as fault:
            self._count(fault)
            if isinstance(self._failed, AudioError):
                raise self._failed from None
            raise
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """The session and the file are no longer needed."""
        self._stream.close()
        self._form.close()

    async def _feed(self) -> None:
        assert self._form.file is not None
        try:
            async for pcm in decoded(self._form.file, self._max_s):
                await self._stream.hear(pcm)
            self._stream.finish()
        except (AudioError, Fault) as error:
            self._failed = error
            self._stream.session.fail(Fault("audio_invalid", str(error)))
        except OSError:
            _log.exception("decoding_failed")
            self._stream.session.fail(Fault("internal", "the file could not be decoded"))

    def _shaped(self, stamped: list[Stamped]) -> Response:
        commits = [item.event for item in stamped if isinstance(item.event, Commit)]
        text = "".join(commit.text for commit in commits)
        asked, form = self._asked, self._asked.form
        if form == "text":
            return PlainTextResponse(f"{text}\n")
        if form in ("srt", "vtt"):
            words = captions.words_of(stamped, commits[0].stream) if commits else []
            cues = captions.captions_of(words)
            write = captions.format_srt if form == "srt" else captions.format_vtt
            return PlainTextResponse(write(cues))
        if form == "json":
            return JSONResponse({"text": text})
        request = self._stream.session.request
        language = request["src_lang" if asked.role == "transcript" else "tgt_lang"]
        return JSONResponse(
            {
                "task": "transcribe" if asked.role == "transcript" else "translate",
                "language": language,
                "duration": round(self._stream.session.heard_s, 3),
                "text": text,
                "segments": [_segment(number, item) for number, item in enumerate(stamped)],
            }
        )


def _segment(number: int, item: Stamped) -> dict[str, Any]:
    """A commit as a segment; what our models do not measure is 0."""
    assert isinstance(item.event, Commit)
    start_s, end_s = item.event.span or (item.heard_s, item.heard_s)
    nothing = ("seek", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
    return {
        "id": number,
        "start": start_s,
        "end": end_s,
        "text": item.event.text,
        "tokens": [],
        **dict.fromkeys(nothing, 0),
    }


def _sse(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
