"""The whole path: client, socket, network process, engine process, and back."""

import asyncio
import json
import os
import random
import signal
import time
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Draft, Finished
from earvoice.serve.auth import subprotocol_of
from earvoice.serve.client import Client, ServerError, socket_url
from earvoice.serve.frames import pack_frame
from earvoice.serve.protocol import Start
from tests.serve.cutting import CuttingProxy
from tests.serve.running import (
    collect,
    expected,
    paced,
    packets,
    running,
    sound,
    text_of,
    translate,
)


@pytest.fixture(scope="module")
def server():
    with running(max_sessions=40) as up:
        yield up


def open_socket(server, path="/v1/stream", **options):
    url = f"ws://127.0.0.1:{server.port}{path}"
    socket = server.closing.enter_context(connect(url, compression=None, **options))
    hello = json.loads(socket.recv())
    assert hello["type"] == "hello"
    return socket, hello


def started(server, **start):
    socket, _ = open_socket(server)
    socket.send(json.dumps({"type": "start", **start}))
    answer = json.loads(socket.recv())
    assert answer["type"] == "started", answer
    return socket, answer


def read_until(socket, kind):
    """Messages up to the first of a kind, or the close."""
    messages = []
    try:
        while not messages or messages[-1]["type"] != kind:
            messages.append(json.loads(socket.recv(timeout=15)))
    except ConnectionClosed as closed:
        messages.append({"type": "close", "code": closed.rcvd.code if closed.rcvd else 1006})
    return messages


def get(server, path):
    try:
        with urllib.request.urlopen(server.url + path, timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize("seconds", [0, 1 / 16_000, 0.099, 0.1, 0.1 + 1 / 16_000, 2.35])
def test_a_stream_says_what_it_says_without_a_server(server, seconds):
    samples = sound(seconds)
    events, client = translate(server.url, packets(samples))
    assert events == expected(samples)
    assert client.counts.lost_events == client.counts.repeated_events == 0


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000, 11_025])
def test_other_rates_are_resampled_as_a_session_would(server, rate_hz):
    samples = sound(1.5, rate_hz=rate_hz)
    events, _ = translate(server.url, packets(samples, rate_hz=rate_hz))
    assert text_of(events) == text_of(expected(samples, rate_hz=rate_hz))


def test_drafts_come_and_are_never_after_the_end(server):
    samples = sound(1.0)
    events, _ = translate(server.url, packets(samples), model="drafts")
    assert text_of(events) == text_of(expected(samples, "drafts"))
    assert events[-1] == Finished()


def test_streams_at_once_do_not_hear_each_other(server):
    sounds = [sound(1.0, seed=n) for n in range(16)]

    async def run():
        clients = [Client(server.url, start=Start(model="plain")) for _ in sounds]
        return await asyncio.gather(
            *(
                collect(client, paced(packets(samples, 0.07), 0.005))
                for client, samples in zip(clients, sounds, strict=True)
            )
        )

    for samples, stamped in zip(sounds, asyncio.run(run()), strict=True):
        assert [item.event for item in stamped if not isinstance(item.event, Draft)] == expected(
            samples
        )


def test_connections_cut_anywhere_lose_and_repeat_nothing(server):
    random.seed(5)
    samples = sound(3.0)
    size = samples.nbytes

    async def run(seed):
        dice = random.Random(seed)
        cuts = [dice.choice([dice.randint(0, 4000), dice.randint(0, size)]) for _ in range(3)]
        async with CuttingProxy(server.port, cuts) as proxy:
            client = Client(f"http://127.0.0.1:{proxy.port}", start=Start(model="plain"))
            try:
                return await collect(client, paced(packets(samples, 0.1), 0.01)), client, cuts
            except ServerError as error:
                # Cut before the session began: there is nothing to go on with.
                assert error.code == "unreachable"  # noqa: PT017
                assert client.session is None
                return None, client, cuts

    async def all_runs():
        return await asyncio.gather(*(run(seed) for seed in range(12)))

    want = expected(samples)
    resumed = 0
    for stamped, client, cuts in asyncio.run(all_runs()):
        if stamped is None:
            continue
        assert [item.event for item in stamped] == want, cuts
        assert client.counts.lost_events == 0
        resumed += client.counts.reconnects
    assert resumed > 5


def test_an_engine_that_is_killed_is_replaced_and_nothing_is_said_twice():
    sounds = [sound(2.5, seed=n) for n in range(8)]
    with running() as server:

        async def kill():
            for pause_s in (0.4, 1.3):
                await asyncio.sleep(pause_s)
                os.kill(server.sessions.engine.pid, signal.SIGKILL)

        async def run():
            clients = [Client(server.url, start=Start(model="drafts")) for _ in sounds]
            streams = [
                collect(client, paced(packets(samples), 0.06))
                for client, samples in zip(clients, sounds, strict=True)
            ]
            *said, _ = await asyncio.gather(*streams, kill())
            return said, clients

        said, clients = asyncio.run(run())
        assert server.sessions.engine.starts >= 2
    for samples, stamped, client in zip(sounds, said, clients, strict=True):
        assert text_of(item.event for item in stamped) == text_of(expected(samples, "drafts"))
        assert stamped[-1].event == Finished()
        assert client.counts.reconnects == 0


def test_a_session_too_old_to_rebuild_is_told_so():
    with running(engine={"replay_s": 0.5}) as server:

        async def run():
            client = Client(server.url, start=Start(model="forgetful"))
            stream = asyncio.ensure_future(collect(client, paced(packets(sound(4)), 0.05)))
            await asyncio.sleep(1.2)
            os.kill(server.sessions.engine.pid, signal.SIGKILL)
            await stream

        with pytest.raises(ServerError) as caught:
            asyncio.run(run())
        assert caught.value.code == "worker_lost"


def test_a_model_that_fails_ends_its_session_only(server):
    loud = sound(0.5) + 0.95

    async def run():
        good = Client(server.url, start=Start(model="failing"))
        bad = Client(server.url, start=Start(model="failing"))
        return await asyncio.gather(
            collect(good, paced(packets(sound(1)), 0.01)),
            collect(bad, paced(packets(loud), 0.01)),
            return_exceptions=True,
        )

    good, bad = asyncio.run(run())
    assert text_of(item.event for item in good) == text_of(expected(sound(1)))
    assert isinstance(bad, ServerError)
    assert bad.code == "model_error"
    assert "SECRET" not in str(bad)


def test_limits_are_told_first_and_hold(server):
    socket, hello = open_socket(server)
    assert hello["limits"]["max_message_bytes"] == 262_144
    assert {model["name"] for model in hello["models"]} >= {"plain", "drafts"}
    socket.send(json.dumps({"type": "start", "model": "plain"}))
    socket.send(b"\0" * (hello["limits"]["max_message_bytes"] + 1))
    assert read_until(socket, "nothing")[-1] == {"type": "close", "code": 1009}


@pytest.mark.parametrize(
    ("first", "code", "close"),
    [
        ("rubbish", "start_invalid", 4400),
        ('{"type":"ping"}', "start_invalid", 4400),
        ('{"type":"start","version":99}', "version_unsupported", 4400),
        ('{"type":"start","model":"none"}', "request_refused", 4400),
        ('{"type":"start","tgt_lang":"nl"}', "request_refused", 4400),
        ('{"type":"start","audio":{"rate_hz":1}}', "audio_format_unsupported", 1003),
        ('{"type":"start","audio":{"encoding":"mp3"}}', "audio_format_unsupported", 1003),
        ('{"type":"start","policy":"wait-k:k=0"}', "request_refused", 4400),
        (b"\0" * 100, "start_invalid", 4400),
    ],
)
def test_a_bad_beginning_is_an_error_with_its_code(server, first, code, close):
    socket, _ = open_socket(server)
    socket.send(first)
    *_, error, end = read_until(socket, "close")
    assert (error["code"], error["fatal"], end["code"]) == (code, True, close)


def test_errors_that_can_be_survived_leave_the_session(server):
    socket, _ = started(server, model="plain")
    socket.send('{"type":"ack","event_id":"a1"}')
    error = read_until(socket, "error")[-1]
    assert (error["code"], error["event_id"], error["fatal"]) == ("message_invalid", "a1", False)
    socket.send('{"type":"update","tgt_lang":"xx"}')
    assert read_until(socket, "error")[-1]["code"] == "update_refused"
    samples = sound(0.3)
    socket.send(pack_frame(0, (samples * 32768).astype("<i2").tobytes() + b"x"))
    socket.send('{"type":"finish"}')
    messages = read_until(socket, "close")
    assert [m["code"] for m in messages if m["type"] == "error"] == ["audio_truncated"]
    said = [m["event"] for m in messages if m["type"] == "event"]
    assert "".join(e["text"] for e in said if e["type"] == "commit") == text_of(expected(samples))
    assert messages[-1]["code"] == 1000


def test_who_comes_back_while_the_server_drains_is_told():
    with running(drain_s=20.0) as own:
        socket, answer = started(own, model="plain")
        socket.socket.close()  # broken off, without a goodbye
        own.sessions.drain(20.0)
        back, _ = open_socket(own, f"/v1/stream/{answer['session']}")
        back.send(json.dumps({"type": "resume", "token": answer["token"]}))
        resumed, closing = (json.loads(back.recv()) for _ in range(2))
        assert (resumed["type"], closing["reason"]) == ("resumed", "the server shuts down")
        assert 0 < closing["in_s"] <= 20.0
        back.send('{"type":"finish"}')
        assert read_until(back, "close")[-1]["code"] == 1000


def test_a_token_is_good_once_and_its_second_use_ends_the_session(server):
    socket, answer = started(server, model="plain")
    path = f"/v1/stream/{answer['session']}"
    second, _ = open_socket(server, path)
    second.send(json.dumps({"type": "resume", "token": answer["token"]}))
    assert json.loads(second.recv())["type"] == "resumed"
    assert read_until(socket, "close")[-1]["code"] == 4409
    second.send('{"type":"ping"}')
    read_until(second, "pong")
    thief, _ = open_socket(server, path)
    thief.send(json.dumps({"type": "resume", "token": answer["token"]}))
    assert read_until(thief, "close")[-1]["code"] == 1008
    assert read_until(second, "close")[-1]["code"] == 1008


def test_control_messages_have_a_rate(server):
    socket, _ = started(server, model="plain")
    for _ in range(60):
        socket.send('{"type":"ping"}')
    messages = read_until(socket, "close")
    assert messages[-2]["code"] == "rate_limited"
    assert messages[-1]["code"] == 4429


def test_a_full_server_refuses_before_the_upgrade_and_frees_at_once():
    with running(max_sessions=2) as server:
        first, _ = started(server, model="plain")
        second, _ = started(server, model="plain")
        with pytest.raises(InvalidStatus) as caught:
            open_socket(server)
        assert caught.value.response.status_code == 503
        assert "Retry-After" in caught.value.response.headers
        assert get(server, "/ready")[0] == 503
        first.close()
        time.sleep(0.3)
        third, _ = started(server, model="plain")
        third.close()
        second.close()


def test_idle_sessions_end_and_pings_keep_them():
    with running(limits={"idle_s": 0.4}) as server:
        quiet, _ = started(server, model="plain")
        kept, _ = started(server, model="plain")
        for _ in range(4):
            time.sleep(0.2)
            kept.send('{"type":"ping"}')
        assert read_until(quiet, "close")[-1]["code"] == 4408
        kept.send('{"type":"finish"}')
        assert read_until(kept, "close")[-1]["code"] == 1000


def test_tokens_and_origins_are_checked_before_the_upgrade():
    token = "a-token-of-twenty-letters"
    with running(tokens=(token,)) as server:
        for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}):
            with pytest.raises(InvalidStatus) as caught:
                open_socket(server, additional_headers=headers)
            assert caught.value.response.status_code == 401
        with pytest.raises(ServerError, match="unauthorized"):
            translate(server.url, packets(sound(0.1)))
        for origin in ("http://evil.example", "null", f"{server.url}.evil.example"):
            with pytest.raises(InvalidStatus) as caught:
                open_socket(
                    server, origin=origin, additional_headers={"Authorization": f"Bearer {token}"}
                )
            assert caught.value.response.status_code == 403
        socket, _ = open_socket(
            server, origin=server.url, subprotocols=["earvoice.v1", subprotocol_of(token)]
        )
        assert socket.subprotocol == "earvoice.v1"
        socket.close()
        events, _ = translate(server.url, packets(sound(0.3)), token=token)
        assert events == expected(sound(0.3))


def test_pages_of_state_tell_no_words(server):
    translate(server.url, packets(sound(0.5)))
    assert json.loads(get(server, "/health")[1]) == {"status": "ok"}
    assert json.loads(get(server, "/ready")[1])["engine"] == "up"
    status, page, headers = get(server, "/metrics")
    assert status == 200
    assert "earvoice_lag_seconds" in page
    assert "plain" not in page
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_source_that_fails_raises_in_the_client(server):
    def broken():
        yield Audio.of(sound(0.2))
        raise UsageError("the microphone is gone")

    with pytest.raises(UsageError, match="microphone"):
        translate(server.url, broken())


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("localhost:80", "ws://localhost:80/v1/stream"),
        ("https://x.example/a/", "wss://x.example/a/v1/stream"),
        ("ws://h/v1/stream", "ws://h/v1/stream"),
    ],
)
def test_addresses(given, want):
    assert socket_url(given) == want


def test_what_is_no_address():
    with pytest.raises(UsageError):
        socket_url("ftp://x")


def test_a_long_recording_fed_at_speed_keeps_to_the_rate_of_control_messages(server):
    samples = sound(400)
    events, client = translate(server.url, packets(samples, packet_s=1.0))
    assert text_of(events) == text_of(expected(samples))
    assert client.counts.reconnects == 0
