"""What sessions share: buffering audio, advancing while some waits, a new policy, one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from earvoice.agent.glossary import Glossary
from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Event
from earvoice.policies import AlignAtt, Policy
from earvoice.session import Request, check_policy
from earvoice.sessions.buffer import SegmentBuffer


def refuse_knowledge(request: Request, *refused: str) -> None:
    """Raises: UsageError where a request brings knowledge that a model's prompt cannot carry."""
    for name in refused:
        if getattr(request, name):
            raise UsageError(f"{name}: this model's prompt has no place for one; leave it out")


def checked_glossary(given: object) -> Glossary:
    """What a request or an update brings. Raises: UsageError for what is no glossary."""
    if not isinstance(given, Glossary):
        raise UsageError(f"glossary is a {type(given).__name__}, it must be a Glossary")
    return given


class Owned(Protocol):
    """A session that knows its interpreter."""

    def is_of(self, owner: Any) -> bool:
        """Whether an interpreter opened this session."""
        ...


OwnedT = TypeVar("OwnedT", bound=Owned)


def own_sessions(owner: Any, kind: type[OwnedT], sessions: Sequence[object]) -> list[OwnedT]:
    """The sessions of one batch, each checked to be of this kind and of this interpreter.

    Raises: UsageError for a session of another interpreter, or one given twice.
    """
    own = [session for session in sessions if isinstance(session, kind) and session.is_of(owner)]
    if len(own) != len(sessions):
        raise UsageError("advance: a session of another interpreter was given")
    if len({id(session) for session in own}) != len(own):
        raise UsageError("advance: a session was given twice")
    return own


class FedSession:
    """A session's half that does not depend on how its model works.

    _owner: the interpreter that opened it, which advances it; audio: what waits; policy: when to
    write; `_done`: whether it is finished.
    """

    _owner: Any
    audio: SegmentBuffer
    policy: Policy
    _done: bool

    @property
    def closed(self) -> bool:
        """Whether it is finished."""
        return self._done

    def is_of(self, owner: Any) -> bool:
        """Whether an interpreter opened this session."""
        return self._owner is owner

    def _advance(self) -> list[Event]:
        """One segment, or what else a step is."""
        events: list[Event] = self._owner.advance([self])[0]
        return events

    @property
    def lag_s(self) -> float:
        """Seconds of audio received but not yet processed."""
        return self.audio.waiting_s

    def feed(self, audio: Audio) -> None:
        """Buffers audio of any rate and channel count."""
        if self._done:
            raise UsageError("the session is finished; open a new one for more audio")
        self.audio.push(audio)

    def push(self, audio: Audio) -> list[Event]:
        """Buffers, then advances while a whole segment waits."""
        self.feed(audio)
        events: list[Event] = []
        while self.audio.has_segment:
            events += self._advance()
        return events

    def update(self, **changes: Any) -> list[Event]:
        """Changes the policy from here on; other changes need another stream.

        Raises: UsageError naming what can change.
        """
        if self._done:
            raise UsageError("the session is finished; nothing can change any more")
        unknown = sorted(changes.keys() - {"policy"})
        if unknown:
            raise UsageError(f"update: {unknown[0]!r} cannot change here; 'policy' can")
        policy: Any = changes.get("policy")
        check_policy(policy)
        self.policy = self.accepted(policy)
        return []

    def accepted(self, policy: Policy) -> Policy:
        """The policy as this kind of session uses it.

        Raises: UsageError for one that needs what its model does not give.
        """
        if isinstance(policy, AlignAtt):
            raise UsageError(
                "policy align-att needs a model that reads a window anew, such as LST and LLaST; "
                "this one takes wait-k, hold-n and local-agreement"
            )
        return policy
