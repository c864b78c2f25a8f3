"""A trained model over the wire says what it says at home, also when its engine is killed."""

import asyncio
import os
import signal

import pytest

import earvoice
from earvoice.audio import stream_file
from earvoice.cli.serve import engine_command
from earvoice.serve.client import Client
from earvoice.serve.settings import EngineSettings, ServeSettings
from earvoice.session import Request, Resumable
from earvoice.units import SAMPLE_RATE
from tests.serve.running import collect, running, text_of

pytestmark = pytest.mark.slow
MODEL = "fasst-mini-en-de"
TALK = earvoice.__path__[0] + "/assets/talk-en.wav"


def at_home(interpreter):
    session = interpreter.open(Request("en", "de"))
    return [e for p in stream_file(TALK, 0.1) for e in session.push(p)] + session.finish()


def test_a_killed_engine_changes_no_word():
    settings = ServeSettings(engine=EngineSettings(snapshot_s=5.0))
    want = text_of(at_home(earvoice.load(MODEL)))
    with running(engines=engine_command([MODEL], settings)) as server:

        async def kill():
            while not any(session.events for session in server.sessions.live):
                await asyncio.sleep(0.05)
            os.kill(server.sessions.engine.pid, signal.SIGKILL)

        async def run():
            clients = [Client(server.url) for _ in range(3)]
            streams = [collect(client, stream_file(TALK, 0.1)) for client in clients]
            *said, _ = await asyncio.gather(*streams, kill())
            return said

        for stamped in asyncio.run(run()):
            assert text_of(item.event for item in stamped) == want
        assert server.sessions.engine.starts == 2


def test_a_saved_session_goes_on_in_another_interpreter():
    one, other = earvoice.load(MODEL), earvoice.load(MODEL)
    assert isinstance(one, Resumable)
    packets = list(stream_file(TALK, 0.37))[:30]
    assert packets[0].rate_hz == SAMPLE_RATE
    session = one.open(Request("en", "de"))
    want = [e for p in packets for e in session.push(p)] + session.finish()
    for cut in (0, 1, 17, len(packets)):
        session = one.open(Request("en", "de"))
        events = [e for p in packets[:cut] for e in session.push(p)]
        session = other.restore(Request("en", "de"), one.save(session))
        events += [e for p in packets[cut:] for e in session.push(p)] + session.finish()
        assert events == want


def test_a_signal_to_the_whole_group_leaves_the_engine_to_the_server():
    settings = ServeSettings(engine=EngineSettings(snapshot_s=5.0))
    with running(engines=engine_command([MODEL], settings)) as server:
        pid = server.sessions.engine.pid
        os.kill(pid, signal.SIGTERM)
        events = asyncio.run(collect(Client(server.url), stream_file(TALK, 0.1)))
        assert text_of([item.event for item in events])
        assert server.sessions.engine.pid == pid
        assert server.sessions.engine.starts == 1
