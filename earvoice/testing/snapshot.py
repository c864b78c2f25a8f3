"""Saving and restoring a scripted session, so that servers can be tested with it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import AudioClock
from earvoice.errors import UsageError
from earvoice.policies import format_policy, parse_policy
from earvoice.session import Request
from earvoice.units import SAMPLE_RATE, Samples, Seconds

_COUNTS = ("_done", "_steps", "_written", "_transcribed")


class Scripted(Protocol):
    """What a scripted session is made of."""

    _request: Request
    _clock: AudioClock | None
    _waiting: NDArray[np.float32]
    _done: Samples
    _steps: int
    _written: int
    _transcribed: bool
    _pending: list[tuple[str, Seconds, Seconds]]
    _drafts: tuple[tuple[str, ...], ...]
    _finished: bool


def save(session: Scripted) -> bytes:
    """The session as a line of JSON and what waits of its audio. Errors: `UsageError`."""
    clock = session._clock
    if session._finished or (clock is not None and clock.rate_hz != SAMPLE_RATE):
        raise UsageError("only a session at 16 kHz that is not finished can be saved")
    head: dict[str, Any] = {name: getattr(session, name) for name in _COUNTS}
    head |= {"heard": clock.samples if clock else 0, "pending": session._pending}
    head["drafts"] = session._drafts
    # What updates may have changed since the session was opened.
    request = session._request
    if request.policy is not None and not hasattr(request.policy, "kind"):
        raise UsageError("a session with a policy of your own cannot be saved")
    policy = None if request.policy is None else format_policy(request.policy)  # type: ignore[arg-type]
    terms = [(entry.source, entry.target) for entry in request.glossary or ()]
    head |= {"tgt_lang": request.tgt_lang, "policy": policy, "terms": terms}
    return json.dumps(head).encode() + b"\n" + session._waiting.astype("<f4").tobytes()


def restore(session: Scripted, data: bytes) -> None:
    """Make a new session what the saved one was. Errors: `UsageError`."""
    line, newline, audio = data.partition(b"\n")
    try:
        head = json.loads(line)
        for name in _COUNTS:
            setattr(session, name, head[name])
        session._clock = AudioClock(SAMPLE_RATE, head["heard"])
        session._pending = [(word, start_s, end_s) for word, start_s, end_s in head["pending"]]
        session._drafts = tuple(tuple(draft) for draft in head["drafts"])
        policy = head["policy"]
        session._request = dataclasses.replace(
            session._request,
            tgt_lang=head["tgt_lang"],
            policy=None if policy is None else parse_policy(policy),
            glossary=Glossary(Entry(*term) for term in head["terms"]) if head["terms"] else None,
        )
        session._waiting = np.frombuffer(audio, dtype="<f4").astype(np.float32)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the snapshot is not of a scripted session: {error}") from error
    if not newline:
        raise UsageError("the snapshot is not of a scripted session: it has no audio")
