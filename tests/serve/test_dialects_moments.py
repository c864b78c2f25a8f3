"""Moments at which a client of another protocol is slow, silent, gone, or asks for too much."""

import asyncio
import base64
import contextlib
import http.client
import json
import logging
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from earvoice.serve.dialects import bodies
from earvoice.serve.dialects.native import NativeStream
from earvoice.serve.dialects.openai_realtime import TranslationSession
from earvoice.serve.dialects.simulstream import SimulstreamSocket
from earvoice.serve.engine import ServedModel
from earvoice.serve.errors import ERRORS, Fault
from earvoice.serve.protocol import Start
from earvoice.testing import FakeInterpreter
from tests.serve.fake_engine import words
from tests.serve.here import rooms
from tests.serve.running import expected, running, sound, text_of
from tests.serve.test_dialects import ask, no_sessions, pieces, segment, wav

FAILING = """
import argparse, socket, sys
sys.path.insert(0, sys.argv.pop(1))
from tests.serve.fake_engine import EngineSettings, run, served
parser = argparse.ArgumentParser()
parser.add_argument("--settings", default="{}")
parser.add_argument("--fd", type=int)
args = parser.parse_args()
settings = EngineSettings.model_validate_json(args.settings)
run(socket.socket(fileno=args.fd), {"failing": served()["failing"]}, settings)
"""
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def server():
    with running(limits={"idle_s": 1.5}, handshake_s=1.0) as up:
        yield up


@pytest.fixture(scope="module")
def patient():
    """Bodies may stop coming for longer than these tests take."""
    with running(handshake_s=60, max_connections_per_address=8) as up:
        yield up


@contextlib.contextmanager
def here(**limits):
    """Sessions in this process, of a model that is advanced by hand."""
    model = FakeInterpreter(words, chunk_samples=1600)
    sessions, engine = rooms({"m": ServedModel("m", model, ("en",), ("de",))})
    changed = sessions.settings.limits.model_copy(update=limits)
    sessions.settings = sessions.settings.model_copy(update={"limits": changed})
    with contextlib.closing(engine):
        yield sessions, engine


def waveform(samples):
    return base64.b64encode(samples.astype("<f4").tobytes()).decode()


def errors(sessions, code):
    return sessions.metrics.errors.labels(code)._value.get()


# Bodies.


def test_a_segment_of_simuleval_has_a_few_seconds(server):
    for seconds, status in ((6, 200), (12, 413)):
        assert ask(server, "POST", "reset", b"")[0] == 200
        got, answer = ask(server, "PUT", "input", segment(sound(seconds)))
        assert got == status, answer
    assert "more than 2097152 bytes" in answer["error"]
    assert ask(server, "POST", "reset", b"")[0] == 200


class Body:
    """A request with this body, whole."""

    def __init__(self, data):
        self._data = data

    async def stream(self):
        yield self._data


def test_a_body_is_parsed_beside_the_event_loop(monkeypatch):
    where = []
    loads = json.loads

    def seen(data):
        where.append(threading.current_thread())
        return loads(data)

    monkeypatch.setattr(bodies.json, "loads", seen)
    assert asyncio.run(bodies.read_json(Body(b'{"a": [1]}'), 100, 1.0)) == {"a": [1]}
    assert threading.main_thread() not in where


def begun(server, head, body=b"{"):
    """A request whose body does not come to its end."""
    line = server.closing.enter_context(socket.create_connection(("127.0.0.1", server.port)))
    line.settimeout(8)
    line.sendall(f"{head} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n".encode())
    line.sendall(b"Content-Type: multipart/form-data; boundary=B\r\n\r\n" + body)
    return line


def test_a_body_that_stops_coming_keeps_nobody_from_the_agent(patient):
    with begun(patient, "PUT /input"):
        assert ask(patient, "POST", "reset", b"")[0] == 200


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("PUT /input", b"{"),
        ("POST /process_chunk", b""),
        (
            "POST /v1/audio/translations",
            b"--B\r\nContent-Disposition: form-data; name=file\r\n\r\n",
        ),
    ],
)
def test_a_silent_body_is_answered_and_the_line_closed(server, head, body):
    said = b""
    with begun(server, head, body) as line:
        while part := line.recv(4000):
            said += part
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"nothing of the body came for" in said


@pytest.mark.parametrize(
    "head", ["PUT /input", "POST /process_chunk", "POST /v1/audio/translations"]
)
def test_who_leaves_within_a_body_is_no_error_of_the_server(server, head, caplog):
    with caplog.at_level(logging.ERROR):
        begun(server, head).close()
        time.sleep(0.3)
    assert not caplog.records


def test_http_requests_count_as_connections_of_an_address(patient):
    lines = [begun(patient, "POST /process_chunk") for _ in range(4)]
    lines += [begun(patient, "PUT /input") for _ in range(4)]
    time.sleep(0.2)
    for method, path in (("POST", "reset"), ("GET", "speech_chunk_size")):
        assert ask(patient, method, path, {"session_id": "a"})[0] == 429
    with begun(patient, "PUT /input") as line:
        said = b""
        while part := line.recv(4000):  # to its end
            said += part
    assert said.startswith(b"HTTP/1.1 429 ")
    answer = httpx.post(f"{patient.url}/v1/audio/translations", timeout=10)
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    for line in lines:
        line.close()
    for _ in range(100):
        if ask(patient, "POST", "reset", b"")[0] == 200:
            break
        time.sleep(0.02)
    assert not patient.live.gate._by_address


# Sessions that are gone, fail, or are not what was asked.


@pytest.mark.parametrize("doing", ["settled", "hear", "hear_more"])
def test_a_session_that_was_dropped_is_told(doing):
    async def run(sessions):
        stream = NativeStream(sessions, Start())
        if doing == "hear":
            sessions.remove(stream.session)
            await stream.hear(b"\0" * 320)
        elif doing == "hear_more":  # it waits for a model that never comes so far
            asyncio.get_running_loop().call_later(0.1, sessions.remove, stream.session)
            await stream.hear(b"\0" * 320_000)
        else:
            await stream.hear(b"\0" * 3200)
            asyncio.get_running_loop().call_later(0.1, sessions.remove, stream.session)
            await stream.settled()

    with here(max_lag_s=2.0) as (sessions, _), pytest.raises(Fault) as caught:
        asyncio.run(asyncio.wait_for(run(sessions), 10))
    assert caught.value.code == "idle"


def test_a_session_that_is_over_can_be_read_to_its_end():
    samples = sound(0.5)

    async def run(sessions, engine):
        stream = NativeStream(sessions, Start())
        await stream.hear((samples * 32768).astype("<i2").tobytes())
        stream.finish()
        engine.run()
        said = [message.event for message in await stream.settled()]
        return "".join(event["text"] for event in said if event["type"] == "commit")

    with here() as made:
        assert asyncio.run(run(*made)) == text_of(expected(samples))


def test_what_keeps_a_processor_keeps_its_session():
    name, samples = {"session_id": "a"}, sound(0.3)
    body = {**name, "waveform": waveform(samples)}
    with running(limits={"resume_window_s": 3.0}) as server:
        assert ask(server, "POST", "process_chunk", body)[0] == 200
        for _ in range(4):  # longer than the window, with the server's sweeps between
            time.sleep(1.2)
            assert ask(server, "PUT", "source_language", {**name, "language": "en"})[0] == 204
        assert ask(server, "POST", "process_chunk", body)[0] == 200
        # A session that is gone all the same ends the processor; the next chunk begins another.
        server.sessions.remove(server.sessions.live[0])
        status, answer = ask(server, "POST", "process_chunk", body)
        assert (status, answer["code"]) == (410, "idle")
        assert ask(server, "POST", "process_chunk", body)[0] == 200


def test_a_model_that_fails_is_the_server_s_error_in_both_http_dialects():
    loud = sound(0.2) + 0.95
    with running(engines=[sys.executable, "-c", FAILING, ROOT]) as server:
        status, answer = ask(
            server, "POST", "process_chunk", {"session_id": "a", "waveform": waveform(loud)}
        )
        assert (status, answer["code"]) == (500, "model_error")
        assert ask(server, "PUT", "input", segment(loud))[0] == 200
        status, answer = ask(server, "GET", "output", b"")
        assert (status, answer["code"]) == (500, "model_error")
        status, answer = ask(server, "PUT", "input", {**segment(loud), "tgt_lang": "xx"})
        assert (status, answer["code"]) == (400, "request_refused")


@pytest.mark.parametrize("tokens", [["\ud800"], ["a", "\udfffb"]])
def test_tokens_that_are_no_unicode_are_refused(server, tokens):
    status, answer = ask(server, "GET", "tokens_to_string", {"session_id": "a", "tokens": tokens})
    assert status == 400
    assert "Unicode" in answer["error"]


def post(server, path, **fields):
    files = {"file": ("talk.wav", wav(sound(0.2)))}
    data = {"model": "hears", **fields}
    return httpx.post(f"{server.url}/v1/audio/{path}", data=data, files=files, timeout=20)


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("transcriptions", {"timestamp_granularities": "word"}, "timestamp_granularities"),
        ("transcriptions", {"timestamp_granularities[]": "word"}, "timestamp_granularities"),
        ("transcriptions", {"timestamp_granularities[]": "page"}, "timestamp_granularities"),
        (
            "transcriptions",
            {"timestamp_granularities[]": "segment", "response_format": "json"},
            "timestamp_granularities",
        ),
        ("transcriptions", {"chunking_strategy": "nonsense"}, "chunking_strategy"),
        ("transcriptions", {"chunking_strategy[type]": "server_vad"}, "chunking_strategy"),
        ("transcriptions", {"stream": "perhaps"}, "stream"),
        ("transcriptions", {"stream": "true", "response_format": "srt"}, "response_format"),
        ("translations", {"stream": "true", "response_format": "json"}, "stream"),
        ("transcriptions", {"temperature": "nan"}, "temperature"),
    ],
)
def test_what_openai_s_files_cannot_have_is_refused_not_ignored(server, path, fields, param):
    answer = post(server, path, **{"response_format": "verbose_json", **fields})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("unsupported_value", param)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("transcriptions", {"timestamp_granularities[]": "segment"}),
        ("transcriptions", {"chunking_strategy": "auto", "temperature": "0.00"}),
        ("translations", {"stream": "false"}),
    ],
)
def test_what_they_can_have_is_given(server, path, fields):
    answer = post(server, path, **{"response_format": "verbose_json", **fields})
    assert answer.status_code == 200
    assert answer.json()["text"] == text_of(expected(sound(0.2)))


# Sockets.


class Deaf:
    """A web socket whose client reads nothing."""

    def __init__(self):
        self.query_params = {}
        self.inbox = asyncio.Queue()
        self.closed = []
        self.deaf = asyncio.Event()

    async def receive(self):
        return await self.inbox.get()

    async def send_text(self, text):
        if self.deaf.is_set():
            await asyncio.sleep(1_000)

    async def close(self, code=1000, reason=""):
        self.closed.append((code, reason))


@pytest.mark.parametrize("kind", [SimulstreamSocket, TranslationSession])
def test_who_does_not_read_is_told_so_by_the_close_and_counted(kind):
    async def run(sessions, engine):
        line = Deaf()
        serving = asyncio.create_task(kind(line, sessions).run())
        await asyncio.sleep(0.05)
        line.deaf.set()
        pcm = (sound(1) * 32768).astype("<i2").tobytes()
        append = {"type": "session.input_audio_buffer.append"}
        text = json.dumps({**append, "audio": base64.b64encode(pcm).decode()})
        message = {"bytes": pcm} if kind is SimulstreamSocket else {"text": text}
        line.inbox.put_nowait({"type": "websocket.receive", **message})
        await asyncio.sleep(0.1)
        engine.run()
        await asyncio.wait_for(serving, 10)
        return line.closed

    with here(write_stall_s=0.1) as (sessions, engine):
        closed = asyncio.run(run(sessions, engine))
        assert errors(sessions, "slow_consumer") == 1
        assert not sessions.live
    assert closed[0] == (ERRORS["slow_consumer"].close, "slow_consumer")


@contextlib.contextmanager
def transcribing(server):
    query = "intent=transcription&model=hears"
    with connect(f"ws://127.0.0.1:{server.port}/v1/realtime?{query}") as line:
        assert until(line, "session.created")
        yield line


def until(line, kind):
    while True:
        event = json.loads(line.recv(timeout=10))
        if event["type"] == kind:
            return event


def send(line, kind, **rest):
    line.send(json.dumps({"type": kind, **rest}))


def item(line, samples):
    """One item, from its first append to its text."""
    for piece in pieces(samples):
        send(line, "input_audio_buffer.append", audio=piece)
    send(line, "input_audio_buffer.commit")
    done = until(line, "conversation.item.input_audio_transcription.completed")
    return done["transcript"]


def test_silence_between_two_items_ends_no_realtime_session(server):
    samples = sound(0.5, rate_hz=24_000)
    want = text_of(expected(samples, rate_hz=24_000))
    with transcribing(server) as line:
        for _ in range(2):
            time.sleep(2.2)  # idle_s is 1.5
            assert item(line, samples) == want
        send(line, "input_audio_buffer.append", audio=pieces(samples)[0])
        assert until(line, "error")["error"]["code"] == "idle"  # within one it holds a place
        with pytest.raises(ConnectionClosed) as caught:
            line.recv(timeout=5)
    assert caught.value.rcvd.code == 4408
    assert no_sessions(server)


def test_a_realtime_session_ends_at_its_age():
    with running(limits={"max_session_s": 1.5}) as server, transcribing(server) as line:
        begin_s = time.monotonic()
        assert until(line, "error")["error"]["code"] == "session_expired"
        assert 1.0 < time.monotonic() - begin_s < 6
        with pytest.raises(ConnectionClosed) as caught:
            line.recv(timeout=5)
    assert caught.value.rcvd.code == 4440


def test_an_item_for_which_there_is_no_place_can_be_asked_for_again():
    samples = sound(0.5, rate_hz=24_000)
    with running(max_sessions=1) as server, transcribing(server) as line:
        want = text_of(expected(samples, rate_hz=24_000))
        assert item(line, samples) == want
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream") as other:
            until(other, "hello")
            other.send('{"type": "start", "model": "plain"}')
            until(other, "started")
            send(line, "input_audio_buffer.append", audio=pieces(samples)[0], event_id="e7")
            error = until(line, "error")["error"]
            assert (error["code"], error["event_id"]) == ("overloaded", "e7")
            assert error["type"] == "server_error"
            send(line, "input_audio_buffer.commit")
            error = until(line, "error")["error"]
            assert error["code"] == "input_audio_buffer_commit_empty"
        assert no_sessions(server)
        assert item(line, samples) == want


def test_the_first_audio_of_a_realtime_translation_can_be_sent_again():
    samples = sound(0.5, rate_hz=24_000)
    with (
        running(max_sessions=1) as server,
        connect(f"ws://127.0.0.1:{server.port}/v1/realtime/translations?model=plain") as line,
    ):
        until(line, "session.created")
        append = "session.input_audio_buffer.append"
        other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        body = {"session_id": "a", "waveform": waveform(sound(0.2))}
        other.request("POST", "/process_chunk", json.dumps(body))
        assert other.getresponse().status == 200
        send(line, append, audio=pieces(samples)[0])
        assert until(line, "error")["error"]["code"] == "overloaded"
        assert ask(server, "POST", "clear", {"session_id": "a"})[0] == 204
        for piece in pieces(samples):
            send(line, append, audio=piece)
        send(line, "session.close")
        said = ""
        while (event := json.loads(line.recv(timeout=10)))["type"] != "session.closed":
            said += event["delta"]
        other.close()
    assert said == text_of(expected(samples, rate_hz=24_000))
