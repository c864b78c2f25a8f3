"""What SimulEval's and simulstream's HTTP requests share: the gate, and how an error is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from earvoice.serve.auth import Gate
from earvoice.serve.dialects.bodies import BodyError
from earvoice.serve.dialects.statuses import refusal_headers, retry_after, status_of
from earvoice.serve.errors import Fault
from earvoice.serve.metrics import Metrics

_CLIENT_GONE = 499


async def answered(
    request: Request, gate: Gate, metrics: Metrics, work: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer of `work`, or why there is none, as `{"error", "code"}`."""
    refused = gate.refusal(request)
    if refused is not None:
        return JSONResponse({"error": refused[1]}, refused[0], refusal_headers(refused[0]))
    gate.enter(request)
    try:
        return await work()
    except BodyError as error:
        return JSONResponse({"error": str(error)}, error.status, error.headers)
    except ClientDisconnect:
        return Response(status_code=_CLIENT_GONE)  # which nobody reads
    except Fault as fault:
        metrics.errors.labels(fault.code).inc()
        content = {"error": str(fault), "code": fault.code}
        return JSONResponse(content, status_of(fault), retry_after(fault.retry_after_s))
    finally:
        gate.leave(request)
