"""Rooms and requests at rare moments: pauses, failed languages, names, half requests."""

import contextlib
import functools
import http.client
import json
import socket
import sys
import threading
import time
import types

import numpy as np
import pytest

from earvoice.cli import main
from earvoice.cli.listen import _microphone
from earvoice.policies import HoldN
from earvoice.serve.auth import Gate
from earvoice.serve.engine import ServedModel
from earvoice.serve.errors import Fault
from earvoice.serve.protocol import Start
from earvoice.testing import FakeInterpreter
from tests.serve.here import rooms, speak
from tests.serve.running import running, sound

SOUND = {"encoding": "f32le", "rate_hz": 16_000}


def numbered(chunk):
    return [f"w{round(chunk.start_s * 10)}"]


def drafting():
    return FakeInterpreter(numbered, chunk_samples=1600, drafts=True, policy=HoldN(5))


def spoken_room(interpreter, **options):
    sessions, engine = rooms({"m": ServedModel("m", interpreter, ("en",), ("de", "es", "fr"))})
    speaker = sessions.open(Start(room="hall", tgt_lang="de", audio=SOUND, **options))
    speaker.owner = speaker.subscribe()
    return sessions, engine, speaker, sessions.rooms.find("hall")


def shown(room, language="de"):
    channel = room.channels[("translation", language)]
    return "".join(caption.text for caption in channel.captions), channel.draft


def test_no_draft_after_a_pause_shows_what_was_said_in_it():
    _, engine, speaker, room = spoken_room(drafting())
    at = speak(engine, speaker, sound(1.0))
    assert shown(room)[1]
    room.pause()
    at = speak(engine, speaker, sound(1.0), at)
    assert shown(room)[1] == ""
    room.resume()
    withheld = {f"w{number}" for number in range(10, 20)}
    for _ in range(20):
        at = speak(engine, speaker, sound(0.1), at)
        committed, draft = shown(room)
        assert not withheld & {*committed.split(), *draft.split()}
    assert "w25" in committed
    assert draft  # it comes again
    engine.close()


def test_words_that_reach_into_a_pause_are_withheld():
    _, engine, speaker, room = spoken_room(drafting())
    room._pauses = [(1.0, 2.0)]
    hides = functools.partial(room._hides, speaker)
    assert not hides([0.5, 1.0])
    assert hides([0.9, 1.1])
    assert hides([1.9, 2.5])
    assert hides([0.5, 2.5])
    assert not hides([2.0, 2.5])
    engine.close()


def test_languages_of_the_speaker_before_are_not_of_this_one():
    sessions, engine, speaker, room = spoken_room(drafting(), more_tgt_langs=("es", "fr"))
    speak(engine, speaker, sound(0.5))
    speaker.owner = None
    again = sessions.open(Start(room="hall", tgt_lang="de", audio=SOUND))
    again.owner = again.subscribe()
    told = {channel["language"]: channel for channel in room.overview()["channels"]}
    assert not any(channel["failed"] for channel in told.values())
    assert told["es"]["model"] is None
    engine.close()


def test_a_speaker_who_loads_the_page_anew_finds_the_own_places_when_all_are_taken():
    sessions, engine, speaker, _ = spoken_room(drafting(), more_tgt_langs=("es", "fr"))
    sessions.settings = sessions.settings.model_copy(update={"max_sessions": 3})
    again = Start(room="hall", tgt_lang="de", more_tgt_langs=("es", "fr"), audio=SOUND)
    with pytest.raises(Fault, match="all 3 sessions are taken"):
        sessions.open(again)
    assert not sessions.rooms.waits_for_a_speaker
    speaker.owner = None  # the line is cut
    assert sessions.rooms.waits_for_a_speaker
    with pytest.raises(Fault, match="all 3 sessions are taken"):
        sessions.open(Start(tgt_lang="de", audio=SOUND))
    assert sessions.open(again) in sessions.live
    assert len(sessions.live) == 3
    engine.close()


def test_marks_without_audio_between_them_are_one():
    _, engine, speaker, _ = spoken_room(drafting())
    speak(engine, speaker, sound(0.1))
    numbers = {speaker.mark() for _ in range(100)}
    engine.run()
    assert numbers == {speaker.marked}
    speak(engine, speaker, sound(0.1), 1600)
    assert speaker.mark() > speaker.marked
    engine.close()


class Connecting:
    """What a gate looks at of a connection."""

    def __init__(self, host, client="127.0.0.1", scheme="http"):
        self.headers = {"host": host, "origin": f"{scheme}://{host}"}
        self.client = types.SimpleNamespace(host=client)


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("127.0.0.1:8787", True),
        ("[::1]:8787", True),
        ("192.168.1.5:8787", True),
        ("localhost:8787", True),
        ("captions.localhost:8787", True),
        ("captions.example", True),
        ("evil.example:8787", False),
    ],
)
def test_a_name_that_another_site_points_here_is_not_this_servers(host, fits):
    open_gate = Gate((), (), 9, "https://captions.example/live")
    assert open_gate.origin_fits(Connecting(host)) is fits
    assert open_gate.origin_fits(Connecting(host, client="192.168.1.7"))  # not on this machine
    assert Gate(("t" * 20,), (), 9).origin_fits(Connecting(host))  # a token is asked for
    assert Gate((), (f"http://{host}",), 9).origin_fits(Connecting(host))


@pytest.fixture(scope="module")
def server():
    with running(handshake_s=1.0) as up:
        yield up


def ask(server, path, command):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(line) as client:
        client.request("POST", path, json.dumps(command))
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_room_that_is_not_there_is_not_found(server):
    assert ask(server, "/v1/rooms/none", {"action": "pause"})[0] == 404
    assert ask(server, "/v1/rooms/hall", {"action": "open", "title": "Hall"})[1]["title"] == "Hall"


def test_a_further_request_has_as_little_time_as_the_first(server):
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.settimeout(15)
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(4000).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert line.recv(10) == b""


def test_a_connection_without_a_request_between_two_is_kept(server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(2):
        client.request("GET", "/health")
        assert client.getresponse().read()
        line = client.sock
        time.sleep(1.5)  # longer than a request may take
    assert client.sock is line
    client.close()


class Unplugged:
    """A microphone that is gone after half a second."""

    active = True

    def __init__(self, callback, blocksize, **options):
        self.callback, self.blocksize = callback, blocksize

    def __enter__(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *error):
        pass

    def _run(self):
        for _ in range(5):
            self.callback(np.zeros((self.blocksize, 1), np.float32), self.blocksize, None, None)
        self.active = False


def test_a_microphone_that_goes_away_ends_the_stream(monkeypatch, capsys):
    module = types.ModuleType("sounddevice")
    module.InputStream, module.PortAudioError = Unplugged, OSError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert len(list(_microphone(None, threading.Event()))) == 5
    assert "the microphone is gone" in capsys.readouterr().err


def test_an_output_that_cannot_be_made_is_refused_before_anything_is_sent(tmp_path, capsys):
    talk = "earvoice/assets/talk-en.wav"
    to = str(tmp_path / "nowhere" / "x.txt")
    assert main(["translate", talk, "--server", "http://127.0.0.1:1", "--output", to]) != 0
    assert "there is no folder" in capsys.readouterr().err
