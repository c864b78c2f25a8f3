"""What came of a row of the fault table, and clients that rows share."""

import asyncio
import json
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from earvoice.serve.client import Client
from earvoice.serve.protocol import Start


@dataclass(frozen=True)
class Outcome:
    """`passed` of `tried`; `figure`: what else was measured."""

    passed: int
    tried: int
    figure: str = ""


def client_of(url, model="plain"):
    return Client(url, start=Start(model=model, drafts=False))


def events_of(stamped):
    return [item.event for item in stamped]


async def open_raw(server, start=None, **options):
    url = f"ws://127.0.0.1:{server.port}/v1/stream"
    socket = await connect(url, compression=None, **options)
    await socket.recv()
    if start is not None:
        await socket.send(json.dumps({"type": "start", **start}))
        assert json.loads(await socket.recv())["type"] == "started"
    return socket


async def close_code(socket):
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    finally:
        await socket.close()
