"""What a training run leaves behind to look at: JSON lines always, TensorBoard where installed."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STARTED_OVER = "started over"
"""The note of a run that replaces the one whose records are before it."""
RESUMED = "resumed from "
"""What the note of a run begins with that goes on from an earlier step."""


class TrainLog:
    """Appends one JSON object a record to `log.jsonl`, and scalars to TensorBoard's format.

    over: the run starts over, which is noted where there are records already.
    """

    def __init__(self, folder: Path, *, over: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        end = _last_byte(path)
        self._file = path.open("a", buffering=1)
        if end not in (b"", b"\n"):  # a run was killed inside a record, which stays alone
            self._file.write("\n")
        replaces = over and bool(end)
        self._board = _board(folder, purge=replaces)
        if replaces:
            self.write(0, {"note": STARTED_OVER})

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """One record: the step, wall time, and named values; JSON has no NaN, so that is null."""
        plain = {name: None if _is_nan(value) else value for name, value in values.items()}
        record = {"step": step, "time_s": round(time.time(), 3), **plain}
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        if self._board is not None:
            for name, value in plain.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes both."""
        self._file.close()
        if self._board is not None:
            self._board.close()


class NoLog:
    """The log of a rank that is not the first: what it would say, the first says."""

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _last_byte(path: Path) -> bytes:
    """Empty where there is none."""
    if not path.is_file() or not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _board(folder: Path, *, purge: bool) -> Any:
    """purge: curves of a run before this one are no longer shown."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra `track` is optional
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=0 if purge else None)
