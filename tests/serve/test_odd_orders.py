"""Lines that break, signals and requests at moments that are rare, and what is lost by them."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from starlette.requests import Request
from websockets.asyncio.server import serve as serve_socket

from earvoice.audio import Audio
from earvoice.cli.serve_engine import load_models
from earvoice.errors import AudioError, UsageError
from earvoice.serve.app import LiveServer
from earvoice.serve.auth import Gate
from earvoice.serve.client import Client, ServerError
from earvoice.serve.connection import Connection
from earvoice.serve.dialects import multipart
from earvoice.serve.dialects.openai_files import AudioFiles
from earvoice.serve.engine import ServedModel
from earvoice.serve.errors import Fault
from earvoice.serve.frames import pack_audio
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import (
    EventMessage,
    Finish,
    Hello,
    Received,
    Resume,
    Resumed,
    Start,
    Started,
    Update,
    write,
)
from earvoice.serve.rooms import Viewer
from earvoice.serve.server import ListenError, uvicorn_config
from earvoice.serve.sessions import Sessions
from earvoice.serve.settings import Limits, ServeSettings
from earvoice.testing import FakeInterpreter
from tests.serve.here import HereEngine, served_alone
from tests.serve.running import collect, expected, paced, packets, running, sound, text_of
from tests.srt import validated_srt

WEB = Path(__file__).parents[2] / "earvoice/serve/web"
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
SOUND = {"encoding": "f32le", "rate_hz": 16_000}


def counting():
    """An interpreter that says a word for every tenth of a second."""
    return FakeInterpreter(lambda chunk: [str(chunk.samples.size)], chunk_samples=1600)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def server_here(models, clock=time.monotonic, **settings):
    """The sessions of a network process with an engine in this one."""
    made = []

    def connected(owner):
        made.append(HereEngine(owner, models))
        return made[0]

    return Sessions(connected, ServeSettings(**settings), Metrics(), clock), made[0]


def began(sessions, **options):
    return sessions.open(Start(**{"audio": SOUND, **options}))


def node(script, *files):
    command = ["node", "--input-type=module", "-e", script, *((WEB / f).as_uri() for f in files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


# ------------------------------------------------------------------ who is let in


def test_a_recording_that_is_fed_at_speed_keeps_nobody_out():
    clock = Clock()
    sessions, engine = server_here(served_alone(counting()), clock)
    session = began(sessions)
    for second in range(20):
        session.hear(pack_audio(16_000 * second, Audio.of(sound(1.0))))
    assert session.lag_s == 20
    assert sessions.refusal() is None
    clock.now_s = 10.0  # now ten seconds of it would have been spoken, and none is processed
    assert "10.0 s behind" in str(sessions.refusal())
    engine.close()


# ------------------------------------------------------------------ lines that break


def test_events_up_to_the_limit_are_there_for_a_client_that_says_nothing():
    sessions, engine = server_here(served_alone(counting()), limits={"max_kept_events": 10})
    session = began(sessions)
    reader = session.subscribe()
    for packet in range(15):
        session.hear(pack_audio(1600 * packet, Audio.of(sound(0.1))))
        engine.run()
        reader.take()
    assert session.last_seq > 12
    assert len(session.events) == 10
    session.unsubscribe(reader)  # the line breaks while the last one is on its way
    message = Resume(token=session.token, last_seq=session.last_seq - 1)
    assert sessions.resume(session.id, message) is session
    engine.close()


def test_who_has_more_than_was_said_has_another_session():
    sessions, engine = server_here(served_alone(counting()))
    session = began(sessions)
    session.hear(pack_audio(0, Audio.of(sound(1.0))))
    engine.run()
    with pytest.raises(Fault, match="last_seq is 500") as caught:
        sessions.resume(session.id, Resume(token=session.token, last_seq=500))
    assert caught.value.code == "resume_refused"
    assert sessions.resume(session.id, Resume(token=session.token)) is session
    engine.close()


def test_a_change_that_a_broken_line_lost_is_said_again_at_its_place():
    got = []

    async def line(ws):
        await ws.send(write(Hello(models=(), limits=Limits())))
        ids = {"session": "s", "token": "t"}
        first = json.loads(await ws.recv())["type"] == "start"
        if first:
            await ws.send(write(Started(model="m", src_lang="en", tgt_lang="de", **ids)))
        else:
            await ws.send(write(Resumed(samples=1600, finishing=False, **ids)))
        samples = 0 if first else 1600
        async for message in ws:
            if isinstance(message, bytes):
                samples += (len(message) - 8) // 4
                got.append(samples)
                await ws.send(write(Received(samples=samples, lag_s=0.0)))
            elif json.loads(message)["type"] == "update":
                if first:
                    ws.transport.abort()  # it was on its way
                    return
                got.append("update")
            elif json.loads(message)["type"] == "finish":
                event = {"type": "finished"}
                await ws.send(write(EventMessage(seq=0, heard_s=0, wall_s=0, event=event)))

    async def speech(client):
        yield Audio.of(sound(0.1))
        await asyncio.sleep(0.2)
        client.update(policy="wait-k:k=1")
        for _ in range(3):
            yield Audio.of(sound(0.1))
        await asyncio.sleep(1.5)

    async def run():
        async with serve_socket(line, "127.0.0.1", 0) as server, asyncio.timeout(30):
            client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            return [stamped async for stamped in client.translate(speech(client))]

    asyncio.run(run())
    assert got == [1600, "update", 3200, 4800, 6400]


def test_changes_at_one_place_that_wait_for_a_connection_are_one():
    client = Client("http://127.0.0.1:1")
    for k in range(1, 40):
        client.update(policy=f"wait-k:k={k}")
    client.update(tgt_lang="es")
    ((place, asked),) = client._controls
    assert (place, asked.policy, asked.tgt_lang) == (0, "wait-k:k=39", "es")


PAGE = """
globalThis.location = { origin: "http://x" };
globalThis.setInterval = () => 0;
globalThis.setTimeout = (next) => { later.push(next); };
const later = [];
let line, sent = [];
globalThis.WebSocket = class {
  static OPEN = 1;
  constructor() { line = this; this.readyState = 1; }
  send(data) { sent.push(typeof data === "string" ? JSON.parse(data).type : "audio"); }
  close() {}
};
const { Stream } = await import(process.argv[1]);
const stream = new Stream({ audio: { rate_hz: 16000 } }, "", { say() {}, state() {}, lag() {} });
const say = (message) => line.onmessage({ data: JSON.stringify(message) });
const packet = () => stream.push(new ArrayBuffer(3200));
line.onopen();
say({ type: "started", session: "s", token: "t" });
packet();
say({ type: "received", samples: 1600, lag_s: 0 });
stream.update({ glossary: [] });
packet();
line.onclose();  // neither came
packet();
stream.update({ glossary: [] });
sent = [];
later.shift()();
line.onopen();
say({ type: "resumed", session: "s", token: "u", samples: 1600 });
console.log(sent.join(" "));
say({ type: "received", samples: 6400, lag_s: 0 });
packet();
sent = [];
line.onclose();
later.shift()();
line.onopen();
say({ type: "resumed", session: "s", token: "v", samples: 6400 });
console.log(sent.join(" "));
"""


@NODE
def test_a_page_says_its_changes_again_until_they_are_confirmed():
    first, second = node(PAGE, "stream.js").splitlines()
    assert first == "resume ping update audio audio update"
    assert second == "resume ping"


def test_a_stream_whose_rate_changes_is_an_error_of_its_source():
    async def source():
        yield Audio.of(sound(0.1))
        yield Audio.of(sound(0.1, rate_hz=48_000), 48_000)

    async def run():
        client = Client(up.url, start=Start(model="plain"))
        return [stamped async for stamped in client.translate(source())]

    with running() as up, pytest.raises(AudioError, match="changed from 16000 Hz to 48000 Hz"):
        asyncio.run(run())


def test_sound_at_the_edge_of_what_is_legal_is_still_legal_once_it_is_resampled():
    sessions, engine = server_here(served_alone(counting()))
    session = began(sessions, audio={**SOUND, "rate_hz": 48_000})
    loud = np.where(np.arange(24_000) // 40 % 2, 15.9, -15.9).astype(np.float32)
    session.hear(pack_audio(0, Audio.of(loud, 48_000)))
    session.finish()
    engine.run()
    assert session.fault is None
    assert session.finished
    engine.close()


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize("host", ["a" * 4000, "[::", "x/../y", "a b"])
def test_a_code_is_drawn_whatever_the_request_calls_the_server(host):
    with running() as up:
        asked = urllib.request.Request(f"{up.url}/v1/rooms/hall/code.svg", headers={"Host": host})
        with urllib.request.urlopen(asked) as answer:
            assert answer.status == 200
            assert len(answer.read()) < 20_000


def upload(fields, data=b"RIFF"):
    parts = [f'--B\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}' for k, v in fields]
    parts.append('--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n')
    return "\r\n".join(parts).encode() + data + b"\r\n--B--\r\n"


def request_of(body):
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", b"multipart/form-data; boundary=B")],
        "client": ("127.0.0.1", 1),
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    return scope, receive


def test_a_client_that_leaves_before_the_first_piece_frees_its_place():
    hears = {"multi": ServedModel("multi", counting(), ("en",), ("de",), transcript=True)}
    sessions, engine = server_here(hears)
    sessions.engine.models = tuple(
        model.model_copy(update={"transcript": True}) for model in sessions.models
    )

    async def run():
        scope, receive = request_of(upload([("model", "multi"), ("stream", "true")]))

        async def send(message):
            await asyncio.sleep(0)

        answer = await AudioFiles(sessions, Gate((), (), 9)).transcribe(Request(scope, receive))
        assert len(sessions.live) == 1
        await answer(scope, receive, send)

    asyncio.run(run())
    assert sessions.live == []
    engine.close()


def test_a_file_that_does_not_fit_on_the_disk_is_an_answer(monkeypatch):
    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    sessions, engine = server_here(served_alone(counting()))
    monkeypatch.setattr(multipart.tempfile, "TemporaryFile", Full)
    scope, receive = request_of(upload([("model", "multi")]))
    files = AudioFiles(sessions, Gate((), (), 9))
    answer = asyncio.run(files.translate(Request(scope, receive)))
    assert answer.status_code == 507
    assert json.loads(answer.body)["error"]["code"] == "upload_not_stored"
    engine.close()


def test_a_session_that_fails_outside_the_engine_frees_its_row_in_it():
    sessions, engine = server_here(served_alone(counting()))
    session = began(sessions)
    session.hear(pack_audio(0, Audio.of(sound(0.5))))
    session.fail(Fault("audio_invalid", "the rest of the file is no audio"))
    sessions.remove(session)
    engine.run()
    assert not engine._engine._scheduler._tasks
    engine.close()


# ------------------------------------------------------------------ engines that die of a session

DYING = """
import os, sys
from tests.serve import fake_engine as fake
from earvoice.serve.engine import ServedModel, run
from earvoice.serve.settings import EngineSettings
import numpy, socket
def words(chunk):
    if chunk.samples.size and numpy.abs(chunk.samples).max() > 0.9:
        os._exit(3)
    return fake.words(chunk)
model = fake.FakeInterpreter(words, chunk_samples=fake.CHUNK)
sock = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
run(sock, {"plain": ServedModel("plain", model, ("en",), ("de",))}, EngineSettings())
"""


@pytest.mark.parametrize("at_end", [False, True])
def test_a_session_that_engines_die_of_is_given_up_and_the_others_go_on(at_end):
    good, bad = sound(3.0, 1), sound(1.05, 2)
    bad[-10 if at_end else 8000] = 0.95

    async def say(samples):
        async for packet in paced(packets(samples), 0.05):
            yield packet
        await asyncio.sleep(0)

    async def run(url):
        streams = [Client(url), Client(url)]
        sounds = [say(good), say(bad)]
        said = [collect(client, audio) for client, audio in zip(streams, sounds, strict=True)]
        return await asyncio.gather(*said, return_exceptions=True)

    with running(engines=[sys.executable, "-c", DYING]) as up:
        heard, failed = asyncio.run(asyncio.wait_for(run(up.url), 120))
        assert isinstance(failed, ServerError)
        assert failed.code == "worker_lost"
        assert [stamped.event for stamped in heard] == expected(good)
        assert up.sessions.engine.starts <= 5


# ------------------------------------------------------------------ signals


class Deaf:
    """A connection whose client reads nothing."""

    async def closing(self, reason, in_s):
        await asyncio.sleep(60)


def test_who_reads_nothing_does_not_hold_up_the_end():
    with running(drain_s=0.3) as up:
        up.live._connections |= {Deaf(), Deaf()}
        began_s = time.monotonic()
        asyncio.run(asyncio.wait_for(up.live.drain(), 30))
        assert time.monotonic() - began_s < 10
        up.live._connections.clear()


def test_an_audience_is_told_that_the_server_shuts_down():
    sessions, engine = server_here(served_alone(counting()))
    viewer = Viewer(sessions.rooms.open("hall"))
    viewer.room.viewers.add(viewer)
    sessions.rooms.closing("the server shuts down", 5.0)
    assert viewer.wake.is_set()
    told = [json.loads(text) for text in viewer.take()]
    assert told[0] == {"type": "closing", "reason": "the server shuts down", "in_s": 5.0}
    assert [message["type"] for message in told[1:]] == ["room"]
    assert viewer.take() == []
    engine.close()


def test_files_that_are_no_certificate_are_named(tmp_path):
    files = tmp_path / "c.pem", tmp_path / "k.pem"
    for file in files:
        file.write_text("none")
    with pytest.raises(ListenError, match="--tls-cert .*c.pem and --tls-key .*k.pem are no"):
        uvicorn_config(LiveServer(["true"], ServeSettings()), "127.0.0.1", 0, files)


LOADING = """
import sys
from earvoice.serve.app import LiveServer
from earvoice.serve.logs import set_up
from earvoice.serve.server import Address, serve
from earvoice.serve.settings import ServeSettings
set_up("info")
engine = "import os, time; print(os.getpid(), flush=True); time.sleep(120)"
serve(LiveServer([sys.executable, "-c", engine], ServeSettings()), Address(port=0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_models_load_ends_the_server_and_its_engine(number):
    command = [sys.executable, "-c", LOADING]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        engine = int(process.stdout.readline())
        process.send_signal(number)
        try:
            _, told = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert told == ""
    assert not Path(f"/proc/{engine}").exists()


def test_a_model_of_several_microphones_is_refused_before_anyone_speaks_to_it():
    with pytest.raises(UsageError, match="--model jstar-mini-en-es hears with 5 microphones"):
        load_models(["jstar-mini-en-es"], 1, 1)


# ------------------------------------------------------------------ subtitles of the page

SUBTITLES = """
const { formats } = await import(process.argv[1]);
const commits = COMMITS;
process.stdout.write(JSON.stringify([formats.srt({ commits }), formats.vtt({ commits })]));
"""
SHORT = [
    {"text": " Ja.", "span": [0.0, 0.4]},
    {"text": " Nein.", "span": [0.4, 0.6]},
    {"text": " Doch.", "span": [0.6, 0.8]},
    {"text": " Gut, so sei es nun.", "span": [0.8, 4.0]},
]
LONG = [
    {"text": f"{' Wort' * 60}.\n\n2\nNoch", "span": [0.0, 40.0]},
    {"text": "mehr --> Text", "span": [40.0, 41.0]},
]
WIDE = [{"text": "今天我想谈谈我们的服务。" * 20, "span": [0.0, 60.0], "language": "zh"}]


@NODE
@pytest.mark.parametrize("commits", [SHORT, LONG, WIDE])
def test_subtitles_of_the_page_are_legal_short_and_never_overlap(commits):
    given = json.dumps([{"heard_s": 60.0, "language": "de", **commit} for commit in commits])
    srt, vtt = json.loads(node(SUBTITLES.replace("COMMITS", given), "captions.js"))
    shown = validated_srt(srt)
    said = "".join(commit["text"] for commit in commits).replace("-->", "→")
    assert re.sub(r"\s", "", "".join(text for *_, text in shown)) == re.sub(r"\s", "", said)
    assert all(end_s - start_s < 7.01 for start_s, end_s, _ in shown)
    assert all(len(text) <= 84 for *_, text in shown)
    assert vtt.startswith("WEBVTT\n\n")
    assert "\n\n\n" not in vtt


TALK = [
    {"text": " Guten Tag.", "span": [0.0, 1.0], "speaker": "SELF"},
    {"text": " Hola.", "span": [0.5, 1.2], "speaker": "OTHER"},
    {"text": " Wie geht es?", "span": [1.0, 2.5], "speaker": "SELF"},
]


@NODE
def test_people_are_named_in_what_the_page_saves():
    script = SUBTITLES.replace("formats.vtt({ commits })", "formats.txt({ commits })")
    given = json.dumps([{"heard_s": 3.0, **commit} for commit in TALK])
    srt, text = json.loads(node(script.replace("COMMITS", given), "captions.js"))
    named = ["SELF: Guten Tag.", "OTHER: Hola.", "SELF: Wie geht es?"]
    assert [cue.splitlines()[2] for cue in srt.split("\n\n")] == named
    assert text.splitlines() == named


COLUMN = """
class Node {
  constructor() { Object.assign(this, { children: [], text: "", className: "" }); }
  get textContent() { return this.text + this.children.map((node) => node.textContent).join(""); }
  set textContent(text) { this.text = text; }
  get childElementCount() { return this.children.length; }
  append(node) {
    node.parent?.children.splice(node.parent.children.indexOf(node), 1);
    node.parent = this;
    this.children.push(node);
  }
  insertBefore(node, before) {
    node.parent = this;
    this.children.splice(this.children.indexOf(before), 0, node);
  }
  querySelector(name) {
    return this.children.find((node) => node.className === name.slice(1)) ?? null;
  }
  replaceChildren() { this.children = []; }
  normalize() {}
}
globalThis.document = { createElement: () => new Node() };
const { Column } = await import(process.argv[1]);
const shown = new Node(), column = new Column(shown);
column.commit(" Guten", "SELF", "de");
column.setDraft(" Hola", "OTHER", "es");
column.commit(" Tag.", "SELF", "de");
column.end("SELF");
column.commit(" Hola.", "OTHER", "es");
column.setDraft(" Wie", "SELF", "de");
const lines = shown.children.map((node) => `${node.lang} ${node.textContent}`);
process.stdout.write(JSON.stringify(lines));
"""


@NODE
def test_people_who_talk_at_once_have_lines_of_their_own_on_the_page():
    assert json.loads(node(COLUMN, "text.js")) == [
        "de SELF: Guten Tag.",
        "es OTHER: Hola.",
        "de SELF: Wie",
    ]


def test_an_update_that_is_refused_does_not_end_the_clients_stream():
    samples = sound(0.5)

    async def speech(client):
        for packet in packets(samples):
            yield packet
            client.update(tgt_lang="xx")

    async def run(url):
        client = Client(url, start=Start(model="plain"))
        return [stamped.event async for stamped in client.translate(speech(client))], client

    with running() as server:
        events, client = asyncio.run(run(server.url))
    assert text_of(events) == text_of(expected(samples))
    assert {error.code for error in client.refused} == {"update_refused"}


class AllAtOnce:
    """A socket on which a client says everything before the engine computes any of it."""

    def __init__(self, said, engine):
        self.said, self.engine, self.sent = list(said), engine, []

    async def receive(self):
        if self.said:
            message = self.said.pop(0)
            kind = "bytes" if isinstance(message, bytes) else "text"
            return {"type": "websocket.receive", kind: message}
        self.engine.run()
        return await asyncio.sleep(60)

    async def send_text(self, text):
        message = json.loads(text)
        if message["type"] == "error":
            self.sent.append(message["code"])
        elif message["type"] == "event":
            self.sent.append(message["event"]["type"])

    async def close(self, code, reason):
        self.sent.append(code)


def test_who_leaves_with_the_last_event_was_told_of_errors_before_it():
    sessions, engine = server_here(served_alone(counting()))
    start = Start(audio=SOUND)
    audio = pack_audio(0, Audio.of(sound(0.5)))
    said = [write(start), audio, write(Update(tgt_lang="xx")), write(Finish(samples=8000))]
    socket = AllAtOnce(said, engine)
    asyncio.run(asyncio.wait_for(Connection(socket, sessions).run(None), 20))
    engine.close()
    assert socket.sent.count("update_refused") == 1
    assert socket.sent.index("update_refused") < socket.sent.index("finished")
    assert socket.sent[-1] == 1000
