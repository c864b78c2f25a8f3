"""A remote agent of SimulEval (1.1): POST /reset, PUT /input, GET /output.

The protocol has no session: an address has one. `tgt_lang` of the first segment is the language;
a segment that is the last ends the stream, and its answer says so. Only what is committed is
written, as SimulEval takes nothing back.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from earvoice.serve.auth import Gate
from earvoice.serve.dialects.bodies import BodyError, read_json
from earvoice.serve.dialects.native import NativeStream, language_tag, start_of
from earvoice.serve.errors import Fault
from earvoice.serve.sessions import Sessions
from earvoice.units import Seconds

_MAX_BODY_BYTES = 16 << 20


@dataclass
class _Agent:
    used_s: Seconds
    stream: NativeStream | None = None
    rate_hz: int = 0
    ended: bool = False
    answered: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def reset(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream, self.rate_hz, self.ended, self.answered = None, 0, False, False


class SimulEvalAgents:
    """The agents of the addresses that ask."""

    def __init__(self, sessions: Sessions, gate: Gate) -> None:
        self._sessions, self._gate = sessions, gate
        self._by_address: dict[str, _Agent] = {}

    def routes(self) -> list[BaseRoute]:
        """The paths, as the released client has them."""
        return [
            Route("/reset", self._reset, methods=["POST"]),
            Route("/input", self._input, methods=["PUT"]),
            Route("/output", self._output, methods=["GET"]),
        ]

    async def _reset(self, request: Request) -> Response:
        return await self._do(request, self._again)

    async def _input(self, request: Request) -> Response:
        return await self._do(request, self._take)

    async def _output(self, request: Request) -> Response:
        return await self._do(request, self._say)

    async def _do(self, request: Request, act: Any) -> Response:
        refused = self._gate.refusal(request)
        if refused is not None:
            return JSONResponse({"error": refused[1]}, refused[0])
        agent = self._agent(request.client.host if request.client else "")
        try:
            async with agent.lock:
                if agent.stream is not None:
                    agent.stream.rest(waits=False)
                try:
                    answer: Response = await act(agent, request)
                finally:
                    if agent.stream is not None:
                        agent.stream.rest(waits=True)
                    agent.used_s = time.monotonic()
                return answer
        except BodyError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except Fault as fault:
            self._sessions.metrics.errors.labels(fault.code).inc()
            agent.reset()
            status = 503 if fault.code in ("overloaded", "going_away") else 400
            return JSONResponse({"error": str(fault), "code": fault.code}, status)

    def _agent(self, address: str) -> _Agent:
        now_s = time.monotonic()
        for_s = self._sessions.settings.limits.resume_window_s
        for name, other in list(self._by_address.items()):
            if now_s - other.used_s > for_s and not other.lock.locked():
                other.reset()
                del self._by_address[name]
        return self._by_address.setdefault(address, _Agent(now_s))

    async def _again(self, agent: _Agent, request: Request) -> Response:
        agent.reset()
        return Response()

    async def _take(self, agent: _Agent, request: Request) -> Response:
        segment = await read_json(request, _MAX_BODY_BYTES)
        samples, rate_hz = _audio(segment)
        if samples.size:
            if agent.stream is None:
                agent.rate_hz = rate_hz
                start = start_of(
                    tgt_lang=language_tag(segment.get("tgt_lang")),
                    drafts=False,
                    audio={"encoding": "f32le", "rate_hz": rate_hz},
                )
                agent.stream = NativeStream(self._sessions, start)
            elif rate_hz != agent.rate_hz:
                raise BodyError(400, f"sample_rate changed from {agent.rate_hz} to {rate_hz}")
            await agent.stream.hear(samples.tobytes())
        if segment.get("finished") is True and not agent.ended:
            agent.ended = True
            if agent.stream is not None:
                agent.stream.finish()
        return Response()

    async def _say(self, agent: _Agent, request: Request) -> Response:
        text = ""
        if agent.stream is not None and not agent.answered:
            said = await agent.stream.settled()
            text = "".join(m.event["text"] for m in said if m.event["type"] == "commit")
            agent.answered = agent.ended
            if agent.ended:
                agent.stream.close()
        return JSONResponse(
            {
                "index": 0,
                "content": text,
                "finished": agent.ended,
                "is_empty": not text,
                "data_type": "text" if text or agent.ended else None,
                "tgt_lang": None,
                "config": {},
            }
        )


def _audio(segment: dict[str, Any]) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int]:
    """Samples and rate of a segment, none of an empty one. Errors: `BodyError`."""
    content = segment.get("content") or []
    if segment.get("is_empty") or not content:
        return np.zeros(0, np.float32), 0
    rate_hz = segment.get("sample_rate")
    if segment.get("data_type") != "speech" or not isinstance(rate_hz, int):
        raise BodyError(400, "a segment must be speech, with its sample_rate")
    try:
        samples = np.asarray(content, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise BodyError(400, "content must be a list of numbers") from None
    if samples.ndim != 1:
        raise BodyError(400, "content must be samples of one channel")
    return samples, rate_hz
