"""Rows of the fault table, one function each: what is done, and what came of it.

Every function takes a running server and how many times to try, and returns `Outcome`. The tests
try a few times; `python -m tests.faults.table` tries as often as the table says.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from earvoice.audio import Audio
from earvoice.serve.client import ServerError
from earvoice.serve.frames import pack_frame
from tests.faults.outcome import Outcome, client_of, close_code, events_of, open_raw
from tests.serve.cutting import CuttingProxy
from tests.serve.running import collect, expected, paced, packets, sound, text_of


async def s1(server, tries):
    """audio split at other places"""
    samples = sound(4.0)
    want = expected(samples)

    async def one(seed):
        dice = random.Random(seed)
        edges = sorted({0, samples.size, *(dice.randrange(samples.size) for _ in range(20))})
        pieces = [Audio.of(samples[a:b]) for a, b in itertools.pairwise(edges)]
        return events_of(await collect(client_of(server.url), pieces)) == want

    return Outcome(sum([await one(seed) for seed in range(tries)]), tries)


async def s2(server, tries):
    """frames that end inside a sample"""
    samples = sound(1.0)
    data = (samples * 32768).astype("<i2").tobytes()
    want = text_of(expected(samples))

    async def one(seed):
        dice = random.Random(seed)
        edges = sorted({0, len(data), *(dice.randrange(len(data)) for _ in range(9))})
        socket = await open_raw(server, {"model": "plain", "drafts": False})
        for a, b in itertools.pairwise(edges):
            await socket.send(pack_frame(a // 2, data[a:b]))
        await socket.send('{"type":"finish"}')
        text = ""
        async for line in socket:
            event = json.loads(line).get("event", {})
            text += event.get("text", "")
            if event.get("type") == "finished":
                break
        await socket.close()
        return text == want

    return Outcome(sum([await one(seed) for seed in range(tries)]), tries)


async def s5(server, tries):
    """a message over the limit"""
    passed, slowest_s = 0, 0.0
    for _ in range(tries):
        socket = await open_raw(server, {"model": "plain"})
        began_s = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            await socket.send(b"\0" * (1 << 20))
        passed += await close_code(socket) == 1009
        slowest_s = max(slowest_s, time.monotonic() - began_s)
    return Outcome(passed, tries, f"closed after {slowest_s * 1000:.0f} ms at most")


async def s12(server, tries):
    """cut and resume at any moment"""
    samples = sound(3.0)
    want = expected(samples)
    lost = repeated = cuts = unborn = 0

    async def one(seed):
        dice = random.Random(seed)
        # The first cut after the session began: before, there is nothing to be lost.
        plan = [dice.randint(6_000, samples.nbytes), *(dice.randint(0, 90_000) for _ in "ab")]
        async with CuttingProxy(server.port, plan) as proxy:
            client = client_of(f"http://127.0.0.1:{proxy.port}")
            try:
                return events_of(await collect(client, paced(packets(samples), 0.01))), client
            except ServerError:
                return None, client

    passed = 0
    for first in range(0, tries, 10):
        seeds = range(first, min(first + 10, tries))
        for said, client in await asyncio.gather(*(one(seed) for seed in seeds)):
            unborn += client.session is None
            cuts += client.counts.reconnects
            lost += client.counts.lost_events
            passed += said == want
            repeated += said is not None and len(said) > len(want)
    return Outcome(passed, tries, f"{cuts} cuts, {lost} lost, {repeated} repeated")


async def s14(server, tries):
    """engine killed (SIGKILL), 8 sessions"""
    passed = tried = 0
    slowest_s = 0.0
    for number in range(tries):
        dice = random.Random(number)
        sounds = [sound(2.0, seed=n) for n in range(8)]

        async def kill(pause_s):
            nonlocal slowest_s
            await asyncio.sleep(pause_s)
            starts = server.sessions.engine.starts
            os.kill(server.sessions.engine.pid, signal.SIGKILL)
            began_s = time.monotonic()
            while server.sessions.engine.starts == starts or not server.sessions.engine.up:
                await asyncio.sleep(0.01)
            slowest_s = max(slowest_s, time.monotonic() - began_s)

        *said, _ = await asyncio.gather(
            *(collect(client_of(server.url), paced(packets(s), 0.05)) for s in sounds),
            kill(dice.uniform(0.05, 0.9)),
        )
        tried += len(sounds)
        passed += sum(
            events_of(stamped) == expected(samples)
            for stamped, samples in zip(said, sounds, strict=True)
        )
    return Outcome(passed, tried, f"a new engine after {slowest_s:.1f} s at most")


async def s15(server, tries):
    """one session's model raises, beside seven others"""
    passed = tried = 0
    for number in range(tries):
        sounds = [sound(1.0, seed=8 * number + n) for n in range(7)]
        loud = sound(0.5, seed=number) + 0.95
        *said, bad = await asyncio.gather(
            *(collect(client_of(server.url, "failing"), paced(packets(s), 0.02)) for s in sounds),
            collect(client_of(server.url, "failing"), paced(packets(loud), 0.03)),
            return_exceptions=True,
        )
        tried += 8
        passed += isinstance(bad, ServerError) and bad.code == "model_error"
        passed += sum(
            not isinstance(stamped, BaseException) and events_of(stamped) == expected(samples)
            for stamped, samples in zip(said, sounds, strict=True)
        )
    return Outcome(passed, tried)


async def s17(server, tries):
    """end of stream at any length"""
    lengths = [0, 1, 1584, 1599, 1600, 1601, 3200, 4801][:tries]
    passed = 0
    for length in lengths:
        samples = sound(1.0)[:length]
        said = events_of(await collect(client_of(server.url), packets(samples)))
        passed += said == expected(samples)
    return Outcome(passed, len(lengths))


async def s18(server, tries):
    """streams at once do not hear each other"""
    passed = tried = events = 0
    for number in range(tries):
        sounds = [sound(2.0, seed=100 * number + n) for n in range(32)]
        said = await asyncio.gather(
            *(collect(client_of(server.url), paced(packets(s, 0.07), 0.002)) for s in sounds)
        )
        tried += len(sounds)
        events += sum(map(len, said))
        passed += sum(
            events_of(stamped) == expected(samples)
            for stamped, samples in zip(said, sounds, strict=True)
        )
    return Outcome(passed, tried, f"{events} events")


async def a3(server, tries):
    """foreign origins"""
    origins = [
        "null",
        "http://evil.example",
        f"{server.url}.evil.example",
        "file://",
        "x",
        "http://",
    ]
    origins += [f"http://{n}.example" for n in range(14)]
    passed = 0
    for origin in origins[:tries]:
        try:
            async with connect(f"ws://127.0.0.1:{server.port}/v1/stream", origin=origin):
                pass
        except InvalidStatus as error:
            passed += error.response.status_code == 403
    return Outcome(passed, len(origins[:tries]))


async def a5(server, tries):
    """control messages that are none"""
    dice = random.Random(1)
    pieces = [
        '{"type":',
        '"ack"',
        '"seq":',
        "9" * 400,
        "[" * 50,
        "}",
        '"\\ud800"',
        "null",
        "-1",
        ",",
    ]
    passed = 0
    socket = await open_raw(server, {"model": "plain"})
    for _ in range(tries):
        await socket.send("".join(dice.choices(pieces, k=dice.randint(1, 12))))
        while (answer := json.loads(await asyncio.wait_for(socket.recv(), 5)))["type"] != "error":
            pass
        passed += answer["code"] == "message_invalid" and not answer["fatal"]
        await asyncio.sleep(0.06)
    await socket.close()
    return Outcome(passed, tries)


ROWS = {
    "S1": (s1, 50),
    "S2": (s2, 50),
    "S5": (s5, 5),
    "S12": (s12, 200),
    "S14": (s14, 50),
    "S15": (s15, 20),
    "S17": (s17, 8),
    "S18": (s18, 5),
    "A3": (a3, 20),
    "A5": (a5, 200),
}
