"""Faults as HTTP statuses, the same in every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from earvoice.serve.errors import Fault

_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "request_refused": 400,
        "audio_invalid": 400,
        "audio_format_unsupported": 400,
        "message_invalid": 400,
        "message_out_of_order": 400,
        "idle": 410,
        "session_expired": 410,
        "rate_limited": 429,
        "overloaded": 503,
        "going_away": 503,
    }
)


def status_of(fault: Fault) -> int:
    """What is not the client's is the server's: 500."""
    return _STATUS.get(fault.code, 500)


def refusal_headers(status: int) -> dict[str, str]:
    """Of the gate's refusals: who has too many connections does not keep this one."""
    return {"Connection": "close"} if status == 429 else {}


def retry_after(retry_s: float | None) -> dict[str, str]:
    """The header that says when to come again, none where nobody knows."""
    return {} if retry_s is None else {"Retry-After": str(max(1, round(retry_s)))}
