"""A server in a thread with scripted models in a real engine process, and clients for it."""

import asyncio
import contextlib
import sys
import threading
import time
from pathlib import Path

import numpy as np

from earvoice.audio import Audio
from earvoice.events import Commit
from earvoice.serve.app import LiveServer
from earvoice.serve.client import Client
from earvoice.serve.protocol import Start
from earvoice.serve.server import Server, uvicorn_config
from earvoice.serve.settings import ServeSettings
from earvoice.session import Request
from tests.serve.fake_engine import models

ENGINE = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]


class Running:
    """A server that runs; `live` may be looked into, `url` is where it is."""

    def __init__(self, live, server):
        self.live = live
        self.server = server
        self.closing = contextlib.ExitStack()
        port = server.servers[0].sockets[0].getsockname()[1]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def sessions(self):
        return self.live.sessions


@contextlib.contextmanager
def running(tokens=(), engines=None, **settings):
    engine = {"snapshot_s": 0.5, **settings.pop("engine", {})}
    limits = {"idle_s": 30.0, **settings.pop("limits", {})}
    chosen = ServeSettings(engine=engine, limits=limits, ack_s=0.05, **settings)
    engines = engines or [*ENGINE, "--settings", chosen.engine.model_dump_json()]
    live = LiveServer(engines, chosen, tokens)
    config = uvicorn_config(live, "127.0.0.1", 0)
    server = Server(config, live)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert server.started
    up = Running(live, server)
    try:
        with up.closing:
            yield up
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def sound(seconds, seed=0, rate_hz=16_000):
    """Quiet noise, different for every seed. Shapes: float32 [W]."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-1000, 1000, round(seconds * rate_hz)).astype(np.float32)
    return values / np.float32(32_768)


def packets(samples, packet_s=0.1, rate_hz=16_000):
    size = round(packet_s * rate_hz)
    return [Audio.of(samples[at : at + size], rate_hz) for at in range(0, len(samples), size)]


def expected(samples, model="plain", rate_hz=16_000):
    """The events of the same audio without a server."""
    session = models()[model].open(Request("en", "de"))
    return [*session.push(Audio.of(samples, rate_hz)), *session.finish()]


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Commit))


async def collect(client, audio):
    return [stamped async for stamped in client.translate(audio)]


def translate(url, audio, model="plain", **options):
    """Events and client of one stream."""

    async def run():
        client = Client(url, start=Start(model=model), **options)
        return await collect(client, audio), client

    stamped, client = asyncio.run(run())
    return [item.event for item in stamped], client


async def paced(audio, pause_s):
    """Packets with a pause after each."""
    for packet in audio:
        yield packet
        await asyncio.sleep(pause_s)
