"""Sending on a web socket to a client that may not read."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from earvoice.serve.errors import Fault
from earvoice.units import Seconds

_CLOSE_S: Seconds = 2.0


async def send_text(socket: WebSocket, text: str, stall_s: Seconds) -> None:
    """Send a message. Errors: `Fault` slow_consumer after `stall_s`."""
    try:
        async with asyncio.timeout(stall_s):
            await socket.send_text(text)
    except TimeoutError:
        raise Fault("slow_consumer", f"nothing was read for {stall_s:g} s") from None


async def close(socket: WebSocket, code: int, reason: str = "") -> None:
    """Close, also where nobody is there to be told."""
    # TimeoutError is an OSError: who reads nothing is not waited for.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
        async with asyncio.timeout(_CLOSE_S):
            await socket.close(code, reason)
