"""A connection to one engine, as the network process sees it: until it is gone or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from earvoice.errors import EarvoiceError
from earvoice.serve.protocol import ModelInfo
from earvoice.serve.wire import Message, Unpacker, pack
from earvoice.units import Seconds

_READ_BYTES = 1 << 18
_PING_S: Seconds = 1.0
_log = logging.getLogger("earvoice.serve")


class EngineError(EarvoiceError):
    """The engine cannot be started."""


class Line:
    """Messages to and from one engine. `hang_s`: it is given up when silent for so long."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hang_s: Seconds
    ) -> None:
        self._reader, self._writer = reader, writer
        self._hang_s = hang_s
        self._unpacker = Unpacker()
        self._early: list[Message] = []
        self._heard_s = 0.0

    async def ready(self) -> tuple[ModelInfo, ...]:
        """What it serves, once its models are loaded. Errors: `EngineError`, `WireError`."""
        while data := await self._reader.read(_READ_BYTES):
            self._early += self._unpacker.push(data)
            if self._early:
                return tuple(_model(model) for model in self._early.pop(0).head["models"])
        raise EngineError("it ended while loading; its own message is above")

    def send(self, message: Message) -> None:
        """Say something; without effect once it is gone, which `listen` is about to notice."""
        if not self._writer.is_closing():
            self._writer.write(pack(message))

    async def drain(self) -> None:
        """Wait until what was said is on its way."""
        await self._writer.drain()

    async def listen(self, on_message: Callable[[Message], None]) -> None:
        """Give `on_message` what it says, until it is gone or hangs."""
        self._heard_s = time.monotonic()
        listening = asyncio.create_task(self._hear(on_message))
        pinging = asyncio.create_task(self._ping())
        try:
            await asyncio.wait({listening, pinging}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, pinging):
                task.cancel()
            for result in await asyncio.gather(listening, pinging, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, OSError):
                    _log.error("engine_pipe", extra={"kind": type(result).__name__})

    def abort(self) -> None:
        """Begin to close it; for where nothing can be waited for."""
        self._writer.close()

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _hear(self, on_message: Callable[[Message], None]) -> None:
        for message in self._early:
            on_message(message)
        self._early = []
        while data := await self._reader.read(_READ_BYTES):
            self._heard_s = time.monotonic()
            for message in self._unpacker.push(data):
                if message.kind != "pong":
                    on_message(message)

    async def _ping(self) -> None:
        while time.monotonic() - self._heard_s < self._hang_s:
            self.send(Message("ping"))
            await asyncio.sleep(_PING_S)
        _log.error("engine_hangs")


def _model(told: Mapping[str, Any]) -> ModelInfo:
    lists = {name: tuple(told[name]) for name in ("src_langs", "tgt_langs")}
    directions = tuple(map(tuple, told.get("directions", ())))
    return ModelInfo.model_validate({**told, **lists, "directions": directions})
