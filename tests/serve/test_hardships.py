"""Clients that leave, ask for too much, or say what no text is; servers that refuse for ever."""

import asyncio
import base64
import contextlib
import io
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from websockets.asyncio.server import serve as serve_socket
from websockets.sync.client import connect

from earvoice.audio import Audio
from earvoice.serve.app import LiveServer
from earvoice.serve.client import Client, ServerError
from earvoice.serve.errors import Fault
from earvoice.serve.liveness import PONG_S
from earvoice.serve.protocol import ErrorMessage, Hello, Received, Resumed, Start, Started, write
from earvoice.serve.room_messages import Caption
from earvoice.serve.rooms import Rooms
from earvoice.serve.scheduler import Item, Scheduler
from earvoice.serve.server import uvicorn_config
from earvoice.serve.settings import EngineSettings, Limits, RoomSettings, ServeSettings
from earvoice.testing import FakeInterpreter
from tests.serve.here import HereEngine, rooms, served_alone, speak, start
from tests.serve.running import running, sound

WEB = Path(__file__).parents[2] / "earvoice/serve/web"


@pytest.fixture(scope="module")
def server():
    with running(max_sessions=40, handshake_s=1.0) as up:
        yield up


def open_socket(server, path):
    url = f"ws://127.0.0.1:{server.port}{path}"
    return server.closing.enter_context(connect(url, compression=None))


def until(condition, most_s=10.0):
    deadline_s = time.monotonic() + most_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return condition()


def counting():
    """An interpreter that says a word for every tenth of a second."""
    return FakeInterpreter(lambda chunk: [str(chunk.samples.size)], chunk_samples=1600)


# ------------------------------------------------------------------ connections


def test_a_ping_may_wait_as_long_as_an_engine_takes_to_come_up_again(server):
    engine = ServeSettings().engine
    assert engine.start_s + engine.hang_s < PONG_S
    assert uvicorn_config(server.live, "127.0.0.1", 0).ws_ping_timeout == PONG_S


@pytest.mark.parametrize("said", [b"", b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n"])
def test_who_asks_for_nothing_is_not_kept(server, said):
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(said)
        line.settimeout(8.0)
        begun_s = time.monotonic()
        assert line.recv(100) == b""
        assert 0.5 < time.monotonic() - begun_s < 6.0


def test_who_asks_in_time_may_stay(server):
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.settimeout(3.0)
        for _ in range(2):  # the second on the same line, later than a first would have to be
            line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in line.recv(4096)
            time.sleep(1.3)
    stream = open_socket(server, "/v1/stream")
    stream.recv()
    stream.send(json.dumps({"type": "start", "model": "plain"}))
    time.sleep(1.3)
    stream.send(json.dumps({"type": "ping"}))
    assert any(json.loads(stream.recv(timeout=5))["type"] == "pong" for _ in range(20))


def test_a_file_whose_client_is_gone_is_given_up(server):
    with stopped_engine(server):
        head = (
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nplain\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        )
        body = head + wav(sound(2.0)) + b"\r\n--b--\r\n"
        before = len(server.sessions.live)
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(
                b"POST /v1/audio/translations HTTP/1.1\r\nHost: x\r\nContent-Type: "
                b"multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            assert until(lambda: len(server.sessions.live) == before + 1)
        assert until(lambda: len(server.sessions.live) == before)


def wav(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


@contextlib.contextmanager
def stopped_engine(server):
    """An engine that takes what it is told and does nothing for a while."""
    until(lambda: server.sessions.engine.up)
    pid = server.sessions.engine.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_processor_that_is_cleared_while_it_works_answers(server):
    def post(path, samples=None):
        data = {"session_id": "cleared"}
        if samples is not None:
            data["waveform"] = base64.b64encode(samples.astype("<f4").tobytes()).decode()
        asked = urllib.request.Request(f"{server.url}{path}", json.dumps(data).encode())
        try:
            with urllib.request.urlopen(asked, timeout=15) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    assert post("/process_chunk", sound(0.2)) == 200
    found = []
    with stopped_engine(server):
        working = threading.Thread(target=lambda: found.append(post("/process_chunk", sound(1.0))))
        working.start()
        time.sleep(0.3)
        assert post("/clear") == 204
        working.join(timeout=10)
    assert found == [400]


# ------------------------------------------------------------------ words that are none


def test_a_name_that_is_no_text_is_not_said_back(server):
    stream = open_socket(server, "/v1/stream")
    stream.recv()
    stream.send(json.dumps({"type": "start", "model": "plain"}))
    begun = json.loads(stream.recv())
    assert begun["type"] == "started"
    stream.send('{"type": "nonsense", "event_id": "\\ud800"}')
    answers = (json.loads(stream.recv(timeout=5)) for _ in range(9))
    error = next(one for one in answers if one["type"] == "error")
    assert (error["code"], error["fatal"]) == ("message_invalid", False)
    assert begun["session"] in server.sessions._by_id


def test_a_name_that_is_no_text_is_not_said_back_to_openai_s_client(server):
    stream = open_socket(server, "/v1/realtime/translations?model=plain")
    stream.recv(timeout=5)
    for said in ('{"type": "nope", "event_id": "\\ud800"}', '{"type": "\\udfff"}'):
        stream.send(said)
        assert json.loads(stream.recv(timeout=5))["type"] == "error"


# ------------------------------------------------------------------ draining and snapshots


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_was_said_and_not_read_is_waited_for_at_shutdown(comes_back):
    made = []

    def engine(owner):
        made.append(HereEngine(owner, served_alone(counting())))
        return made[0]

    async def drained():
        live = LiveServer(engine, ServeSettings(drain_s=3.0))
        session = live.sessions.open(Start(audio={"encoding": "f32le", "rate_hz": 16_000}))
        session.owner = line = session.subscribe()
        speak(made[0], session, np.zeros(8000, np.float32))
        session.finish()
        made[0].run()
        session.unsubscribe(line)
        session.owner = None
        live.sessions.left(session, for_good=False)
        begun_s = time.monotonic()
        ending = asyncio.create_task(live.drain())
        await asyncio.sleep(0.5)
        assert not ending.done()
        if comes_back:
            session.ack(session.last_seq)
        await ending
        return time.monotonic() - begun_s

    took_s = asyncio.run(drained())
    made[0].close()
    assert (took_s < 2.0) if comes_back else (2.5 < took_s < 6.0)


def test_a_session_that_cannot_be_saved_touches_no_other():
    class Broken:
        def __init__(self, inner):
            self.open, self.advance, self.restore = inner.open, inner.advance, inner.restore

        def save(self, session):
            raise ValueError("no snapshot today")

    turns = Scheduler({"plain": Broken(counting())}, EngineSettings(snapshot_s=0.1), lambda: 0.0)
    for number in (1, 2):
        turns.open(number, "plain", {"src_lang": "en", "tgt_lang": "de"})
        turns.add(number, Item("audio", np.zeros(3200, np.float32)))
    said = []
    while turns.busy:
        said += [output for output in turns.step() if output.events]
    assert {output.session for output in said} == {1, 2}
    assert all(output.snapshot is None for output in said)


# ------------------------------------------------------------------ memory, languages


def test_changes_without_audio_between_them_are_not_kept_for_ever():
    sessions, engine = rooms(served_alone(counting()))
    session = sessions.open(Start(audio={"encoding": "f32le", "rate_hz": 16_000}))
    for number in range(300):
        session._do(Item("update", changes={"policy": f"wait-k:k={1 + number % 5}"}))
    kept = [item.changes for item in session._items]
    assert len(kept) == 300  # their number is what snapshots count by
    assert [bool(changes) for changes in kept] == [False] * 292 + [True] * 8
    speak(engine, session, np.zeros(3200, np.float32))
    session._do(Item("update", changes={"policy": "wait-k:k=2"}))
    assert session._items[-1].changes == {"policy": "wait-k:k=2"}
    engine.restart()
    session.open()  # all of it again, to a new engine
    engine.run()
    assert session.fault is None
    engine.close()


def test_the_languages_of_a_room_stay(server):
    sessions, engine = rooms(served_alone(counting()))
    session = sessions.open(start())
    with pytest.raises(Fault, match="the languages of a room are chosen when it is begun"):
        session.update({"tgt_lang": "es"})
    session.update({"policy": "wait-k:k=2"})
    engine.close()


def test_a_viewer_may_ask_for_any_place_at_no_cost():
    channel = Rooms(RoomSettings()).open("r").channel("translation", "de")
    for number in range(500):
        channel.add(Caption(text=f" w{number}", wall_s=0.0))
    texts = [json.loads(channel.message(after)[0]) for after in range(-1, 400)]
    assert [(text["after"], text["first"]) for text in texts[:3]] == [(-1, 0), (0, 1), (1, 2)]
    assert len(channel._written) <= 32


READER = """
globalThis.document = { addEventListener() {}, hidden: false };
globalThis.addEventListener = () => {};
globalThis.location = { href: "http://x/room/r" };
globalThis.setInterval = () => 0;
let line;
globalThis.WebSocket = class {
  static OPEN = 1; static CLOSED = 3;
  constructor() { line = this; this.readyState = 1; }
  send() {} close() {}
};
const { RoomReader } = await import(process.argv[1]);
let shown = [];
const quiet = { room() {}, state() {}, clear() { shown = []; } };
const show = (list) => shown.push(...list.map((caption) => caption.text));
const reader = new RoomReader("r", { ...quiet, captions: show });
const say = (message) => line.onmessage({ data: JSON.stringify(message) });
const captions = (language, after, first, count) => say({
  type: "captions", role: "translation", language, after, first, draft: "",
  captions: Array.from({ length: count }, (_, i) => ({ text: language + (first + i), wall_s: 0 })),
});
const channels = ["de", "es"].map((language) => ({ role: "translation", language }));
say({ type: "room", history: "h", name: "r", title: "r", state: "live", channels });
reader.watch("translation", "de");
captions("de", -1, 0, 5);
reader.watch("translation", "es");  // through the list with the arrow keys, and back
reader.watch("translation", "de");
captions("de", 4, 5, 1);  // was on its way
captions("es", -1, 0, 5);
captions("de", -1, 0, 6);
captions("de", 5, 6, 1);
captions("de", 6, 9, 1);  // some were not kept
console.log(shown.join(" "));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_a_page_that_changes_its_language_and_back_shows_the_whole_history():
    command = ["node", "--input-type=module", "-e", READER, (WEB / "viewer.js").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [f"de{number}" for number in (*range(7), 9)]


# ------------------------------------------------------------------ the client


@contextlib.asynccontextmanager
async def scripted(frame_s=10.0, cuts=False):
    """A server that greets, takes frames of at most `frame_s`, and may cut every line."""
    state = {"lines": 0, "refuses": False, "samples": 0}
    hello = write(Hello(models=(), limits=Limits(max_frame_s=frame_s)))

    async def line(ws):
        state["lines"] += 1
        await ws.send(hello)
        begun = {"session": "s", "token": "t"}
        if json.loads(await ws.recv())["type"] == "start":
            await ws.send(write(Started(model="m", src_lang="en", tgt_lang="de", **begun)))
        else:
            await ws.send(write(Resumed(samples=0, finishing=False, **begun)))
        async for message in ws:
            if not isinstance(message, bytes):
                continue
            samples = (len(message) - 8) // 4
            if cuts:
                ws.transport.abort()
                return
            if samples > frame_s * 16_000:
                await ws.send(write(ErrorMessage.of(Fault("frame_too_long", "too long"))))
                await ws.close(4413, "frame_too_long")
                return
            state["samples"] += samples
            await ws.send(write(Received(samples=state["samples"], lag_s=0.0, recovering=False)))

    def refuse(connection, request):
        return connection.respond(503, "busy") if state["refuses"] else None

    async with serve_socket(line, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", state


async def endless(seconds):
    while True:
        yield Audio.of(np.zeros(round(16_000 * seconds), np.float32))
        await asyncio.sleep(0.02)


async def outcome(client, source, most_s=20.0):
    async with asyncio.timeout(most_s):
        return [stamped async for stamped in client.translate(source)]


def test_an_error_of_the_source_is_the_caller_s():
    async def breaking():
        yield Audio.of(np.zeros(1600, np.float32))
        raise ValueError("the source broke")

    async def run():
        async with scripted() as (url, _):
            await outcome(Client(url), breaking())

    with pytest.raises(ValueError, match="the source broke"):
        asyncio.run(run())


def test_packets_are_as_long_as_the_server_takes():
    async def run():
        async with scripted(frame_s=0.3) as (url, state):
            client = Client(url)
            with contextlib.suppress(TimeoutError):
                await outcome(client, endless(1.0), 2.0)
            return client.counts.reconnects, state

    reconnects, state = asyncio.run(run())
    assert reconnects == 0
    assert state["samples"] > 16_000


def test_what_ends_every_connection_ends_the_stream():
    class Stubborn(Client):
        def _parts(self, packet):  # one that does not heed what the server takes
            yield packet.offset, packet.pcm

    async def run():
        async with scripted(frame_s=0.3) as (url, state):
            with pytest.raises(ServerError, match="frame_too_long"):
                await outcome(Stubborn(url), endless(1.0))
            return state["lines"]

    assert asyncio.run(run()) == 2


def test_who_was_connected_for_long_has_its_patience_again(monkeypatch):
    # Twice a line breaks after it was quiet for longer than the patience lasts.
    lines = []

    async def connection(self):
        lines.append(time.monotonic())
        self._progressed, self._greeted_s = False, math.inf
        if self.session is None:
            self.session = Started(session="s", token="t", model="m", src_lang="en", tgt_lang="de")
            self._progressed = True
            raise ConnectionError("broken")
        self._greeted_s = time.monotonic() - 60.0  # it stood for a minute, and nothing was said
        await asyncio.sleep(0.3)
        if len(lines) < 4:
            raise ConnectionError("broken")

    monkeypatch.setattr(Client, "_connection", connection)
    asyncio.run(outcome(Client("http://127.0.0.1:1", patience_s=0.2), endless(0.1)))
    assert len(lines) == 4


def test_a_server_that_falls_silent_is_left(monkeypatch):
    monkeypatch.setattr("earvoice.serve.client.SILENCE_S", 0.5)
    lines = []

    async def silent(ws):
        lines.append(ws)
        await ws.send(write(Hello(models=(), limits=Limits())))
        await ws.recv()
        begun = {"session": "s", "token": "t", "model": "m", "src_lang": "en", "tgt_lang": "de"}
        if len(lines) == 1:
            await ws.send(write(Started(**begun)))
        await ws.wait_closed()

    async def run():
        async with serve_socket(silent, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(ServerError, match="unreachable"):
                await outcome(Client(url, patience_s=1.0), endless(0.1))

    asyncio.run(run())
    assert len(lines) > 1


def test_the_server_gives_a_sign_though_nothing_changes(server, monkeypatch):
    monkeypatch.setattr("earvoice.serve.connection.RECEIVED_S", 0.3)
    stream = open_socket(server, "/v1/stream")
    stream.recv()
    stream.send(json.dumps({"type": "start", "model": "plain"}))
    kinds = [json.loads(stream.recv(timeout=5))["type"] for _ in range(4)]
    assert kinds[1:] == ["received"] * 3


@pytest.mark.parametrize("refuses", [True, False])
def test_patience_ends_whatever_the_server_does(refuses):
    async def run():
        async with scripted(cuts=True) as (url, state):

            async def later():
                await asyncio.sleep(0.3)
                state["refuses"] = refuses

            changing = asyncio.create_task(later())
            with pytest.raises(ServerError):
                await outcome(Client(url, patience_s=1.0), endless(0.1))
            await changing

    asyncio.run(run())
