"""Faults in OpenAI's form: over HTTP with a status, in a socket as an event."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse

from earvoice.serve.errors import Fault

_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "request_refused": 400,
        "audio_invalid": 400,
        "audio_format_unsupported": 400,
        "message_invalid": 400,
        "rate_limited": 429,
        "overloaded": 503,
        "going_away": 503,
    }
)


def error_of(
    message: str,
    code: str,
    *,
    server: bool = False,
    param: str | None = None,
    event_id: str | None = None,
) -> dict[str, Any]:
    """The object `error`. `event_id`: of the client's event at fault."""
    kind = "server_error" if server else "invalid_request_error"
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    return error if event_id is None else {**error, "event_id": event_id}


def answer(
    status: int, message: str, code: str, *, param: str | None = None, retry_s: float | None = None
) -> JSONResponse:
    """A refusal over HTTP."""
    headers = {} if retry_s is None else {"Retry-After": str(max(1, round(retry_s)))}
    error = error_of(message, code, server=status >= 500, param=param)
    return JSONResponse({"error": error}, status, headers)


def answer_of(fault: Fault) -> JSONResponse:
    """A fault over HTTP."""
    status = _STATUS.get(fault.code, 500)
    return answer(status, str(fault), fault.code, retry_s=fault.retry_after_s)


def is_server_s(fault: Fault) -> bool:
    """Whether the server is to blame."""
    return _STATUS.get(fault.code, 500) >= 500
