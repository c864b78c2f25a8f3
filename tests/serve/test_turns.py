"""Web sockets that take turns, and what is too much for one."""

import asyncio
import contextlib
import json
import struct

import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from earvoice.serve.frames import pack_frame
from earvoice.serve.server import uvicorn_config
from earvoice.serve.turns import in_turns
from tests.serve.running import expected, running, sound, text_of

START = {"type": "start", "model": "plain", "audio": {"encoding": "f32le", "rate_hz": 16_000}}


@pytest.fixture(scope="module")
def server():
    with running(limits={"max_control_per_s": 30}) as up:
        yield up


@contextlib.asynccontextmanager
async def started(server):
    url = f"ws://127.0.0.1:{server.port}/v1/stream"
    async with connect(url, compression=None) as socket:
        await socket.recv()
        await socket.send(json.dumps(START))
        await socket.recv()
        yield socket


async def ended(socket):
    """What it was closed with."""
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 20)
    except ConnectionClosed as closed:
        return closed.rcvd.code


def masked(opcode, body):
    """A client's frame of less than 126 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(body)]) + bytes(4) + body


async def write(socket, data):
    socket.transport.write(data)
    await asyncio.sleep(0)


def test_many_small_frames_in_one_go_are_all_heard_in_their_order(server):
    samples = sound(2.0)
    pieces = [samples[at : at + 16] for at in range(0, samples.size, 16)]
    frames = b"".join(
        masked(2, pack_frame(16 * number, piece.astype("<f4").tobytes()))
        for number, piece in enumerate(pieces)
    )
    assert len(frames) > 9 * 16_384  # many turns

    async def run():
        async with started(server) as socket:
            await write(socket, frames + masked(1, b'{"type": "finish"}'))
            texts = []
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 30))
                if message["type"] != "event":
                    continue
                texts.append(message["event"].get("text", ""))
                if message["event"]["type"] == "finished":
                    return "".join(texts)

    assert asyncio.run(run()) == text_of(expected(samples))


@pytest.mark.parametrize(
    ("frame", "code"),
    [(masked(9, b""), 1008), (masked(2, struct.pack("<Q", 0)), 4429)],
)
def test_a_flood_of_what_says_nothing_ends_its_connection_only(server, frame, code):
    async def run():
        async with started(server) as socket, started(server) as other:
            await write(socket, 5000 * frame)
            assert await ended(socket) == code
            await other.send('{"type": "ping"}')
            while json.loads(await asyncio.wait_for(other.recv(), 20))["type"] != "pong":
                pass

    asyncio.run(run())


def test_a_viewer_may_ping_but_not_flood(server):
    server.sessions.rooms.open("hall")

    async def run():
        url = f"ws://127.0.0.1:{server.port}/v1/room/hall"
        async with connect(url, compression=None) as viewer:
            for _ in range(20):
                await (await viewer.ping())
            await write(viewer, 5000 * masked(9, b""))
            assert await ended(viewer) == 1008

    asyncio.run(run())


class Transport:
    """Remembers whether it is read from."""

    reading = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return False

    def get_extra_info(self, name, default=None):
        return default


def test_one_turn_parses_a_part_and_nothing_more_is_read_until_the_rest_is(server):
    parsed = []

    class Counted(in_turns(30)):
        def handle_events(self):
            parsed.append(sum(map(len, self.took)))
            self.took.clear()

    async def run():
        config = uvicorn_config(server.live, "127.0.0.1", 0)
        protocol = Counted(config, server.server.server_state, {})
        protocol.took = []
        protocol.conn.receive_data = protocol.took.append
        transport = Transport()
        protocol.connection_made(transport)
        protocol.data_received(bytes(40_000))
        assert parsed == [16_384]
        assert not transport.reading
        await asyncio.sleep(0.05)
        assert parsed == [16_384, 16_384, 40_000 - 2 * 16_384]
        assert transport.reading
        protocol.read_paused = True  # the application has not taken a message yet
        protocol.data_received(bytes(20_000))
        await asyncio.sleep(0.05)
        assert parsed[3:] == [16_384]
        protocol.read_paused = False
        protocol.transport.resume_reading()
        await asyncio.sleep(0.05)
        assert parsed[3:] == [16_384, 20_000 - 16_384]
        server.server.server_state.connections.discard(protocol)

    asyncio.run(run())


def test_openais_client_lists_the_models(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        names = {model.id for model in client.models.list()}
        assert "plain" in names
        assert client.models.retrieve("plain").owned_by == "earvoice"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nobody")
