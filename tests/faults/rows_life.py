"""Rows about processes: drained, killed, running for hours."""

import asyncio
import signal
import time

import numpy as np

from earvoice.audio import Audio
from earvoice.serve.client import Client, ServerError
from earvoice.serve.protocol import Start
from tests.faults.outcome import Outcome, client_of, events_of
from tests.faults.serving import Process, alive, memory_mib
from tests.serve.running import collect, expected, paced, packets, sound


async def s16(server, tries):
    """SIGTERM with four open sessions"""
    passed, slowest_s = 0, 0.0
    for number in range(tries):
        own = await asyncio.to_thread(Process, drain_s=10)
        try:
            sounds = [sound(1.5, seed=4 * number + n) for n in range(4)]

            async def stop(own=own):
                await asyncio.sleep(0.6)
                own.child.send_signal(signal.SIGTERM)
                began_s = time.monotonic()
                await asyncio.sleep(0.2)
                try:
                    await collect(Client(own.url, start=Start(model="plain")), packets(sound(0.1)))
                except ServerError as error:
                    refused = error.code in ("overloaded", "unreachable")
                code = await asyncio.to_thread(own.child.wait, 20)
                return refused, code, time.monotonic() - began_s

            *said, (refused, code, took_s) = await asyncio.gather(
                *(collect(client_of(own.url), paced(packets(s), 0.1)) for s in sounds), stop()
            )
        finally:
            own.stop()
        whole = all(events_of(a) == expected(b) for a, b in zip(said, sounds, strict=True))
        passed += whole and refused and code == 0
        slowest_s = max(slowest_s, took_s)
    return Outcome(passed, tries, f"nothing lost, gone after {slowest_s:.1f} s (limit 10 s)")


async def s16b(server, tries):
    """SIGKILL of the network process"""
    passed, slowest_s = 0, 0.0
    for _ in range(tries):
        own = await asyncio.to_thread(Process)
        try:
            engine = own.engine_pid()

            async def kill(own=own):
                await asyncio.sleep(0.5)
                own.child.kill()
                return time.monotonic()

            client = Client(own.url, start=Start(model="plain"), patience_s=1.0)
            error, began_s = await asyncio.gather(
                collect(client, paced(packets(sound(2.0)), 0.1)), kill(), return_exceptions=True
            )
            while alive(engine) and time.monotonic() - began_s < 10:
                await asyncio.sleep(0.02)
            told = isinstance(error, ServerError) and error.code == "unreachable"
            passed += told and not alive(engine)
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        finally:
            own.stop()
    return Outcome(passed, tries, f"clients told, no process left after {slowest_s:.1f} s")


async def s19(server, tries):
    """hours of audio at an accelerated clock, one session"""
    minutes = tries
    own = await asyncio.to_thread(Process, limits={"max_session_s": 1e6}, max_sessions=4)
    try:
        pids = (own.child.pid, own.engine_pid())
        places: list[tuple[float, float]] = []
        lags: list[float] = []
        client = client_of(own.url)

        async def audio():
            minute = sound(60.0)
            for number in range(minutes):
                for at in range(0, minute.size, 16_000):
                    yield Audio.of(np.roll(minute, number)[at : at + 16_000])
                await asyncio.sleep(0)
                places.append(((number + 1) / 60, sum(map(memory_mib, pids))))
                lags.append(client.lag_s)

        words = 0
        async for item in client.translate(audio()):
            words += item.event.__class__.__name__ == "Commit"
    finally:
        own.stop()
    # The first third fills the buffers that are bounded; what grows after it is a leak.
    rest = places[len(places) // 3 :]
    slope = np.polyfit(*zip(*rest, strict=True), 1)[0]
    figure = f"{minutes / 60:.1f} h, {slope:+.2f} MiB an hour, {words} words"
    fits = words == minutes * 600 and (minutes < 30 or slope < 1.0)
    return Outcome(int(fits), 1, figure)


ROWS = {"S16": (s16, 5), "S16b": (s16b, 5), "S19": (s19, 180)}
