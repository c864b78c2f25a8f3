"""One replica of the engine: dials the network process, then serves it as any engine does.

Whoever starts replicas makes one object of `Replica` in a process of its own and asks it from time
to time how it is. It takes no other requests: audio and events go over its own connection.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from earvoice.errors import EarvoiceError
from earvoice.serve.engine import Load, ServedModel, run
from earvoice.serve.settings import EngineSettings
from earvoice.units import Seconds

SECRET_BYTES, PID_BYTES = 64, 4
_CONNECT_S: Seconds = 10.0


class ReplicaError(EarvoiceError):
    """The replica is of no use any more; another has to be started."""


@dataclass(frozen=True)
class Dial:
    """Where the network process waits for replicas, and what they say first."""

    host: str
    port: int
    secret: str = field(repr=False)

    def connect(self) -> socket.socket:
        """A connection that the network process will take for an engine's. Errors: `OSError`."""
        sock = socket.create_connection((self.host, self.port), timeout=_CONNECT_S)
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(self.secret.encode() + os.getpid().to_bytes(PID_BYTES))
        return sock


class Replica:
    """An engine in a thread. `load` brings the models; `settings`: JSON of `EngineSettings`.

    The process ends with the connection: its sessions are elsewhere by then.
    """

    def __init__(
        self, load: Callable[[], Mapping[str, ServedModel]], settings: str, dial: Dial
    ) -> None:
        models = load()
        self._load = Load()
        self._asked_s, self._busy_s = time.monotonic(), 0.0
        self._sock = dial.connect()
        engine = EngineSettings.model_validate_json(settings)
        threading.Thread(target=self._serve, args=(models, engine), daemon=True).start()

    def check_health(self) -> None:
        """Errors: `ReplicaError` if the connection has ended, as it does for one that hangs."""
        try:
            ended = self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            raise ReplicaError("the network process has hung up")

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `scaling` decides by: lag, and the share of time in steps since the last call."""
        now_s, busy_s = time.monotonic(), self._load.busy_s
        share = (busy_s - self._busy_s) / max(1e-3, now_s - self._asked_s)
        self._asked_s, self._busy_s = now_s, busy_s
        return {"lag_s": self._load.lag_s, "busy": min(1.0, share)}

    def _serve(self, models: Mapping[str, ServedModel], settings: EngineSettings) -> None:
        try:
            run(self._sock, models, settings, self._load)
        finally:
            os._exit(1)
