"""Rows about streams: what is heard, who is slow, idle, gone, or too many."""

import asyncio
import json
import os
import random
import socket
import time

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from earvoice.serve.frames import pack_frame
from tests.faults.outcome import Outcome, client_of, close_code, events_of, open_raw
from tests.faults.serving import memory_mib
from tests.serve.running import collect, expected, paced, packets, running, sound


async def last_words(line, wait_s=10):
    """The error's code, if there was one, and the close code."""
    code = None
    try:
        while True:
            message = json.loads(await asyncio.wait_for(line.recv(), wait_s))
            code = message.get("code", code) if message["type"] == "error" else code
    except ConnectionClosed as closed:
        return code, closed.rcvd.code if closed.rcvd else 1006
    except TimeoutError:
        return code, None
    finally:
        await line.close()


async def s3(server, tries):
    """garbage, NaN, infinity, full scale, DC and zeros as audio"""
    dice = np.random.default_rng(3)
    passed = frames = 0
    kinds = ("garbage", "nan", "inf", "full", "dc", "zeros", "short")
    for number in range(tries):
        kind = kinds[number % len(kinds)]
        values = np.zeros(1600, "<f4")
        if kind == "garbage":
            values = dice.bytes(6400)
        elif kind in ("nan", "inf"):
            values[dice.integers(1600)] = np.nan if kind == "nan" else np.inf
        elif kind in ("full", "dc"):
            values[:] = 1.0 if kind == "dc" else np.sign(dice.standard_normal(1600))
        data = values if isinstance(values, bytes) else values.tobytes()
        line = await open_raw(server, {"model": "plain", "audio": {"encoding": "f32le"}})
        try:
            for at in range(10):
                await line.send(pack_frame(at * 1600, data) if kind != "short" else b"abc")
                frames += 1
            await line.send('{"type":"finish"}')
            code, close = await last_words(line)
        except ConnectionClosed:
            code, close = await last_words(line)
        legal = ("audio_invalid", 1007) if kind in ("garbage", "nan", "inf") else (None, 1000)
        # Bytes by chance are now and then all legal numbers.
        passed += (code, close) in (legal, ("message_invalid", 1000), (None, 1000))
        passed -= kind in ("nan", "inf") and code != "audio_invalid"
    return Outcome(passed, tries, f"{frames} frames, 0 hung")


async def s4(server, tries):
    """rates, channels and encodings that are not on the list"""
    formats = [{"rate_hz": rate} for rate in (0, -8000, 1, 11_025, 192_000, 2**40)]
    formats += [{"channels": channels} for channels in (0, -1, 3, 1000)]
    formats += [{"encoding": name} for name in ("mp3", "", "u8", "s16be")]
    before_mib, slowest_s, passed = memory_mib(), 0.0, 0
    for audio in formats[:tries]:
        line = await connect(f"ws://127.0.0.1:{server.port}/v1/stream", compression=None)
        await line.recv()
        began_s = time.monotonic()
        await line.send(json.dumps({"type": "start", "model": "plain", "audio": audio}))
        passed += await last_words(line) == ("audio_format_unsupported", 1003)
        slowest_s = max(slowest_s, time.monotonic() - began_s)
    grew_mib = memory_mib() - before_mib
    figure = f"{slowest_s * 1000:.0f} ms at most, {grew_mib:+.1f} MiB"
    return Outcome(passed, len(formats[:tries]), figure)


async def s6(server, tries):
    """audio far faster than real time, beside four who speak"""
    limits = {"max_lag_s": 3.0}
    with running(limits=limits) as own:
        line = await open_raw(own, {"model": "slow", "drafts": False})
        most_s, sent = [0.0], [0]

        async def flood():
            data = np.zeros(16_000, "<i2").tobytes()
            for at in range(0, tries * 20 * 16_000, 16_000):
                await line.send(pack_frame(at, data))
                sent[0] += 1

        async def watch():
            while True:
                most_s[0] = max([most_s[0], *(s.lag_s for s in own.sessions.live)])
                await asyncio.sleep(0.02)

        flooding, watching = asyncio.create_task(flood()), asyncio.create_task(watch())
        sounds = [sound(float(tries), seed=n) for n in range(4)]
        said = await asyncio.gather(
            *(collect(client_of(own.url), paced(packets(s), 0.1)) for s in sounds)
        )
        for task in (flooding, watching):
            task.cancel()
        await asyncio.gather(flooding, watching, return_exceptions=True)
        await line.close()
    good = sum(events_of(a) == expected(b) for a, b in zip(said, sounds, strict=True))
    bounded = most_s[0] <= 3.0 + 1.0 + 0.5  # the limit, one frame, and what others lag
    return Outcome(good + bounded, 5, f"{most_s[0]:.1f} s waited at most, limit 3 s")


async def s7(server, tries):
    """a client that does not read, beside eight who do"""
    passed, figure = 0, ""
    for _ in range(tries):
        limits = {"write_stall_s": 2.0, "max_lag_s": 60.0}
        with running(limits=limits, admit_lag_s=1000) as own:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", own.port))
            raw.setblocking(False)
            url = f"ws://127.0.0.1:{own.port}/v1/stream"
            line = await connect(url, sock=raw, compression=None, max_queue=1)
            await line.recv()
            await line.send('{"type":"start","model":"plain"}')
            data = np.zeros(80_000, "<i2").tobytes()
            before_mib, began_s = memory_mib(), time.monotonic()

            async def talk(line=line, data=data):
                for at in range(400):
                    await line.send(pack_frame(at * 80_000, data))

            talking = asyncio.create_task(talk())
            sounds = [sound(3.0, seed=n) for n in range(8)]
            said = await asyncio.gather(
                *(collect(client_of(own.url), paced(packets(s), 0.1)) for s in sounds)
            )
            while (
                any(session.owner for session in own.sessions.live)
                and time.monotonic() - began_s < 60
            ):
                await asyncio.sleep(0.05)
            took_s, grew_mib = time.monotonic() - began_s, memory_mib() - before_mib
            counted = own.live.metrics.errors.labels("slow_consumer")._value.get()
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            line.transport.abort()
        good = all(events_of(a) == expected(b) for a, b in zip(said, sounds, strict=True))
        passed += good and counted == 1
        figure = f"given up after {took_s:.1f} s (limit 2 s of standstill), {grew_mib:+.0f} MiB"
    return Outcome(passed, tries, figure)


async def s8(server, tries):
    """more sessions than there are places"""
    slowest_s, refused = 0.0, 0
    with running(max_sessions=8) as own:
        lines = [await open_raw(own, {"model": "plain"}) for _ in range(8)]
        for _ in range(tries):
            began_s = time.monotonic()
            try:
                await open_raw(own)
            except InvalidStatus as error:
                fits = error.response.status_code == 503
                refused += fits and "Retry-After" in error.response.headers
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        await lines.pop().close()
        began_s = time.monotonic()
        free_s = None
        while free_s is None and time.monotonic() - began_s < 5:
            try:
                lines.append(await open_raw(own, {"model": "plain"}))
                free_s = time.monotonic() - began_s
            except InvalidStatus:
                await asyncio.sleep(0.02)
        for line in lines:
            await line.close()
    figure = f"refused in {slowest_s * 1000:.0f} ms at most, place free after {free_s:.2f} s"
    return Outcome(refused + (free_s is not None), tries + 1, figure)


async def s9(server, tries):
    """sockets that never say anything"""
    half = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(tries)]
    for one in half[: tries // 2]:
        one.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n")
    began_s = time.monotonic()
    samples = sound(0.3)
    said = events_of(await collect(client_of(server.url), packets(samples)))
    took_s = time.monotonic() - began_s
    for one in half:
        one.close()
    return Outcome(int(said == expected(samples)), 1, f"{tries} of them, served in {took_s:.2f} s")


async def s10(server, tries):
    """sessions without audio, with and without pings"""
    passed, found = 0, []
    with running(limits={"idle_s": 1.0}) as own:
        for _ in range(tries):
            quiet = await open_raw(own, {"model": "plain"})
            kept = await open_raw(own, {"model": "plain"})
            began_s = time.monotonic()
            ending = asyncio.create_task(close_code(quiet))
            for _ in range(6):
                await kept.send('{"type":"ping"}')
                await asyncio.sleep(0.4)
                if ending.done() and len(found) <= passed:
                    found.append(time.monotonic() - began_s)
            code = await ending
            await kept.send('{"type":"finish"}')
            passed += code == 4408 and await close_code(kept) == 1000
    return Outcome(passed, tries, f"limit 1 s, closed within {max(found, default=0):.1f} s")


async def s11(server, tries):
    """clients that are gone without a word"""
    with running(limits={"resume_window_s": 0.2}, max_sessions=16) as own:

        async def vanish():
            line = await open_raw(own, {"model": "plain"})
            await line.send(pack_frame(0, bytes(6400)))
            line.transport.abort()

        await vanish()
        before_mib, files = memory_mib(), len(os.listdir("/proc/self/fd"))
        for _ in range(tries):
            while True:
                try:
                    await vanish()
                    break
                except InvalidStatus:  # all places wait for their client to come back
                    await asyncio.sleep(0.1)
        began_s = time.monotonic()
        while own.sessions.live and time.monotonic() - began_s < 10:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        left = len(own.sessions.live)
        grew_mib = memory_mib() - before_mib
        more = len(os.listdir("/proc/self/fd")) - files
    figure = f"{left} places and {more} files left, {grew_mib:+.1f} MiB"
    return Outcome(tries - left if more <= 0 else 0, tries, figure)


async def s13(server, tries):
    """a token that is used twice"""
    passed = 0
    for _ in range(tries):
        url = f"ws://127.0.0.1:{server.port}/v1/stream"
        first = await connect(url, compression=None)
        await first.recv()
        await first.send('{"type":"start","model":"plain"}')
        answer = json.loads(await first.recv())
        resume = json.dumps({"type": "resume", "token": answer["token"]})
        first.transport.abort()
        owner = await connect(f"{url}/{answer['session']}", compression=None)
        await owner.recv()
        await owner.send(resume)
        assert json.loads(await owner.recv())["type"] == "resumed"
        await owner.send('{"type":"ping"}')
        while json.loads(await owner.recv())["type"] != "pong":
            pass
        thief = await connect(f"{url}/{answer['session']}", compression=None)
        await thief.recv()
        await thief.send(resume)
        passed += await close_code(thief) == 1008 and await close_code(owner) == 1008
    return Outcome(passed, tries)


async def s20(server, tries):
    """the wall clock jumps back and forth"""
    dice, real, passed = random.Random(4), time.time, 0
    try:
        for number in range(tries):
            time.time = lambda: real() + dice.uniform(-1e6, 1e6)
            samples = sound(1.0, seed=number)
            stamped = await collect(client_of(server.url), paced(packets(samples), 0.03))
            walls = [item.wall_s for item in stamped]
            passed += events_of(stamped) == expected(samples) and (
                walls == sorted(walls) and walls[0] >= 0 and walls[-1] < 30
            )
    finally:
        time.time = real
    return Outcome(passed, tries)


async def s21(server, tries):
    """a model slower than real time (RTF 1.3)"""
    worst_s = most_s = 0.0
    refused = False
    with running(admit_lag_s=0.5) as own:
        line = await open_raw(own, {"model": "slow", "drafts": False})
        done_s, seen = 0.0, 0

        async def talk():
            for at in range(0, tries * 16_000, 1600):
                await line.send(pack_frame(at, bytes(3200)))
                await asyncio.sleep(0.1)
            await line.send('{"type":"finish"}')

        talking = asyncio.create_task(talk())
        async for text in line:
            message = json.loads(text)
            event = message.get("event", {})
            if event.get("type") == "commit":
                done_s = (int(event["text"].split(":")[0]) + 1) / 10
            if event.get("type") == "finished":
                break
            if message["type"] == "received":
                true_s = message["samples"] / 16_000 - done_s
                worst_s, seen = max(worst_s, abs(true_s - message["lag_s"])), seen + 1
                most_s = max(most_s, message["lag_s"])
                refused = refused or own.sessions.refusal() is not None
        await talking
        await line.close()
    figure = f"{most_s:.1f} s behind after {tries} s; told within {worst_s * 1000:.0f} ms"
    return Outcome((worst_s <= 0.11) + refused, 2, figure)


ROWS = {
    "S3": (s3, 70),
    "S4": (s4, 14),
    "S6": (s6, 30),
    "S7": (s7, 1),
    "S8": (s8, 50),
    "S9": (s9, 500),
    "S10": (s10, 2),
    "S11": (s11, 200),
    "S13": (s13, 20),
    "S20": (s20, 10),
    "S21": (s21, 30),
}
