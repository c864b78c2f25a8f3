"""A start of `earvoice translate` step by step, run in a fresh process by `startup`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(model: str, talk: str) -> None:
    """Writes one JSON object: for each step, the system's monotonic clock when it was done."""
    stamps = {"python_s": time.monotonic()}
    import torch

    stamps["import_torch_s"] = time.monotonic()
    torch.set_num_threads(1)
    import earvoice
    from earvoice.audio import stream_file
    from earvoice.events import Commit
    from earvoice.zoo import read_card

    stamps["import_earvoice_s"] = time.monotonic()
    interpreter = earvoice.load(model)
    stamps["load_s"] = time.monotonic()
    card = read_card(Path(model))
    session = interpreter.open(earvoice.Request(card.src_langs[0], card.tgt_langs[0]))
    for packet in stream_file(talk, 0.1):
        if any(isinstance(event, Commit) for event in session.push(packet)):
            break
    stamps["first_steps_s"] = time.monotonic()
    sys.stdout.write(json.dumps(stamps))
