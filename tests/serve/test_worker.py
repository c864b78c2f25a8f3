"""The network process's end of the engine: nothing is left open, whenever it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys

import pytest

from earvoice.serve.settings import EngineSettings
from earvoice.serve.worker import Engine, EngineError

LOADS_FOR_EVER = [sys.executable, "-c", "import time; time.sleep(60)"]
ENDS_AT_ONCE = [sys.executable, "-c", "pass"]


def engine(command: list[str]) -> Engine:
    return Engine(command, EngineSettings(), lambda _: None, lambda: None, lambda *_: None)


def test_one_that_is_stopped_while_it_loads_is_gone():
    async def run() -> int:
        one = engine(LOADS_FOR_EVER)
        starting = asyncio.create_task(one.start())
        while one.pid is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        pid = one.pid
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await asyncio.wait_for(one.stop(), 10)
        return pid

    pid = asyncio.run(run())
    gc.collect()  # a socket left open would be an error here
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_ends_while_it_loads_is_an_error():
    with pytest.raises(EngineError, match="ended while loading"):
        asyncio.run(engine(ENDS_AT_ONCE).start())
    gc.collect()
