"""How many people can speak at once: real-time streams over web sockets, clients included.

    stream n   |--100 ms--|--100 ms--| ...   sent at the pace of speech, at a phase of its own
    lag        arrival of a commit - sending of the last sample that it renders

The server is a process of its own, started here; the clients run in this process on the same
machine. Capacity is the largest number of streams whose 95th percentile of lag stays below the
bound; measured with batches, and with sessions served one at a time.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earvoice.audio import Audio, stream_file
from earvoice.errors import EarvoiceError
from earvoice.events import Commit, Stamped
from earvoice.serve.client import Client
from earvoice.serve.protocol import Start
from earvoice.units import Seconds

PACKET_S: Seconds = 0.1
WARM_UP_S: Seconds = 5.0
_SERVING = re.compile(r"serving on (http://\S+)")
Say = Callable[[str], None]


@dataclass(frozen=True)
class ServeBenchSettings:
    """`streams`: numbers to try, ascending; `seconds` of speech in each; `bound_s`: p95 of lag."""

    model: str
    talk: Path
    streams: tuple[int, ...]
    seconds: Seconds
    bound_s: Seconds = 1.0
    seed: int = 1


@dataclass
class Listener:
    """One stream's clock: when each packet was sent, and how late its words came, in order."""

    sent_s: list[Seconds] = field(default_factory=list)
    lags_s: list[Seconds] = field(default_factory=list)
    heard_s: list[Seconds] = field(default_factory=list)  # where in its audio each of them was
    ended: bool = False

    def take(self, stamped: Stamped) -> None:
        """How late this came."""
        event = stamped.event
        if self.ended or not isinstance(event, Commit) or event.span is None:
            return
        end_s = event.span[1]
        packet = min(len(self.sent_s), max(1, -(-round(end_s * 1000) // round(PACKET_S * 1000))))
        if end_s > WARM_UP_S:
            self.lags_s.append(time.monotonic() - self.sent_s[packet - 1])
            self.heard_s.append(end_s)


def run(settings: ServeBenchSettings, say: Say) -> dict[str, Any]:
    """Both ways of serving, and their ratio."""
    batched = _capacity(settings, None, say)
    single = _capacity(settings, 1, say)
    ratio = batched["capacity"] / single["capacity"] if single["capacity"] else None
    return {
        "benchmark": "serve",
        "model": settings.model,
        "seconds": settings.seconds,
        "bound_s": settings.bound_s,
        "processors": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "batched": batched,
        "one_at_a_time": single,
        "ratio": ratio,
    }


def _capacity(settings: ServeBenchSettings, max_batch: int | None, say: Say) -> dict[str, Any]:
    how = "in batches" if max_batch is None else "one at a time"
    runs: list[dict[str, Any]] = []
    capacity = 0
    for streams in settings.streams:
        say(f"{streams} streams, {how}")
        measured = asyncio.run(_measure(settings, streams, max_batch))
        runs.append(measured)
        if measured["lag_p95_s"] is None or measured["lag_p95_s"] > settings.bound_s:
            break
        capacity = streams
    return {"capacity": capacity, "runs": runs}


async def _measure(
    settings: ServeBenchSettings, streams: int, max_batch: int | None
) -> dict[str, Any]:
    options = ["--set", f"max_sessions={streams}"]
    if max_batch is not None:
        options += ["--set", f"engine.max_batch={max_batch}"]
    server, url = await asyncio.to_thread(start_server, settings.model, options)
    try:
        packets = packets_of(settings.talk, settings.seconds)
        listeners = [Listener() for _ in range(streams)]
        dice = random.Random(settings.seed)
        await asyncio.gather(
            *(speak(url, packets, listener, dice.uniform(0, 1)) for listener in listeners)
        )
    finally:
        await stop(server)
    lags = sorted(lag for listener in listeners for lag in listener.lags_s)
    return {
        "streams": streams,
        "commits": len(lags),
        **{f"lag_p{p}_s": quantile(lags, p / 100) for p in (50, 95, 99)},
    }


async def speak(url: str, packets: Sequence[Audio], listener: Listener, phase_s: Seconds) -> Client:
    """One stream from beginning to end; the client, for what it counted."""
    await asyncio.sleep(phase_s)
    client = Client(url, start=Start(drafts=False))

    async def paced() -> AsyncIterator[Audio]:
        start_s = time.monotonic()
        for number, packet in enumerate(packets, start=1):
            await asyncio.sleep(max(0.0, start_s + number * PACKET_S - time.monotonic()))
            # The moment at which it was spoken, also if this process is late.
            listener.sent_s.append(start_s + number * PACKET_S)
            yield packet
        listener.ended = True

    async for stamped in client.translate(paced()):
        listener.take(stamped)
    return client


def packets_of(recording: Path, seconds: Seconds) -> list[Audio]:
    """A talk, again and again, for as long as asked."""
    talk = list(stream_file(recording, PACKET_S))[:-1]
    count = round(seconds / PACKET_S)
    return [talk[index % len(talk)] for index in range(count)]


def start_server(model: str, options: list[str]) -> tuple[subprocess.Popen[str], str]:
    """`earvoice serve` as a process of its own, and its address. Errors: `EarvoiceError`."""
    command = [sys.executable, "-m", "earvoice.cli", "serve", "--port", "0", "--model", model]
    server = subprocess.Popen(
        [*command, "--log-level", "error", *options],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    return server, wait_for_address(server)


async def stop(server: subprocess.Popen[str]) -> None:
    """Ask a server to end, and end it if it does not."""
    server.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(server.wait, 10)
    except subprocess.TimeoutExpired:
        server.kill()
        await asyncio.to_thread(server.wait)


def wait_for_address(server: subprocess.Popen[str]) -> str:
    """Where a server that was just started listens, from its standard error."""
    lines = []
    while server.stderr is not None and (line := server.stderr.readline()):
        lines.append(line)
        found = _SERVING.search(line)
        if found:
            return found.group(1)
    raise EarvoiceError(f"the server did not start: {' '.join(lines)[-300:]}")


def quantile(values: Sequence[float], share: float) -> float | None:
    """A quantile of ascending values, None of none."""
    if not values:
        return None
    return round(values[min(len(values) - 1, int(share * len(values)))], 4)
