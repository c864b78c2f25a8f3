"""Every way a session can go wrong on the wire: a stable code, a close code, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from earvoice.errors import EarvoiceError

SHUTS_DOWN = "the server shuts down"
"""What everybody is told while it drains."""
CLOSE_DONE = 1000
CLOSE_GOING_AWAY = 1001


@dataclass(frozen=True)
class ErrorKind:
    """`close`: the close code that follows, None if the connection stays.

    `resumable`: the session lives on and may be resumed after this.
    """

    close: int | None
    meaning: str
    resumable: bool = False


ERRORS = MappingProxyType(
    {
        "message_invalid": ErrorKind(None, "a message does not fit the schema; it was ignored"),
        "message_out_of_order": ErrorKind(None, "a message is not legal at this point"),
        "update_refused": ErrorKind(None, "the session cannot change what was asked"),
        "audio_truncated": ErrorKind(None, "the stream ended inside a sample, which was dropped"),
        "start_invalid": ErrorKind(4400, "the first message must be a legal start or resume"),
        "version_unsupported": ErrorKind(4400, "another version of the protocol"),
        "request_refused": ErrorKind(4400, "no such model, language or policy"),
        "audio_format_unsupported": ErrorKind(1003, "encoding, rate or channels not on the list"),
        "audio_invalid": ErrorKind(1007, "samples that are no sound (NaN, infinity, overflow)"),
        "audio_gap": ErrorKind(4400, "a frame begins after the samples received", True),
        "frame_too_long": ErrorKind(4413, "more audio in one frame than allowed", True),
        "rate_limited": ErrorKind(4429, "too many control messages", True),
        "idle": ErrorKind(4408, "neither audio nor a ping for too long", True),
        "replaced": ErrorKind(4409, "another connection took the session over"),
        "slow_consumer": ErrorKind(4430, "events are not read", True),
        "session_expired": ErrorKind(4440, "the session lasted as long as allowed"),
        "resume_refused": ErrorKind(1008, "no such session, a wrong or used token, or too late"),
        "overloaded": ErrorKind(1013, "no room for another session now"),
        "worker_lost": ErrorKind(4503, "the engine died and the session could not be rebuilt"),
        "model_error": ErrorKind(1011, "the model failed on this session"),
        "going_away": ErrorKind(CLOSE_GOING_AWAY, "the server shuts down"),
        "internal": ErrorKind(1011, "a fault of the server"),
    }
)


class Fault(EarvoiceError):
    """One of `ERRORS`, with a sentence for people.

    `event_id`: the client's own name of the message at fault, where it gave one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        event_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.kind = ERRORS[code]
        self.event_id = event_id
        self.retry_after_s = retry_after_s

    @property
    def fatal(self) -> bool:
        """Whether the connection ends with it."""
        return self.kind.close is not None
