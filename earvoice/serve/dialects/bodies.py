"""JSON bodies of requests, with a limit that holds while reading."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from earvoice.errors import EarvoiceError


class BodyError(EarvoiceError):
    """A body that is refused, with the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_json(request: Request, max_bytes: int) -> dict[str, Any]:
    """The object of a body. Errors: `BodyError`."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > max_bytes:
            raise BodyError(413, f"the body has more than {max_bytes} bytes")
    try:
        value = json.loads(bytes(data))
    except (ValueError, RecursionError):
        raise BodyError(400, "the body must be JSON") from None
    if not isinstance(value, dict):
        raise BodyError(400, "the body must be a JSON object")
    return value
