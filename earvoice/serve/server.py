"""Runs the application on uvicorn; the first SIGTERM drains, the second ends at once."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from earvoice.errors import EarvoiceError
from earvoice.serve.app import LiveServer
from earvoice.serve.liveness import PONG_S
from earvoice.serve.patience import first_request_within
from earvoice.serve.turns import in_turns


@dataclass(frozen=True)
class Address:
    """Where the server listens. `port` 0: any free one. `tls`: certificate and key."""

    host: str = "127.0.0.1"
    port: int = 8787
    tls: tuple[Path, Path] | None = None


class ListenError(EarvoiceError):
    """The server cannot start."""


def serve(live: LiveServer, address: Address) -> None:
    """Serve until a signal. Errors: `ListenError`."""
    config = uvicorn_config(live, address.host, address.port, address.tls)
    server = Server(config, live)
    server.run()
    if not server.started and not server.given_up:
        raise ListenError(f"cannot listen on {address.host}:{address.port}; see the log above")


def uvicorn_config(
    live: LiveServer, host: str, port: int, tls: tuple[Path, Path] | None = None
) -> uvicorn.Config:
    """How uvicorn runs it: limits enforced while reading, no deflate, no access log."""
    certificate, key = tls or (None, None)
    config = uvicorn.Config(
        live.app,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ws=in_turns(live.settings.limits.max_control_per_s),
        ws_max_size=live.settings.limits.max_message_bytes,
        ws_per_message_deflate=False,
        http=first_request_within(live.settings.handshake_s),
        ws_ping_interval=20.0,
        ws_ping_timeout=PONG_S,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        proxy_headers=False,
    )
    if tls is not None:
        try:
            config.load()
        except ssl.SSLError as error:
            text = f"--tls-cert {certificate} and --tls-key {key} are no certificate and its key"
            raise ListenError(f"{text}, both PEM: {error}") from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


class Server(uvicorn.Server):
    """uvicorn with a drain, and an end that no client can put off."""

    def __init__(self, config: uvicorn.Config, live: LiveServer) -> None:
        super().__init__(config)
        self._live = live
        self._drain: asyncio.Task[None] | None = None
        self._signals = 0
        self.given_up = False  # a signal came before there was anything to drain

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then say where, for whoever started this."""
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in getattr(self, "servers", []):
            for sock in server.sockets:
                host, port = sock.getsockname()[:2]
                scheme = "https" if self.config.ssl is not None else "http"
                shown = f"[{host}]" if ":" in host else host
                sys.stderr.write(f"earvoice: serving on {scheme}://{shown}:{port}\n")
                sys.stderr.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; who has not gone by then, because he does not read, is cut off."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)  # closing is the loop's next turn

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; a second one, or Ctrl-C, does not wait."""
        self._signals += 1
        if not self.started:  # models may load for minutes
            self._loop().call_soon_threadsafe(self._give_up)
            return
        if self._signals > 1 or sig == signal.SIGINT:
            self.should_exit = True
            return
        self._loop().call_soon_threadsafe(self._begin_drain)

    def _give_up(self) -> None:
        if not self.started:
            self.given_up = True
            # A start that is broken off is no error of the application.
            logging.getLogger("uvicorn.error").disabled = True
            self._serving.cancel()
        else:
            self._begin_drain()

    def _begin_drain(self) -> None:
        self._drain = self._loop().create_task(self._drain_then_exit())

    async def _drain_then_exit(self) -> None:
        await self._live.drain()
        self.should_exit = True

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._running

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """As uvicorn's, remembering the loop for the signals."""
        self._running = asyncio.get_running_loop()
        self._serving = asyncio.ensure_future(super().serve(sockets))  # type: ignore[arg-type]
        try:
            await self._serving
        except asyncio.CancelledError:
            if not self.given_up:
                raise
            # The application is still starting; what it has started ends with it.
            await self._live.stop()
