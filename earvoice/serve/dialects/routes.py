"""The routes of all dialects, behind the same gate as the native ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from earvoice.serve.auth import Gate
from earvoice.serve.dialects.openai_files import AudioFiles
from earvoice.serve.dialects.openai_realtime import TranscriptionSession, TranslationSession
from earvoice.serve.dialects.simuleval import SimulEvalAgents
from earvoice.serve.dialects.simulstream import SimulstreamProcessors, SimulstreamSocket
from earvoice.serve.sessions import Sessions


class _Runs(Protocol):
    async def run(self) -> None: ...


def dialect_routes(sessions: Sessions, gate: Gate) -> list[BaseRoute]:
    """What other people's clients ask for."""
    files = AudioFiles(sessions, gate)

    def socket(
        path: str, make: Callable[[WebSocket, Sessions], _Runs], protocol: str | None = None
    ) -> BaseRoute:
        return WebSocketRoute(path, _accepted(sessions, gate, make, protocol))

    return [
        Route("/v1/audio/translations", files.translate, methods=["POST"]),
        Route("/v1/audio/transcriptions", files.transcribe, methods=["POST"]),
        socket("/v1/realtime/translations", TranslationSession, "realtime"),
        socket("/v1/realtime", TranscriptionSession, "realtime"),
        socket("/v1/simulstream", SimulstreamSocket),
        *SimulstreamProcessors(sessions, gate).routes(),
        *SimulEvalAgents(sessions, gate).routes(),
    ]


def _accepted(
    sessions: Sessions,
    gate: Gate,
    make: Callable[[WebSocket, Sessions], _Runs],
    protocol: str | None,
) -> Callable[[WebSocket], Awaitable[None]]:
    """A socket is refused before the upgrade, like a native one."""

    async def endpoint(socket: WebSocket) -> None:
        refused = gate.refusal(socket)
        busy = None if refused is not None else sessions.refusal()
        if refused is not None:
            headers = {"WWW-Authenticate": "Bearer"} if refused[0] == 401 else {}
            answer = JSONResponse({"error": {"message": refused[1]}}, refused[0], headers)
            await socket.send_denial_response(answer)
            return
        if busy is not None:
            sessions.metrics.refused.inc()
            headers = {"Retry-After": str(max(1, round(busy.retry_after_s or 1)))}
            answer = JSONResponse({"error": {"message": str(busy)}}, 503, headers)
            await socket.send_denial_response(answer)
            return
        await socket.accept(protocol if protocol in socket.scope.get("subprotocols", []) else None)
        gate.enter(socket)
        try:
            await make(socket, sessions).run()
        finally:
            gate.leave(socket)

    return endpoint
