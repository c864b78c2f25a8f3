"""How soon a room reads: one speaker, several languages, many viewers, clients included.

    delay of a caption to a viewer  = its arrival - the moment the server had it from its engine
    lag of the speaker's own text   = arrival of a commit - sending of the last sample it renders

Server and clients are two processes on one machine. The server stamps each caption with the
seconds since the room was opened; the quickest delivery of all is taken as having taken no time,
which puts both clocks together. The speaker is measured alone first, then with the viewers, some
of whom never read.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from earvoice.audio import Audio
from earvoice.bench.serve import Say, quantile, wait_for_address
from earvoice.events import Commit
from earvoice.serve.client import Client
from earvoice.serve.protocol import Start
from earvoice.units import SAMPLE_RATE, Seconds

PACKET_S: Seconds = 0.1
_ROOM = "bench"
_WARM_UP_S: Seconds = 2.0


@dataclass(frozen=True)
class ViewerBenchSettings:
    """`viewers`, of whom `deaf` never read; `seconds` of speech; `seed` of its noise."""

    viewers: int
    languages: tuple[str, ...] = ("de", "es", "fr")
    deaf: int = 0
    seconds: Seconds = 20.0
    seed: int = 1


def run(settings: ViewerBenchSettings, say: Say) -> dict[str, Any]:
    """The speaker alone, then with the viewers."""
    say("the speaker alone")
    alone = asyncio.run(_measure(settings, 0))
    say(f"with {settings.viewers} viewers, {settings.deaf} of whom never read")
    together = asyncio.run(_measure(settings, settings.viewers))
    return {
        "benchmark": "serve --viewers",
        "viewers": settings.viewers,
        "deaf": settings.deaf,
        "languages": list(settings.languages),
        "seconds": settings.seconds,
        "processors": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "alone": alone,
        "together": together,
    }


async def _measure(settings: ViewerBenchSettings, viewers: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "earvoice.bench.scripted_server"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        url = await asyncio.to_thread(wait_for_address, server)
        lags: list[Seconds] = []
        speaker = asyncio.create_task(_speak(url, settings, lags))
        arrivals: list[tuple[Seconds, Seconds]] = []
        readers = await _enter(url, settings, viewers, arrivals)
        await speaker
        await asyncio.sleep(1.0)
        for reader in readers:
            reader.cancel()
        results = await asyncio.gather(*readers, return_exceptions=True)
        lost = sum(isinstance(result, Exception) for result in results)
    finally:
        server.send_signal(signal.SIGINT)
        await asyncio.to_thread(server.wait, 20)
    return {**_figures("speaker_lag", lags), **_delays(arrivals), "connections_lost": lost}


def _delays(arrivals: Sequence[tuple[Seconds, Seconds]]) -> dict[str, Any]:
    if not arrivals:
        return {}
    together_s = min(arrived - stamped for arrived, stamped in arrivals)
    delays = [arrived - stamped - together_s for arrived, stamped in arrivals]
    return {"captions_read": len(delays), **_figures("viewer_delay", delays)}


def _figures(name: str, values: list[Seconds]) -> dict[str, Any]:
    ordered = sorted(values)
    return {f"{name}_p{p}_s": quantile(ordered, p / 100) for p in (50, 95, 99)}


async def _speak(url: str, settings: ViewerBenchSettings, lags: list[Seconds]) -> None:
    first, *more = settings.languages
    start = Start(room=_ROOM, tgt_lang=first, more_tgt_langs=tuple(more), drafts=False)
    began_s = 0.0

    async def paced() -> AsyncIterator[Audio]:
        nonlocal began_s
        began_s = time.monotonic()
        noise = np.random.default_rng(settings.seed)
        for number in range(1, round(settings.seconds / PACKET_S) + 1):
            await asyncio.sleep(max(0.0, began_s + number * PACKET_S - time.monotonic()))
            size = round(PACKET_S * SAMPLE_RATE)
            yield Audio.of((noise.standard_normal(size) * 0.01).astype(np.float32))

    async for stamped in Client(url, start=start).translate(paced()):
        event = stamped.event
        if isinstance(event, Commit) and event.span is not None and event.span[1] > _WARM_UP_S:
            # Its last sample was sent with the packet that holds it.
            packets = -(-round(event.span[1] * 1000) // round(PACKET_S * 1000))
            lags.append(time.monotonic() - (began_s + packets * PACKET_S))


async def _enter(
    url: str,
    settings: ViewerBenchSettings,
    viewers: int,
    arrivals: list[tuple[Seconds, Seconds]],
) -> list[asyncio.Task[None]]:
    """The viewers, languages in turn; those who never read come first."""
    address = url.replace("http", "ws", 1) + f"/v1/room/{_ROOM}"
    readers: list[asyncio.Task[None]] = []
    for number in range(viewers):
        # The deaf have no room for what they are sent, beyond the system's.
        queue = 1 if number < settings.deaf else 64
        while True:
            try:
                socket = await connect(address, compression=None, max_queue=queue)
                break
            except InvalidStatus as refused:
                if refused.response.status_code != 404:
                    raise
                await asyncio.sleep(0.05)  # the room opens a moment later
        language = settings.languages[number % len(settings.languages)]
        await socket.send(json.dumps({"type": "watch", "language": language}))
        # Read from the first moment: what waits here would count as late.
        reading = _be_deaf(socket) if number < settings.deaf else _read(socket, arrivals)
        readers.append(asyncio.create_task(reading))
    return readers


async def _be_deaf(socket: ClientConnection) -> None:
    """Hold a connection and never read."""
    try:
        await asyncio.Event().wait()
    finally:
        socket.transport.abort()


async def _read(socket: ClientConnection, arrivals: list[tuple[Seconds, Seconds]]) -> None:
    caught_up = False
    async for text in socket:
        now_s = time.monotonic()
        message = json.loads(text)
        if message["type"] != "captions":
            continue
        if caught_up:
            arrivals += [(now_s, caption["wall_s"]) for caption in message["captions"]]
        # The first message is the history, which is late because the viewer is.
        caught_up = True
