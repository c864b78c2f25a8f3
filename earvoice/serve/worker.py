"""The network process's end of the engine: starts it, talks to it, replaces it when it dies.

The engine is a child process with one end of a socket pair. It is lost when the socket ends or
when it does not answer a ping in time; then it is killed, and a new one is started at once, with
growing pauses if that fails too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from earvoice.serve.line import EngineError, Line
from earvoice.serve.protocol import ModelInfo
from earvoice.serve.settings import EngineSettings
from earvoice.serve.wire import Message, WireError
from earvoice.units import Seconds

_LAST_S: Seconds = 0.5
"""From the end of its socket to the end of an engine that dies by itself."""
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger("earvoice.serve")


class Engine:
    """The engine process, whichever one it is at the moment.

    `command` starts one; ` --fd N` is added, the number of its end of the socket.
    `on_message` gets all it says about sessions; `on_up` and `on_down` frame its life. `on_down`
    is told whether it ended by itself, or hung, and the session that it computed alone, 0 for none.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: EngineSettings,
        on_message: Callable[[Message], None],
        on_up: Callable[[], None],
        on_down: Callable[[bool, int], None],
    ) -> None:
        self._command = list(command)
        self._settings = settings
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._tried = 0
        self.models: tuple[ModelInfo, ...] = ()
        self.starts = 0

    @property
    def up(self) -> bool:
        """Whether an engine is ready."""
        return self._line is not None

    @property
    def pid(self) -> int | None:
        """The process at the moment."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the first one and wait until its models are loaded. Errors: `EngineError`."""
        self._keeper = asyncio.create_task(self._keep(await self._launch()))

    async def stop(self) -> None:
        """End it; nothing is started any more."""
        self._stopping = True
        self.send(Message("stop"))
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._line is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._line.drain()
        await self._hang_up()
        await self._reap(grace_s=2.0)

    def send(self, message: Message) -> None:
        """Say something; without effect while there is no engine (sessions are fed again)."""
        if self._line is not None:
            self._line.send(message)

    async def _launch(self) -> Line:
        ours, theirs = socket.socketpair()
        self.starts += 1
        command = [*self._command, "--fd", str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL
            )
        except OSError as error:
            ours.close()
            raise EngineError(f"the engine cannot be started: {error}") from error
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        line = Line(reader, writer, self._settings.hang_s)
        try:
            async with asyncio.timeout(self._settings.start_s):
                self.models = await line.ready()
        except asyncio.CancelledError:
            line.abort()  # the server ends while this engine starts; `stop` reaps it
            raise
        except (TimeoutError, EngineError, WireError) as error:
            line.abort()
            await self._reap(grace_s=0.0)
            raise EngineError(f"the engine did not come up: {error}") from error
        self._line = line
        _log.info("engine_up", extra={"pid": self.pid, "start": self.starts})
        self._on_up()
        return line

    async def _keep(self, line: Line) -> None:
        failures = 0
        while not self._stopping:
            self._tried = 0
            await line.listen(self._hear)
            await self._hang_up()
            pid = self.pid
            ended = await self._reap(grace_s=_LAST_S)
            # Whoever kills it from outside says nothing about the sessions.
            crashed = ended != -signal.SIGKILL
            self._on_down(crashed, self._tried)
            _log.warning("engine_lost", extra={"pid": pid, "crashed": crashed})
            while not self._stopping:
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                try:
                    line = await self._launch()
                    failures = 0
                    break
                except EngineError:
                    failures += 1
                    _log.error("engine_start_failed", extra={"failures": failures})

    def _hear(self, message: Message) -> None:
        if message.kind == "trying":
            self._tried = message.session
        else:
            self._on_message(message)

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _reap(self, grace_s: Seconds) -> int | None:
        """See to it that the process ends. Its exit status, None if it had to be killed."""
        process, self._process = self._process, None
        if process is None:
            return None
        deadline_s = time.monotonic() + grace_s
        try:
            while process.poll() is None and time.monotonic() < deadline_s:
                await asyncio.sleep(0.02)
        finally:
            ended = process.poll()
            if ended is None:
                process.kill()
        await asyncio.to_thread(process.wait)
        return ended
