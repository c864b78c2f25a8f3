"""Bodies of requests, with limits that hold while reading: on bytes, and on silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from earvoice.errors import EarvoiceError
from earvoice.units import Seconds


class BodyError(EarvoiceError):
    """A body that is refused, with the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer: what is left of a body that stopped coming is not waited for."""
        return {"Connection": "close"} if self.status == 408 else {}


async def body_of(request: Request, silent_s: Seconds) -> AsyncIterator[bytes]:
    """A body as it comes. Errors: `BodyError` when none of it comes for `silent_s`.

    Starlette's `ClientDisconnect` when the client is gone.
    """
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout(silent_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise BodyError(408, f"nothing of the body came for {silent_s:g} s") from None
        yield chunk


async def read_json(request: Request, max_bytes: int, silent_s: Seconds) -> dict[str, Any]:
    """The object of a body. Errors: as of `body_of`, and `BodyError` for what is none."""
    data = bytearray()
    async for chunk in body_of(request, silent_s):
        data += chunk
        if len(data) > max_bytes:
            text = f"the body has more than {max_bytes} bytes; send less audio at once"
            raise BodyError(413, text)
    # The parser may still keep other threads waiting: how long is bounded by `max_bytes`.
    return await asyncio.to_thread(_parsed, bytes(data))


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BodyError(400, "the body must be JSON") from None
    if not isinstance(value, dict):
        raise BodyError(400, "the body must be a JSON object")
    return value
