"""The network process's end of the engine: starts it, talks to it, replaces it when it dies.

The engine is a child process with one end of a socket pair. It is lost when the socket ends or
when it does not answer a ping in time; then it is killed, and a new one is started at once, with
growing pauses if that fails too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from earvoice.errors import EarvoiceError
from earvoice.serve.protocol import ModelInfo
from earvoice.serve.settings import EngineSettings
from earvoice.serve.wire import Message, Unpacker, WireError, pack
from earvoice.units import Seconds

_READ_BYTES = 1 << 18
_PING_S: Seconds = 1.0
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger("earvoice.serve")


class EngineError(EarvoiceError):
    """The engine cannot be started."""


class Engine:
    """The engine process, whichever one it is at the moment.

    `command` starts one; ` --fd N` is added, the number of its end of the socket.
    `on_message` gets all it says about sessions; `on_up` and `on_down` frame its life.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: EngineSettings,
        on_message: Callable[[Message], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self._command = list(command)
        self._settings = settings
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._heard_s = 0.0
        self._stopping = False
        self.models: tuple[ModelInfo, ...] = ()
        self.starts = 0

    @property
    def up(self) -> bool:
        """Whether an engine is ready."""
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        """The process at the moment."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the first one and wait until its models are loaded. Errors: `EngineError`."""
        reader, unpacker = await self._launch()
        self._keeper = asyncio.create_task(self._keep(reader, unpacker))

    async def stop(self) -> None:
        """End it; nothing is started any more."""
        self._stopping = True
        self.send(Message("stop"))
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._writer.drain()
        await self._hang_up()
        await self._reap(grace_s=2.0)

    def send(self, message: Message) -> None:
        """Say something; without effect while there is no engine (sessions are fed again)."""
        if self._writer is not None:
            self._writer.write(pack(message))

    async def _launch(self) -> tuple[asyncio.StreamReader, Unpacker]:
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
        unpacker = Unpacker()
        try:
            async with asyncio.timeout(self._settings.start_s):
                rest = await self._until_ready(reader, unpacker)
        except asyncio.CancelledError:
            writer.close()  # the server ends while this engine starts; `stop` reaps it
            raise
        except (TimeoutError, EngineError, WireError) as error:
            writer.close()
            await self._reap(grace_s=0.0)
            raise EngineError(f"the engine did not come up: {error}") from error
        self._writer = writer
        self._heard_s = time.monotonic()
        _log.info("engine_up", extra={"pid": self.pid, "start": self.starts})
        self._on_up()
        for message in rest:
            self._take(message)
        return reader, unpacker

    async def _until_ready(self, reader: asyncio.StreamReader, unpacker: Unpacker) -> list[Message]:
        while True:
            data = await reader.read(_READ_BYTES)
            if not data:
                raise EngineError("it ended while loading; its own message is above")
            messages = list(unpacker.push(data))
            if messages:
                self.models = tuple(
                    ModelInfo(
                        name=model["name"],
                        src_langs=tuple(model["src_langs"]),
                        tgt_langs=tuple(model["tgt_langs"]),
                        glossary=model["glossary"],
                        transcript=model["transcript"],
                    )
                    for model in messages[0].head["models"]
                )
                return messages[1:]

    async def _keep(self, reader: asyncio.StreamReader, unpacker: Unpacker) -> None:
        failures = 0
        while not self._stopping:
            await self._listen(reader, unpacker)
            await self._hang_up()
            self._on_down()
            _log.warning("engine_lost", extra={"pid": self.pid})
            await self._reap(grace_s=0.0)
            while not self._stopping:
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                try:
                    reader, unpacker = await self._launch()
                    failures = 0
                    break
                except EngineError:
                    failures += 1
                    _log.error("engine_start_failed", extra={"failures": failures})

    async def _listen(self, reader: asyncio.StreamReader, unpacker: Unpacker) -> None:
        """Until it is gone or hangs."""
        listening = asyncio.create_task(self._hear(reader, unpacker))
        pinging = asyncio.create_task(self._ping())
        try:
            await asyncio.wait({listening, pinging}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, pinging):
                task.cancel()
            for result in await asyncio.gather(listening, pinging, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, OSError):
                    _log.error("engine_pipe", extra={"kind": type(result).__name__})

    async def _hear(self, reader: asyncio.StreamReader, unpacker: Unpacker) -> None:
        while data := await reader.read(_READ_BYTES):
            self._heard_s = time.monotonic()
            for message in unpacker.push(data):
                self._take(message)

    async def _ping(self) -> None:
        while time.monotonic() - self._heard_s < self._settings.hang_s:
            self.send(Message("ping"))
            await asyncio.sleep(_PING_S)
        _log.error("engine_hangs", extra={"pid": self.pid})

    def _take(self, message: Message) -> None:
        if message.kind != "pong":
            self._on_message(message)

    async def _hang_up(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reap(self, grace_s: Seconds) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        deadline_s = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < deadline_s:
            await asyncio.sleep(0.02)
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)
