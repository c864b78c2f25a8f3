"""Rooms over HTTP: the audience's socket and pages, and what an operator may do.

    GET  /room/{name}  /overlay/{name}  /operator      pages
    GET  /v1/rooms                                     every room, in numbers    (token)
    POST /v1/rooms/{name}   {"action": "open" | "rename" | "pause" | "resume" | "end"}  (token)
    GET  /v1/rooms/{name}/code.svg                     QR code of the audience's address
    WS   /v1/room/{name}                               captions (room_messages.py)

Reading a room asks for no token: whoever knows its name may.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import segno
from pydantic import Field, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from earvoice.serve.audience import ViewerConnection
from earvoice.serve.auth import Gate
from earvoice.serve.errors import Fault
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import SUBPROTOCOL, StrictMessage
from earvoice.serve.rooms import MAX_TITLE_CHARS, Room, Rooms
from earvoice.serve.settings import ServeSettings

WEB = Path(__file__).parent / "web"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_MAX_BODY_BYTES = 4096
_STATUS = {"overloaded": 503, "request_refused": 409}


class Command(StrictMessage):
    """What an operator wants of a room. `title`: another one, beside any action."""

    action: Literal["open", "rename", "pause", "resume", "end"]
    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARS)] | None = None


class RoomRoutes:
    """The routes of one server's rooms."""

    def __init__(self, rooms: Rooms, gate: Gate, settings: ServeSettings, metrics: Metrics) -> None:
        self._rooms, self._gate = rooms, gate
        self._settings, self._metrics = settings, metrics

    def routes(self) -> list[BaseRoute]:
        """See above."""
        return [
            Route("/room/{name}", self._page("room.html")),
            Route("/overlay/{name}", self._page("overlay.html")),
            Route("/operator", self._page("operator.html")),
            Route("/v1/rooms", self._list),
            Route("/v1/rooms/{name}", self._command, methods=["POST"]),
            Route("/v1/rooms/{name}/code.svg", self._code),
            WebSocketRoute("/v1/room/{name}", self._watch),
        ]

    def _page(self, file: str) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            return FileResponse(WEB / file)

        return page

    async def _list(self, request: Request) -> Response:
        refused = self._gate.refusal(request)
        if refused is not None:
            return _refusal(*refused)
        return JSONResponse(
            [{**room.overview(), "url": self._url(request, room.name)} for room in self._rooms.all]
        )

    async def _command(self, request: Request) -> Response:
        refused = self._gate.refusal(request)
        if refused is not None:
            return _refusal(*refused)
        name = request.path_params["name"]
        try:
            command = Command.model_validate_json(await _body(request))
            room = self._room_for(name, command)
            if room is None:
                return JSONResponse({"error": "there is no such room"}, 404)
            self._do(room, command)
        except (ValidationError, ValueError):
            return JSONResponse({"error": "the command is not one of the known"}, 400)
        except Fault as fault:
            return JSONResponse({"error": str(fault)}, _STATUS.get(fault.code, 400))
        return JSONResponse({**room.overview(), "url": self._url(request, name)})

    def _room_for(self, name: str, command: Command) -> Room | None:
        if not _NAME.fullmatch(name):
            raise Fault(
                "message_invalid", "a room's name has 1 to 64 letters, digits, dots, - or _"
            )
        return self._rooms.open(name) if command.action == "open" else self._rooms.find(name)

    def _do(self, room: Room, command: Command) -> None:
        if command.title is not None:
            room.rename(command.title)
        match command.action:
            case "pause":
                room.pause()
            case "resume":
                room.resume()
            case "end":
                room.end()

    async def _code(self, request: Request) -> Response:
        """The code says only what the asking page's own address is."""
        name = request.path_params["name"]
        if not _NAME.fullmatch(name):
            return JSONResponse({"error": "there is no such room"}, 404)
        picture = io.BytesIO()
        code = segno.make(self._url(request, name), error="m")
        code.save(picture, kind="svg", border=2, xmldecl=False, omitsize=True, light="#fff")
        return Response(picture.getvalue(), media_type="image/svg+xml")

    def _url(self, request: HTTPConnection, name: str) -> str:
        base = self._settings.public_url or f"{request.scope['scheme']}://{_host(request)}"
        return f"{base.rstrip('/')}/room/{name}"

    async def _watch(self, socket: WebSocket) -> None:
        if not self._gate.origin_fits(socket):
            await socket.send_denial_response(JSONResponse({"error": "foreign origin"}, 403))
            return
        if self._rooms.viewers >= self._settings.rooms.max_viewers:
            self._metrics.refused.inc()
            denial = JSONResponse({"error": "the rooms are full"}, 503, {"Retry-After": "10"})
            await socket.send_denial_response(denial)
            return
        offered = socket.scope.get("subprotocols") or []
        room = self._rooms.find(socket.path_params["name"])
        if room is None:
            await socket.send_denial_response(JSONResponse({"error": "no such room"}, 404))
            return
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        await ViewerConnection(socket, room, self._settings, self._metrics).run()


def _refusal(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"error": text}, status, headers)


def _host(request: HTTPConnection) -> str:
    """The server as the request names it; where that is no name, the address it came to."""
    named = request.headers.get("host", "")
    if _HOST.fullmatch(named):
        return named
    host, port = request.scope["server"]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _body(request: Request) -> bytes:
    """At most so much of it, whatever it says about its size. Errors: `ValueError`."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MAX_BODY_BYTES:
            raise ValueError("the body is too long")
    return data
