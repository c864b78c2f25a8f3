"""`python -m earvoice.bench.scripted_server`: a live server whose models take no time.

For figures of the server itself: every 0.32 s of audio says one word in each language. Started by
`bench serve --viewers`; with `--fd` it is the engine of that server.
"""

from __future__ import annotations

import argparse
import socket
import sys

from earvoice.serve.app import LiveServer
from earvoice.serve.engine import ServedModel, run
from earvoice.serve.logs import set_up
from earvoice.serve.server import Address, serve
from earvoice.serve.settings import EngineSettings, ServeSettings
from earvoice.testing import Chunk, FakeInterpreter

LANGUAGES = ("de", "es", "fr", "it", "pt", "nl", "pl", "cs")


def main() -> None:
    """Serve until a signal, or be the engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int)
    args = parser.parse_args()
    if args.fd is not None:
        _engine(args.fd)
        return
    set_up("error")
    command = [sys.executable, "-m", "earvoice.bench.scripted_server"]
    serve(LiveServer(command, ServeSettings()), Address(port=0))


def _engine(descriptor: int) -> None:
    scripted = FakeInterpreter(_word, tgt_langs=LANGUAGES)
    model = ServedModel("scripted", scripted, ("en",), LANGUAGES)
    run(socket.socket(fileno=descriptor), {"scripted": model}, EngineSettings())


def _word(chunk: Chunk) -> list[str]:
    return [f"word{round(chunk.start_s * 100)}"]


if __name__ == "__main__":
    main()
