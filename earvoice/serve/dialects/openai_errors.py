"""Faults in OpenAI's form: over HTTP with a status, in a socket as an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from earvoice.serve.dialects.statuses import retry_after, status_of
from earvoice.serve.errors import Fault


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
    status: int,
    message: str,
    code: str,
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal over HTTP."""
    error = error_of(message, code, server=status >= 500, param=param)
    return JSONResponse({"error": error}, status, headers)


def answer_of(fault: Fault) -> JSONResponse:
    """A fault over HTTP."""
    return answer(
        status_of(fault), str(fault), fault.code, headers=retry_after(fault.retry_after_s)
    )


def is_server_s(fault: Fault) -> bool:
    """Whether the server is to blame."""
    return status_of(fault) >= 500
