"""The network process's end of many engines: which session is on which, and what if one dies.

    replica A  --dials-->  [secret][replica][ready]   sessions 1 4 5
    replica B  --dials-->  [secret][replica][ready]   sessions 2 3 6     A dies: 1 4 5 go to B

A session is pinned to one replica from `open` on. All that is needed to have it elsewhere lies
here, with the session (`live.LiveSession`): its last snapshot, the audio since, the number of
events. So a replica that dies, hangs or is taken away loses nothing, and none is asked for
anything on its way out. What a replica says of a session that is no longer its own is passed over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from earvoice.serve.cluster.replica import PID_BYTES, SECRET_BYTES, Dial
from earvoice.serve.engines import Owner
from earvoice.serve.line import EngineError, Line
from earvoice.serve.protocol import ModelInfo
from earvoice.serve.settings import EngineSettings
from earvoice.serve.wire import Message, WireError
from earvoice.units import Seconds

_GREETING_S: Seconds = 30.0
_log = logging.getLogger("earvoice.serve")


class Launcher(Protocol):
    """What starts replicas, and others for those that die. Called in a thread, not in the loop."""

    @property
    def host(self) -> str:
        """The address of this machine that they reach."""

    def deploy(self, dial: Dial) -> None:
        """See to it that there are replicas, from now on; does not wait for them."""

    def trouble(self) -> str:
        """Why there is none yet, in one sentence, as far as it is known."""

    def end(self) -> None:
        """Let there be none any more."""


@dataclass(eq=False)
class _Replica:
    line: Line
    pid: int
    sessions: set[int] = field(default_factory=set)


class Replicas:
    """Engines of one server (`Engines`), as many as there are at the moment."""

    def __init__(
        self, launcher: Launcher, settings: EngineSettings, owner: Owner, port: int = 0
    ) -> None:
        self._launcher, self._settings, self._owner = launcher, settings, owner
        self._port = port
        self._secret = secrets.token_hex(SECRET_BYTES // 2)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._some = asyncio.Event()
        self._replicas: list[_Replica] = []
        self._home: dict[int, _Replica] = {}
        self._homeless: set[int] = set()
        self._stopping = False
        self.models: tuple[ModelInfo, ...] = ()
        self.starts = 0

    @property
    def up(self) -> bool:
        """Whether there is a replica."""
        return bool(self._replicas)

    @property
    def pids(self) -> list[int]:
        """The replicas' processes, each on its own machine."""
        return [replica.pid for replica in self._replicas]

    async def start(self) -> None:
        """Have replicas started, and wait for the first. Errors: `EngineError`."""
        try:
            host = self._launcher.host
            self._server = await asyncio.start_server(
                self._connected, host, self._port, limit=1 << 20
            )
            port = self._server.sockets[0].getsockname()[1]
            await asyncio.to_thread(self._launcher.deploy, Dial(host, port, self._secret))
            await self._first()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all replicas."""
        self._stopping = True
        await asyncio.to_thread(self._launcher.end)
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def send(self, message: Message) -> None:
        """Say something to the replica that has the session; `open` chooses one."""
        number = message.session
        if message.kind == "open":
            self._place(number, message.head["speaker"])
        replica = self._home.get(number)
        if message.kind == "close":
            self._forget(number)
        if replica is not None:
            replica.line.send(message)

    async def _first(self) -> None:
        try:
            async with asyncio.timeout(self._settings.start_s):
                await self._some.wait()
        except TimeoutError:
            trouble = await asyncio.to_thread(self._launcher.trouble)
            raise EngineError(f"no replica came up: {trouble}") from None

    def _place(self, number: int, speaker: int | None) -> None:
        """Beside the first session of its speaker, else where there are fewest."""
        if number in self._home:
            return
        if not self._replicas:
            self._homeless.add(number)
            return
        fewest = min(self._replicas, key=lambda replica: len(replica.sessions))
        self._pin(number, fewest if speaker is None else self._home.get(speaker, fewest))

    def _pin(self, number: int, replica: _Replica) -> None:
        self._homeless.discard(number)
        self._home[number] = replica
        replica.sessions.add(number)

    def _forget(self, number: int) -> None:
        self._homeless.discard(number)
        replica = self._home.pop(number, None)
        if replica is not None:
            replica.sessions.discard(number)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its secret to its end."""
        connection = asyncio.current_task()
        if connection is None:
            raise RuntimeError("a connection is served by a task")
        self._connections.add(connection)
        line = Line(reader, writer, self._settings.hang_s)
        try:
            await self._serve(reader, line)
        finally:
            line.abort()
            self._connections.discard(connection)

    async def _serve(self, reader: asyncio.StreamReader, line: Line) -> None:
        try:
            async with asyncio.timeout(_GREETING_S):
                given = await reader.readexactly(SECRET_BYTES)
                if not secrets.compare_digest(given, self._secret.encode()):
                    raise EngineError("the secret is wrong")
                pid = int.from_bytes(await reader.readexactly(PID_BYTES))
                models = await line.ready()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, EngineError, WireError):
            _log.warning("replica_refused")
            return
        replica = _Replica(line, pid)
        self._join(replica, models)
        try:
            await line.listen(lambda message: self._take(replica, message))
        finally:
            self._leave(replica)

    def _take(self, replica: _Replica, message: Message) -> None:
        number = message.session
        if number and self._home.get(number) is not replica:
            return
        said = message.head.get("events")
        if message.kind == "failed" or (said and said[-1]["type"] == "finished"):
            self._forget(number)
        self._owner.engine_said(message)

    def _join(self, replica: _Replica, models: tuple[ModelInfo, ...]) -> None:
        self.models = models
        self.starts += 1
        self._replicas.append(replica)
        _log.info("replica_up", extra={"pid": replica.pid, "replicas": len(self._replicas)})
        waiting, self._homeless = sorted(self._homeless), set()
        self._owner.engine_up(waiting)
        self._level(replica)
        self._some.set()

    def _leave(self, replica: _Replica) -> None:
        if self._stopping:
            return
        self._replicas.remove(replica)
        lost = sorted(replica.sessions)
        for number in lost:
            self._forget(number)
        _log.warning(
            "replica_lost",
            extra={"pid": replica.pid, "replicas": len(self._replicas), "sessions": len(lost)},
        )
        self._owner.engine_lost(lost)
        # Opened where there are fewest, or kept as homeless until a replica comes.
        self._owner.engine_up(lost)

    def _level(self, newcomer: _Replica) -> None:
        """Give a new replica its share, or it could not help those that lag already."""
        fair = len(self._home) // len(self._replicas)
        others = [replica for replica in self._replicas if replica is not newcomer]
        for replica in sorted(others, key=lambda other: -len(other.sessions)):
            surplus = min(len(replica.sessions) - fair, fair - len(newcomer.sessions))
            movable = [n for n in sorted(replica.sessions) if self._owner.can_move(n)]
            for number in movable[: max(0, surplus)]:
                replica.line.send(Message("close", number))
                self._forget(number)
                self._pin(number, newcomer)
                self._owner.engine_up([number])
        if newcomer.sessions:
            _log.info("replica_filled", extra={"sessions": len(newcomer.sessions)})
