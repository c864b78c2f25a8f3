"""The waist: what every system offers and all that servers, evaluation and commands see.

Audio goes in, events come out; protocols only, nothing here computes. Above this line no
torch, below it no web socket.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Event
from earvoice.units import Seconds

if TYPE_CHECKING:
    from earvoice.agent.glossary import Glossary
    from earvoice.policies import Policy

_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def check_policy(policy: object) -> None:
    """That it can be asked when to write. Raises: UsageError saying what it lacks."""
    if not callable(getattr(policy, "decide", None)):
        raise UsageError(f"policy is {policy!r}, it must have a method decide(view)")
    if not isinstance(getattr(policy, "needs_draft", None), bool):
        raise UsageError(f"policy is {policy!r}, its needs_draft must be true or false")


@dataclass(frozen=True)
class Request:
    """What a listener asks for when a stream is opened.

    - `src_lang`, `tgt_lang`: BCP-47 codes such as `en`, `de`, `pt-BR`.
    - `policy`: when to read and when to write; None is the model's own default.
    - `transcript`: also ask for the words spoken, where the system can give them.
    - `glossary`: terms and how they are to be translated; `context`: what the talk is about.

    Errors: `UsageError` here for a malformed code, from `Interpreter.open` for what a model
    cannot do.
    """

    src_lang: str
    tgt_lang: str
    policy: Policy | None = None
    transcript: bool = False
    glossary: Glossary | None = None
    context: str = ""

    def __post_init__(self) -> None:
        for name in ("src_lang", "tgt_lang"):
            code = getattr(self, name)
            if not isinstance(code, str) or not _LANGUAGE_TAG.fullmatch(code):
                raise UsageError(f"{name} is {code!r}, it must be a language code such as 'de'")
        if self.policy is not None:
            check_policy(self.policy)


@runtime_checkable
class Session(Protocol):
    """One listener's stream; owns its row of state; not thread-safe.

    The text depends on the samples only, never on how they were cut into packets.

    Errors: `AudioError` for audio that is not legal, `UsageError` for a call out of order
    (anything but `finish` after `finish`) or an `update` the system does not know. After an
    error the session is as it was before the call.
    """

    @property
    def lag_s(self) -> Seconds:
        """Seconds of audio received but not yet processed."""
        ...

    def feed(self, audio: Audio) -> None:
        """Buffer audio of any rate and channel count; nothing is computed."""
        ...

    def push(self, audio: Audio) -> list[Event]:
        """`feed`, then advance while a whole chunk waits."""
        ...

    def update(self, **changes: Any) -> list[Event]:
        """Change what was requested (`tgt_lang`, `policy` ...) from here on."""
        ...

    def finish(self) -> list[Event]:
        """Process what is left; the last event is `Finished`. A second call gives nothing."""
        ...


@runtime_checkable
class Interpreter(Protocol):
    """A loaded model: weights, tokenizer, defaults; shared, immutable, thread-safe."""

    def open(self, request: Request) -> Session:
        """Begin a stream. Errors: `UsageError` naming the languages and policies there are."""
        ...

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """At most one step of each session, all as one batch; a list of events for each.

        A session with less than a chunk waiting gives no event and changes nothing.
        """
        ...


@runtime_checkable
class Sharing(Protocol):
    """An interpreter that can encode a speaker once for several sessions."""

    def share(self, sessions: Sequence[Session]) -> None:
        """These sessions are fed the same samples from their beginning: encode each step once.

        Nothing else changes: each says what it would say alone, whether the others lag, finish,
        fail or are dropped. May be said again, as when a session joins or is restored.
        Errors: `UsageError` for a session of another interpreter; from `advance` for samples that
        differ after all.
        """
        ...


@runtime_checkable
class Resumable(Protocol):
    """An interpreter whose sessions can leave the process and go on in another.

    A restored session says exactly what the saved one would have said.
    """

    def save(self, session: Session) -> bytes:
        """Everything a session is, to the sample; the session goes on as before.

        Audio must come at 16 kHz mono: a resampler's history cannot be saved.
        Errors: `UsageError` for a session of another interpreter, or a finished one.
        """
        ...

    def restore(self, request: Request, data: bytes) -> Session:
        """The session of `save`. Errors: `UsageError` for what `save` did not give."""
        ...
