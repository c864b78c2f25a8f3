"""Scores translations with unbabel-comet. Runs in the environment where that is installed.

    in    {"model": "Unbabel/wmt22-comet-da" or a checkpoint's path, "batch": 8}
          {"src": ..., "mt": ..., "ref": ...}                           one line per item
    out   {"package": "2.2.7", "torch": ..., "precision": "float32", "device": "cpu"}
          {"score": 0.81}                                               one line per item
    or    {"error": "..."}                                              and exit code 1

A model is looked for on this machine only; nothing is fetched.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def _main() -> int:
    # Libraries write to standard output as they please; ours goes to what it was at the start.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        head, *items = (json.loads(line) for line in sys.stdin.buffer.read().splitlines() if line)
        try:
            lines = _scored(head, items)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
            return 1
        out.writelines(json.dumps(line) + "\n" for line in lines)
    return 0


def _scored(head: dict[str, Any], items: list[dict[str, str]]) -> list[dict[str, Any]]:
    comet = importlib.import_module("comet")
    torch = importlib.import_module("torch")
    path = head["model"]
    if not os.path.isfile(path):
        try:
            path = comet.download_model(path, local_files_only=True)
        except Exception:  # noqa: BLE001 - of several libraries, and what they say misleads
            raise FileNotFoundError("it is not on this machine") from None
    model = comet.load_from_checkpoint(path, local_files_only=True)
    model.eval()
    gpus = 1 if torch.cuda.is_available() else 0
    found = model.predict(
        items, batch_size=head["batch"], gpus=gpus, progress_bar=False, num_workers=0
    )
    about = {
        "package": _version("unbabel-comet"),
        "torch": _version("torch"),
        "precision": str(next(model.parameters()).dtype).removeprefix("torch."),
        "device": "cuda" if gpus else "cpu",
    }
    return [about, *({"score": float(score)} for score in found.scores)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(_main())
