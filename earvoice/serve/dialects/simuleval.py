"""A remote agent of SimulEval (1.1): POST /reset, PUT /input, GET /output.

The protocol has no session: an address has one. `tgt_lang` of the first segment is the language;
a segment that is the last ends the stream, and its answer says so. Only what is committed is
written, as SimulEval takes nothing back. An address's requests are served one after the other, each
once all of it is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from earvoice.audio.signal import Float32
from earvoice.serve.auth import Gate
from earvoice.serve.dialects.bodies import BodyError, read_json
from earvoice.serve.dialects.native import NativeStream, language_tag, start_of
from earvoice.serve.dialects.plain_http import answered
from earvoice.serve.errors import Fault
from earvoice.serve.sessions import Sessions
from earvoice.units import Seconds

_MAX_BODY_BYTES = 2 << 20
"""Numbers as text, about 20 bytes each: some 6 s at 16 kHz. SimulEval's segments have 4,000 to
16,000 numbers; while many more are parsed, all other sessions would wait."""


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


_Act: TypeAlias = Callable[[_Agent], Awaitable[Response]]


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
        return await self._answer(request, self._again)

    async def _input(self, request: Request) -> Response:
        async def work() -> Response:
            # Before the agent is taken: a body that never ends would keep it from its address.
            silent_s = self._sessions.settings.handshake_s
            segment = await read_json(request, _MAX_BODY_BYTES, silent_s)
            samples, rate_hz = await asyncio.to_thread(_audio, segment)

            async def take(agent: _Agent) -> Response:
                return await self._take(agent, segment, samples, rate_hz)

            return await self._do(request, take)

        return await answered(request, self._gate, self._sessions.metrics, work)

    async def _output(self, request: Request) -> Response:
        return await self._answer(request, self._say)

    async def _answer(self, request: Request, act: _Act) -> Response:
        async def work() -> Response:
            return await self._do(request, act)

        return await answered(request, self._gate, self._sessions.metrics, work)

    async def _do(self, request: Request, act: _Act) -> Response:
        agent = self._agent(request.client.host if request.client else "")
        async with agent.lock:
            if agent.stream is not None:
                agent.stream.rest(waits=False)
            try:
                return await act(agent)
            except Fault:
                agent.reset()
                raise
            finally:
                if agent.stream is not None:
                    agent.stream.rest(waits=True)
                agent.used_s = time.monotonic()

    def _agent(self, address: str) -> _Agent:
        now_s = time.monotonic()
        for_s = self._sessions.settings.limits.resume_window_s
        for name, other in list(self._by_address.items()):
            if now_s - other.used_s > for_s and not other.lock.locked():
                other.reset()
                del self._by_address[name]
        return self._by_address.setdefault(address, _Agent(now_s))

    async def _again(self, agent: _Agent) -> Response:
        agent.reset()
        return Response()

    async def _take(
        self, agent: _Agent, segment: dict[str, Any], samples: Float32, rate_hz: int
    ) -> Response:
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

    async def _say(self, agent: _Agent) -> Response:
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


def _audio(segment: dict[str, Any]) -> tuple[Float32, int]:
    """Samples and rate of a segment, none of an empty one. Errors: `BodyError`."""
    content = segment.get("content") or []
    if segment.get("is_empty") or not content:
        return np.zeros(0, np.float32), 0
    rate_hz = segment.get("sample_rate")
    if segment.get("data_type") != "speech" or not isinstance(rate_hz, int):
        raise BodyError(400, "a segment must be speech, with its sample_rate")
    try:
        with np.errstate(over="ignore"):  # infinity, which is refused as no sound
            samples = np.asarray(content, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise BodyError(400, "content must be a list of numbers") from None
    if samples.ndim != 1:
        raise BodyError(400, "content must be samples of one channel")
    return samples, rate_hz
