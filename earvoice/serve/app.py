"""The web application: routes, and what is checked before a socket is accepted."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from earvoice.serve.auth import Gate
from earvoice.serve.connection import Connection
from earvoice.serve.dialects.routes import dialect_routes
from earvoice.serve.engines import Connect
from earvoice.serve.errors import SHUTS_DOWN, Fault
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import SUBPROTOCOL, ModelInfo, schema
from earvoice.serve.room_routes import RoomRoutes
from earvoice.serve.sessions import Sessions
from earvoice.serve.settings import ServeSettings
from earvoice.units import Seconds

WEB = Path(__file__).parent / "web"
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SWEEP_S: Seconds = 1.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)


class LiveServer:
    """Sessions, gate and connections of one server; `app` is the ASGI application.

    `engines`: the command that starts the engine process, or what connects to several.
    """

    def __init__(
        self,
        engines: Sequence[str] | Connect,
        settings: ServeSettings,
        tokens: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.sessions = Sessions(engines, settings, self.metrics)
        self.gate = Gate(
            tokens, settings.origins, settings.max_connections_per_address, settings.public_url
        )
        self._connections: set[Connection] = set()
        routes: list[BaseRoute] = [
            WebSocketRoute("/v1/stream", self._stream),
            WebSocketRoute("/v1/stream/{session}", self._stream),
            Route("/v1/schema", self._schema),
            Route("/v1/models", self._models),
            Route("/v1/models/{name}", self._model),
            Route("/health", self._health),
            Route("/ready", self._ready),
            Route("/metrics", self._metrics),
            Route("/v1/about", self._about),
            *RoomRoutes(self.sessions.rooms, self.gate, settings, self.metrics).routes(),
            *dialect_routes(self.sessions, self.gate),
            Mount("/", StaticFiles(directory=WEB, html=True)),
        ]
        self.app: ASGIApp = _Headers(Starlette(routes=routes, lifespan=self._lifespan))

    async def drain(self) -> None:
        """Take no more sessions, tell those there are, and give them time to end."""
        drain_s = self.settings.drain_s
        self.sessions.drain(drain_s)
        end_s = time.monotonic() + drain_s
        self.sessions.rooms.closing(SHUTS_DOWN, drain_s)
        # Beside the waiting: one that reads nothing is not told, and holds nobody up.
        told = [connection.closing(SHUTS_DOWN, drain_s) for connection in self._connections]
        telling = asyncio.gather(*told, return_exceptions=True)
        await asyncio.wait({telling}, timeout=0.1)
        while (self.sessions.live or self.sessions.unread) and time.monotonic() < end_s:
            await asyncio.sleep(0.1)
        telling.cancel()
        for session in list(self.sessions.live):
            self.sessions.remove(session, Fault("going_away", SHUTS_DOWN))
        await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the engine, also one that is still loading."""
        await self.sessions.engine.stop()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await self.sessions.engine.start()
        sweeper = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeper.cancel()
            await self.stop()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.sessions.sweep()

    async def _stream(self, socket: WebSocket) -> None:
        session_id = socket.path_params.get("session")
        refused = self.gate.refusal(socket)
        if refused is not None:
            await _deny(socket, *refused)
            return
        if session_id is None:
            busy = self.sessions.refusal()
            # Who takes over from a speaker that was cut off needs no place of their own.
            if busy is not None and not self.sessions.rooms.waits_for_a_speaker:
                self.metrics.refused.inc()
                await _deny(socket, 503, str(busy), busy.retry_after_s)
                return
        elif not _SESSION_ID.fullmatch(session_id):
            await _deny(socket, 404, "there is no such session")
            return
        offered = socket.scope.get("subprotocols") or []
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        connection = Connection(socket, self.sessions)
        self.gate.enter(socket)
        self._connections.add(connection)
        try:
            await connection.run(session_id)
        finally:
            self._connections.discard(connection)
            self.gate.leave(socket)

    async def _schema(self, request: Request) -> Response:
        return JSONResponse(schema())

    async def _models(self, request: Request) -> Response:
        """In the form of OpenAI's, whose clients ask for it; with what else is known of each."""
        models = [_listed(model) for model in self.sessions.models]
        return JSONResponse({"object": "list", "data": models})

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        for model in self.sessions.models:
            if model.name == name:
                return JSONResponse(_listed(model))
        error = {"message": "there is no such model", "type": "invalid_request_error"}
        return JSONResponse({"error": {**error, "code": "model_not_found"}}, 404)

    async def _about(self, request: Request) -> Response:
        """What a page has to know before it asks for anything."""
        models = [model.model_dump() for model in self.sessions.models]
        return JSONResponse({"token": self.gate.asks, "models": models})

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        """Whether a new session would be taken now."""
        engine = self.sessions.engine
        refusal = self.sessions.refusal()
        ready = engine.up and refusal is None
        state = {
            "ready": ready,
            "engine": "up" if engine.up else "starting",
            "engine_starts": engine.starts,
            "sessions": len(self.sessions.live),
            "max_sessions": self.settings.max_sessions,
        }
        return JSONResponse(state, 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        rooms = self.sessions.rooms
        lags_s = [session.lag_s for session in self.sessions.live]
        page = self.metrics.page(lags_s, len(rooms.all), rooms.viewers)
        return Response(page, media_type="text/plain; version=0.0.4")


def _listed(model: ModelInfo) -> dict[str, object]:
    own = {"id": model.name, "object": "model", "created": 0, "owned_by": "earvoice"}
    return {**own, **model.model_dump()}


async def _deny(
    socket: WebSocket, status: int, text: str, retry_after_s: Seconds | None = None
) -> None:
    headers = {"Retry-After": str(max(1, round(retry_after_s)))} if retry_after_s else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    await socket.send_denial_response(JSONResponse({"error": text}, status, headers))


class _Headers:
    """Sets what keeps a page from loading or leaking anything elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-cache"),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)
