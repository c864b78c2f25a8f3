"""What the sessions of the network process ask of whatever computes, and what they are told.

Two things compute: one engine process beside the network process (`worker.Engine`), or any number
of replicas of it, on this machine and others (`cluster.replicas.Replicas`). Sessions know neither.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from earvoice.serve.protocol import ModelInfo
from earvoice.serve.wire import Message


class Engines(Protocol):
    """Whatever computes."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """What is served."""

    @property
    def up(self) -> bool:
        """Whether something could compute now."""

    @property
    def starts(self) -> int:
        """Engines that came up so far."""

    async def start(self) -> None:
        """Return when models are loaded. Errors: `EngineError`."""

    async def stop(self) -> None:
        """End all of it."""

    def send(self, message: Message) -> None:
        """Say something; without effect for a session that no engine has."""


class Owner(Protocol):
    """Whoever holds the sessions. `sessions`: numbers, None for all there are."""

    def engine_said(self, message: Message) -> None:
        """An engine said something about a session, or about its own steps."""

    def engine_up(self, sessions: Collection[int] | None = None) -> None:
        """There is an engine for these sessions, to which they must be opened (again)."""

    def engine_lost(self, sessions: Collection[int] | None = None) -> None:
        """The engine of these sessions is gone."""

    def can_move(self, session: int) -> bool:
        """Whether another engine would need little of its audio again."""


class Connect(Protocol):
    """Makes the engines of one server."""

    def __call__(self, owner: Owner) -> Engines:
        """Not started yet."""
