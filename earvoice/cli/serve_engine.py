"""`python -m earvoice.cli.serve_engine`: the engine process, started by `earvoice serve`."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Sequence

from earvoice.errors import EarvoiceError, UsageError
from earvoice.serve.engine import ServedModel, run
from earvoice.serve.settings import EngineSettings
from earvoice.zoo import find_model


def main() -> int:
    """Load the models, then serve the socket."""
    parser = argparse.ArgumentParser(prog="earvoice serve (engine)")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--settings", default="{}", help="JSON of EngineSettings")
    parser.add_argument("--fd", type=int, required=True)
    args = parser.parse_args()
    # Ctrl-C in a terminal, and systemd's SIGTERM, reach the whole group; while the server drains,
    # its sessions need this process, which ends with its socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock = socket.socket(fileno=args.fd)
    try:
        models = load_models(args.model, args.rows, args.threads)
    except (EarvoiceError, OSError) as error:
        print(f"earvoice: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    run(sock, models, EngineSettings.model_validate_json(args.settings))
    # Not sys.exit: threads of the numerical libraries may still be waiting for work.
    sys.stderr.flush()
    os._exit(0)


def load_models(names: Sequence[str], rows: int, threads: int) -> dict[str, ServedModel]:
    """Models by name or folder, for `rows` streams at once. Errors: `EarvoiceError`."""
    import torch

    from earvoice.loading import load

    torch.set_num_threads(threads)
    models = {}
    for name in names:
        card = find_model(name)
        interpreter = load(card.path, rows=rows)
        microphones = getattr(interpreter, "microphones", 1)
        if microphones != 1:
            raise UsageError(
                f"--model {card.name} hears with {microphones} microphones; a server mixes what "
                "it is sent to one channel"
            )
        models[card.name] = ServedModel(
            card.name,
            interpreter,
            card.src_langs,
            card.tgt_langs,
            getattr(interpreter, "takes_terms", "none"),
            getattr(interpreter, "gives_transcript", False),
            card.directions,
            card.policy,
        )
    return models


if __name__ == "__main__":
    sys.exit(main())
