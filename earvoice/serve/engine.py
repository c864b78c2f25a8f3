"""The engine process: owns the models, advances all sessions, speaks over one socket.

Three threads: one reads the socket, one writes it, the main one computes; so neither a slow
network process nor a long step of a model stops the others from taking messages.

    from the network process   open, audio, update, mark, finish, close, ping, stop
    to the network process     ready, opened, said, snapshot, failed, rebuild, update_failed,
                               marked, step, trying, pong
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from earvoice.events import to_json
from earvoice.policies import PolicySpec
from earvoice.serve.scheduler import Item, Output, Scheduler, Snapshot
from earvoice.serve.settings import EngineSettings
from earvoice.serve.wire import Message, Unpacker, pack
from earvoice.session import Interpreter
from earvoice.units import Seconds

_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class ServedModel:
    """A loaded model and what it translates."""

    name: str
    interpreter: Interpreter
    src_langs: tuple[str, ...]
    tgt_langs: tuple[str, ...]
    glossary: str = "none"
    """Whether it takes terms: `none`, `start`, `live`."""
    transcript: bool = False
    """Whether it can give the words spoken."""
    directions: tuple[tuple[str, str], ...] = ()
    """Source and target of each, where not every source goes into every target."""
    policy: PolicySpec | None = None
    """Its own; what a client's policy leaves out is as in this one."""


@dataclass
class Load:
    """What an engine has to do. It alone writes here; other threads of its process may read."""

    lag_s: Seconds = 0.0
    """Median of its sessions (`Scheduler.lag_s`) after the last step."""
    busy_s: Seconds = 0.0
    """Time spent in steps since the start."""


def run(
    sock: socket.socket,
    models: Mapping[str, ServedModel],
    settings: EngineSettings,
    load: Load | None = None,
) -> None:
    """Serve until the network process says stop or goes away; `load` is kept current."""
    engine = _Engine(sock, models, settings, load or Load())
    engine.run()


class _Engine:
    def __init__(
        self,
        sock: socket.socket,
        models: Mapping[str, ServedModel],
        settings: EngineSettings,
        load: Load,
    ) -> None:
        self._sock = sock
        self._models = models
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        interpreters = {name: model.interpreter for name, model in models.items()}
        own = {name: model.policy for name, model in models.items()}
        self._scheduler = Scheduler(interpreters, settings, time.monotonic, own, self._try)
        self._load = load
        self._stopped = False
        self._sending = threading.Lock()

    def run(self) -> None:
        reader = threading.Thread(target=self._read, daemon=True)
        writer = threading.Thread(target=self._write, daemon=True)
        reader.start()
        writer.start()
        self._send(Message("ready", 0, {"models": [_describe(m) for m in self._models.values()]}))
        while not self._stopped:
            self._take_messages()
            started_s = time.monotonic()
            outputs = self._scheduler.step()
            if self._scheduler.last_batch:
                took_s = time.monotonic() - started_s
                self._load.busy_s += took_s
                self._send(Message("step", 0, {"batch": self._scheduler.last_batch, "s": took_s}))
            self._load.lag_s = self._scheduler.lag_s
            for output in outputs:
                self._tell(output)
        self._outbox.put(None)
        writer.join(timeout=2)

    def _take_messages(self) -> None:
        """All that came; waits for one if there is nothing to compute."""
        wait = not self._scheduler.busy
        while not self._stopped:
            try:
                message = self._inbox.get(block=wait)
            except queue.Empty:
                return
            wait = False
            if message is None:
                self._stopped = True
            else:
                self._take(message)

    def _take(self, message: Message) -> None:
        head, number = message.head, message.session
        match message.kind:
            case "audio":
                samples = np.frombuffer(message.body, dtype="<f4")
                self._scheduler.add(number, Item("audio", samples))
            case "open":
                place = head.get("snapshot")
                snapshot = None
                if place is not None:
                    snapshot = Snapshot(place["items"], place["index"], place["fed"], message.body)
                output = self._scheduler.open(
                    number,
                    head["model"],
                    head["request"],
                    snapshot,
                    alone=head["alone"],
                    speaker=head["speaker"],
                )
                if output.error is None:
                    self._send(Message("opened", number, {"done_s": output.done_s}))
                self._tell(output)
            case "update":
                self._scheduler.add(number, Item("update", changes=head["changes"]))
            case "mark":
                self._scheduler.add(number, Item("mark", mark=head["mark"]))
            case "finish":
                self._scheduler.add(number, Item("finish"))
            case "close":
                self._scheduler.close(number)
            case "ping":
                self._send(Message("pong"))
            case "stop":
                self._stopped = True

    def _tell(self, output: Output) -> None:
        number = output.session
        if output.error is not None:
            head = {"error": output.error, "refused": output.refused}
            self._send(Message("failed", number, head))
            return
        if output.rebuild:
            self._send(Message("rebuild", number))
            return
        if output.mark is not None:
            self._send(Message("marked", number, {"mark": output.mark, "done_s": output.done_s}))
            return
        if output.update_error is not None:
            self._send(Message("update_failed", number, {"error": output.update_error}))
            return
        head = {
            "index": output.index,
            "events": [to_json(event) for event in output.events],
            "done_s": output.done_s,
        }
        self._send(Message("said", number, head))
        if output.snapshot is not None:
            taken = output.snapshot
            place = {"items": taken.items, "index": taken.index, "fed": taken.fed}
            self._send(Message("snapshot", number, place, taken.data))

    def _send(self, message: Message) -> None:
        self._outbox.put(message)

    def _read(self) -> None:
        unpacker = Unpacker()
        try:
            while data := self._sock.recv(_READ_BYTES):
                for message in unpacker.push(data):
                    self._inbox.put(message)
        except OSError:
            pass  # the other end is gone, which ends this process too
        self._inbox.put(None)

    def _write(self) -> None:
        try:
            while (message := self._outbox.get()) is not None:
                self._send_now(message)
        except OSError:
            self._inbox.put(None)

    def _send_now(self, message: Message) -> None:
        with self._sending:
            self._sock.sendall(pack(message))

    def _try(self, number: int) -> None:
        """At once: what comes next may end this process, and whatever waits to be written."""
        with contextlib.suppress(OSError):
            self._send_now(Message("trying", number))


def _describe(model: ServedModel) -> dict[str, object]:
    return {
        "name": model.name,
        "src_langs": list(model.src_langs),
        "tgt_langs": list(model.tgt_langs),
        "glossary": model.glossary,
        "transcript": model.transcript,
        "directions": [list(pair) for pair in model.directions],
    }
