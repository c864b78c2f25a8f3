"""Replicas that Ray Serve starts: one is killed, and lag brings another.

python -m pytest tests/serve/test_ray.py --log-cli-level=info       # says the figures
"""

import asyncio
import logging
import os
import signal
import time

import numpy as np
import pytest

from earvoice.audio import Audio
from earvoice.serve.client import Client
from earvoice.serve.protocol import Start
from tests.serve.ray_server import RayServer
from tests.serve.running import expected, packets, sound, text_of

pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SETTINGS = {
    "ack_s": 0.05,
    "engine": {"snapshot_s": 0.5, "start_s": 900.0},
    # A machine that is busy with other work may take minutes to start processes.
    "limits": {"max_lag_s": 3.0, "idle_s": 600.0},
    "ray": {
        "address": "local",
        "cpus": 0.1,
        "replicas": 2,
        "max_replicas": 3,
        "scale_lag_s": 1.0,
        "scale_up_s": 0.0,
    },
}
SESSIONS = 6
_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def server():
    up = RayServer(**SETTINGS)
    try:
        up.until(lambda: up.url)
        up.until(lambda: len(up.all("replica_up")) == 2)
        yield up
    finally:
        code = up.stop()
    assert code == 0
    assert not up.other  # nothing on standard error but the server's own lines


async def timed(client, audio):
    """The events, and when each came."""
    return [(stamped.event, time.monotonic()) async for stamped in client.translate(audio)]


def test_a_killed_replica_s_sessions_go_on_on_the_other(server):
    sounds = [sound(4.0, seed=n) for n in range(SESSIONS)]
    clients = [Client(server.url, start=Start(model="drafts")) for _ in sounds]
    half_sent = [asyncio.Event() for _ in sounds]

    async def audio(samples, half):
        cut = packets(samples)
        for index, packet in enumerate(cut):
            yield packet
            if index == len(cut) // 2:
                half.set()
            await asyncio.sleep(0.1)

    async def kill():
        for half in half_sent:
            await half.wait()
        os.kill(server.all("replica_up")[0]["pid"], signal.SIGKILL)
        return time.monotonic()

    async def run():
        return await asyncio.gather(
            *(timed(*pair) for pair in zip(clients, map(audio, sounds, half_sent), strict=True)),
            kill(),
        )

    *said, killed_s = asyncio.run(run())
    waits_s = [min(at_s for _, at_s in events if at_s > killed_s) - killed_s for events in said]
    (lost,) = server.all("replica_lost")
    whole = [
        text_of(event for event, _ in events) == text_of(expected(samples, "drafts"))
        for events, samples in zip(said, sounds, strict=True)
    ]
    counts = [client.counts for client in clients]
    _log.info(
        "%d sessions, %d on the replica killed, %d whole, %d events lost, %d repeated, "
        "%d reconnects; next words after %.2f s at most",
        SESSIONS,
        lost["sessions"],
        sum(whole),
        sum(count.lost_events for count in counts),
        sum(count.repeated_events for count in counts),
        sum(count.reconnects for count in counts),
        max(waits_s),
    )
    assert all(whole)
    assert lost["sessions"] == SESSIONS // 2
    assert not any(count.lost_events or count.repeated_events for count in counts)
    assert not any(count.reconnects for count in counts)
    server.until(lambda: len(server.all("replica_up")) == 3)  # Ray Serve starts another
    took_s = time.monotonic() - killed_s
    _log.info("another replica after %.0f s", took_s)


def test_lag_brings_another_replica_which_takes_its_share(server):
    before = len(server.all("replica_up"))
    heard = [[], [], [], []]

    async def audio(seed, kept, enough):
        while not enough.is_set():
            samples = sound(0.1, seed=len(kept) + 10_000 * seed)
            kept.append(samples)
            yield Audio.of(samples)
            await asyncio.sleep(0.1)

    async def run():
        enough = asyncio.Event()

        async def watch():
            await asyncio.to_thread(
                server.until,
                lambda: len(server.all("replica_up")) > before and server.all("replica_filled"),
            )
            await asyncio.sleep(1.0)
            enough.set()

        streams = [
            timed(Client(server.url, start=Start(model="slow")), audio(seed, kept, enough))
            for seed, kept in enumerate(heard)
        ]
        *said, _ = await asyncio.gather(*streams, watch())
        return said

    began_s = time.monotonic()
    said = asyncio.run(run())
    _log.info("a third replica and the end after %.0f s", time.monotonic() - began_s)
    for events, kept in zip(said, heard, strict=True):
        want = expected(np.concatenate(kept), "plain")  # the same words, at once
        assert text_of(event for event, _ in events) == text_of(want)
    assert server.all("replica_filled")[-1]["sessions"] >= 1
