"""Pieces of work in folders of their own: done or not, what they cost, who is at them.

    OUT/<group>/<name>/result.json    what was found; there when the task is done
    OUT/<group>/<name>/cost.json      CPU seconds, of broken-off attempts too

Several processes may work on one OUT: a task that another one holds is left to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.data.lock import FolderLock
from earvoice.errors import ConfigError

RESULT, COST = "result.json", "cost.json"


@dataclass(frozen=True)
class Task:
    """A piece of work. `key` is all that its result depends on; `work` gets the folder."""

    folder: Path
    key: Mapping[str, Any]
    work: Callable[[Path], Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Its group and name."""
        return "/".join(self.folder.parts[-2:])

    def result(self) -> dict[str, Any] | None:
        """What was found; None while it is not done.

        Raises: ConfigError for a result of another configuration.
        """
        path = self.folder / RESULT
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["key"] != digest(self.key):
            raise ConfigError(
                f"{path} was made with another configuration, base or corpus; choose another "
                "--out, or remove it"
            )
        return found

    def cost_s(self) -> float:
        """CPU seconds so far."""
        path = self.folder / COST
        return float(json.loads(path.read_text())["cpu_s"]) if path.is_file() else 0.0

    def run(self) -> bool:
        """Does the work if it is not done. False: another process is at it."""
        if self.result() is not None:
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(FolderLock(self.folder))
            except ConfigError:
                return False
            if self.result() is None:
                self._work()
        return True

    def _work(self) -> None:
        before, start = self.cost_s(), time.process_time()
        try:
            found = {"key": digest(self.key), **self.work(self.folder)}
            _write(self.folder / RESULT, found)
        finally:
            _write(self.folder / COST, {"cpu_s": before + time.process_time() - start})


def digest(key: Mapping[str, Any]) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, data: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
