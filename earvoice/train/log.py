"""What a training run leaves behind to look at: JSON lines always, TensorBoard where installed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class TrainLog:
    """Appends one JSON object a record to `log.jsonl`, and scalars to TensorBoard's format."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "log.jsonl").open("a", buffering=1)
        self._board = _board(folder)

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


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra `track` is optional
        return None
    return SummaryWriter(str(folder / "tensorboard"))
