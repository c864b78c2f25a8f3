"""Rooms: late readers, several languages, an operator, and readers who read nothing."""

import asyncio
import contextlib
import json
import socket
import urllib.error
import urllib.request

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from earvoice.serve.client import Client, ServerError
from earvoice.serve.protocol import Start, Term
from earvoice.serve.room_messages import Caption
from earvoice.serve.rooms import Channel, Room, Rooms, Viewer
from earvoice.serve.settings import RoomSettings
from tests.serve.running import collect, expected, paced, packets, running, sound, text_of


@pytest.fixture(scope="module")
def server():
    with running(max_sessions=40, limits={"write_stall_s": 2.0}) as up:
        yield up


async def watch(server, name, language="de", role="translation", after=-1):
    """A viewer's socket and what the room is."""
    url = f"ws://127.0.0.1:{server.port}/v1/room/{name}"
    viewer = await connect(url, compression=None)
    room = json.loads(await viewer.recv())
    assert room["type"] == "room"
    await viewer.send(
        json.dumps({"type": "watch", "role": role, "language": language, "after": after})
    )
    return viewer, room


async def read_text(viewer, until):
    """Committed text until `until(text)`, and the number of its last caption."""
    text, last = "", -1
    while not until(text):
        message = json.loads(await asyncio.wait_for(viewer.recv(), 15))
        if message["type"] != "captions":
            continue
        assert message["first"] == last + 1
        last += len(message["captions"])
        text += "".join(caption["text"] for caption in message["captions"])
    return text, last


def ask(server, path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def speak(server, room, samples, more=(), pause_s=0.02, **start):
    client = Client(server.url, start=Start(room=room, tgt_lang="de", more_tgt_langs=more, **start))
    return collect(client, paced(packets(samples), pause_s))


def test_three_languages_are_read_by_those_who_come_early_and_late(server):
    samples = sound(3.0)
    want = text_of(expected(samples))

    async def run():
        speaker = asyncio.create_task(speak(server, "three", samples, ("es", "fr")))
        while not server.sessions.rooms.find("three"):
            await asyncio.sleep(0.01)
        early = [await watch(server, "three", language) for language in ("de", "es", "fr")]
        texts = [await read_text(viewer, lambda text: text.count(":") >= 30) for viewer, _ in early]
        stamped = await speaker
        late, room = await watch(server, "three", "fr")
        texts.append(await read_text(late, lambda text: text.count(":") >= 30))
        for viewer, _ in early:
            await viewer.close()
        await late.close()
        return stamped, texts, room

    stamped, texts, room = asyncio.run(run())
    assert text_of(item.event for item in stamped) == want
    assert [text for text, _ in texts] == [want] * 4
    assert {channel["language"] for channel in room["channels"]} == {"de", "es", "fr"}
    assert room["state"] == "waiting"


def test_a_viewer_who_was_away_is_sent_what_is_missing(server):
    samples = sound(2.0)

    async def run():
        await speak(server, "away", samples, pause_s=0)
        viewer, _ = await watch(server, "away", after=9)
        message = json.loads(await viewer.recv())
        while "captions" not in message:  # how the room is doing may be told first
            message = json.loads(await viewer.recv())
        await viewer.close()
        return message

    message = asyncio.run(run())
    assert message["first"] == 10
    assert message["captions"][0]["text"].strip().startswith("10:")


def test_readers_who_read_nothing_delay_nobody(server):
    """200 viewers, 20 of whom never read: all others have every word, and the speaker too."""
    samples = sound(3.0)
    want = text_of(expected(samples))

    async def run():
        speaker = asyncio.create_task(speak(server, "many", samples, ("es", "fr"), pause_s=0.1))
        while not server.sessions.rooms.find("many"):
            await asyncio.sleep(0.01)
        with contextlib.ExitStack() as stack:
            long_text = server.sessions.rooms.find("many").channel("translation", "it")
            for _ in range(8000):
                long_text.add(Caption(text="x" * 1000, wall_s=0.0))
            for _ in range(20):
                stack.enter_context(deaf(server, "many", "it"))
            languages = ("de", "es", "fr")
            viewers = [await watch(server, "many", languages[n % 3]) for n in range(180)]
            reading = [read_text(v, lambda text: text.count(":") >= 30) for v, _ in viewers]
            texts = [text for text, _ in await asyncio.gather(*reading)]
            stamped = await speaker
            await asyncio.gather(*(viewer.close() for viewer, _ in viewers))
            while server.live.metrics.slow_viewers._value.get() < 20:
                await asyncio.sleep(0.1)
        return stamped, texts

    stamped, texts = asyncio.run(run())
    assert text_of(item.event for item in stamped) == want
    assert texts == [want] * 180


@contextlib.contextmanager
def deaf(server, name, language):
    """A viewer that asks for everything and reads nothing."""
    wish = json.dumps({"type": "watch", "language": language}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(
            f"GET /v1/room/{name} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1)
        sock.sendall(bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
        yield sock


def test_a_history_longer_than_a_message_comes_whole():
    channel = Channel("translation", "de", 2000)
    for number in range(1300):
        channel.add(Caption(text=str(number), wall_s=0.0))
    room = Room("r", RoomSettings(), lambda: 0.0)
    viewer = Viewer(room)
    viewer.watch(channel, -1)
    got = []
    while viewer.wake.is_set():
        for text in viewer.take():
            got += json.loads(text).get("captions", [])
    assert [caption["text"] for caption in got] == [str(n) for n in range(1300)]


def test_a_bounded_history_begins_later_and_says_so():
    channel = Channel("translation", "de", 10)
    for number in range(25):
        channel.add(Caption(text=str(number), wall_s=0.0))
    text, after, whole = channel.message(3)
    assert (json.loads(text)["first"], after, whole) == (15, 24, True)


def test_the_operator_pauses_renames_and_ends(server):
    samples = sound(6.0)

    async def run():
        speaker = asyncio.create_task(speak(server, "stage", samples, pause_s=0.03))
        while not (room := server.sessions.rooms.find("stage")) or not room.channels:
            await asyncio.sleep(0.01)
        viewer, _ = await watch(server, "stage")
        await read_text(viewer, lambda text: text.count(":") >= 5)

        async def act(**body):
            return await asyncio.to_thread(ask, server, "/v1/rooms/stage", body)

        _, answer = await act(action="pause")
        begin_s = json.loads(answer)["heard_s"]
        assert json.loads(answer)["state"] == "paused"
        await asyncio.sleep(0.5)
        _, answer = await act(action="resume", title="Opening <b>talk</b>")
        end_s = json.loads(answer)["heard_s"]
        await asyncio.sleep(0.3)
        _, answer = await act(action="end")
        assert json.loads(answer)["state"] == "ended"
        stamped = await speaker
        await viewer.close()
        return (
            [
                caption.span[1]
                for caption in room.channels["translation", "de"].captions
                if caption.span
            ],
            begin_s,
            end_s,
            stamped,
            room.title,
        )

    ends_s, begin_s, end_s, stamped, title = asyncio.run(run())
    assert end_s > begin_s
    assert not [at_s for at_s in ends_s if begin_s < at_s <= end_s]
    assert [at_s for at_s in ends_s if at_s <= begin_s]
    assert [at_s for at_s in ends_s if at_s > end_s]
    assert len(text_of(item.event for item in stamped).split()) < 60
    assert title == "Opening <b>talk</b>"
    with pytest.raises(ServerError, match="ended"):
        asyncio.run(speak(server, "stage", samples))


def test_a_speaker_whose_page_was_loaded_anew_takes_the_room_over(server):
    samples = sound(1.0)

    async def run():
        url = f"ws://127.0.0.1:{server.port}/v1/stream"
        first = await connect(url, compression=None)
        await first.recv()
        await first.send(json.dumps({"type": "start", "room": "again", "more_tgt_langs": ["es"]}))
        await first.recv()
        first.transport.abort()
        room = server.sessions.rooms.find("again")
        while room.speaker.owner is not None:
            await asyncio.sleep(0.01)
        old = room.sessions
        await speak(server, "again", samples)
        return old

    old = asyncio.run(run())
    assert len(old) == 2
    assert not set(old) & set(server.sessions.live)


def test_terms_act_from_the_place_where_they_are_given(server):
    samples = sound(2.0)
    first, second = (expected(samples)[n].text.strip() for n in (2, 12))

    async def run():
        terms = (Term(source=first, target="ONE"), Term(source=second, target="TWO"))
        return await speak(server, "terms", samples, model="terms", glossary=terms)

    words = text_of(item.event for item in asyncio.run(run())).split()
    assert (words[2], words[12]) == ("ONE", "TWO")


def test_a_room_has_one_speaker_and_no_language_twice(server):
    async def run():
        speaker = asyncio.create_task(speak(server, "one", sound(1.0), pause_s=0.1))
        while not server.sessions.rooms.find("one"):
            await asyncio.sleep(0.01)
        with pytest.raises(ServerError, match="has a speaker"):
            await speak(server, "one", sound(0.1))
        with pytest.raises(ServerError, match="twice"):
            await speak(server, "two", sound(0.1), ("es", "es"))
        with pytest.raises(ServerError, match="of a room"):
            await speak(server, None, sound(0.1), ("es",))
        await speaker

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/rooms/none", {"action": "pause"}, 404),
        ("/v1/rooms/..%2f..%2fx", {"action": "open"}, 405),
        ("/v1/rooms/a%00b", {"action": "open"}, 400),
        ("/v1/rooms/ok", {"action": "destroy"}, 400),
        ("/v1/rooms/ok", {"action": "open", "title": "x" * 81}, 400),
        ("/v1/rooms/ok", {"action": "open", "title": "x" * 9000}, 400),
        ("/v1/rooms/ok", ["open"], 400),
        ("/v1/rooms/%20/code.svg", None, 404),
    ],
)
def test_what_is_no_command_is_refused(server, path, body, status):
    assert ask(server, path, body)[0] == status


def test_the_code_is_a_picture_of_the_audiences_address(server):
    status, text = ask(server, "/v1/rooms/hall-1/code.svg")
    assert status == 200
    assert text.startswith("<svg")
    assert "script" not in text


def test_foreign_pages_may_neither_read_nor_command(server):
    origin = {"Origin": "https://evil.example"}
    assert ask(server, "/v1/rooms/hall", {"action": "open"}, **origin)[0] == 403
    assert ask(server, "/v1/rooms", **origin)[0] == 403

    async def run():
        server.sessions.rooms.open("hall")
        url = f"ws://127.0.0.1:{server.port}/v1/room/hall"
        async with connect(url, origin="https://evil.example"):
            pass

    with pytest.raises(InvalidStatus, match="403"):
        asyncio.run(run())


def test_tokens_are_for_speakers_and_operators_not_for_the_audience():
    with running(tokens=("a-token-of-some-length",)) as up:
        assert ask(up, "/v1/rooms", {"action": "open"})[0] in (401, 405)
        assert ask(up, "/v1/rooms/a", {"action": "open"})[0] == 401
        bearer = {"Authorization": "Bearer a-token-of-some-length"}
        assert ask(up, "/v1/rooms/a", {"action": "open"}, **bearer)[0] == 200

        async def read():
            async with connect(f"ws://127.0.0.1:{up.port}/v1/room/a") as viewer:
                return json.loads(await viewer.recv())["state"]

        assert asyncio.run(read()) == "waiting"
        assert json.loads(ask(up, "/v1/about")[1])["token"] is True


def test_rooms_without_a_speaker_are_forgotten_with_their_words():
    now = [0.0]
    rooms = Rooms(RoomSettings(keep_s=60, max_rooms=2), lambda: now[0])
    room = rooms.open("a")
    rooms.open("b")
    with pytest.raises(Exception, match="taken"):
        rooms.open("c")
    now[0] = 61
    rooms.sweep()
    assert rooms.all == []
    assert room.forgotten
