"""Work in processes of its own, one per item, results in order.

Each item gets a fresh process, because some synthesizers remember what they said before. They are
C programs, and may hang: an item that does not get ready is started once more.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from earvoice.errors import EarvoiceError
from earvoice.units import Seconds

Item = TypeVar("Item")
PATIENCE_S: Seconds = 1500.0
"""How long an item may take; a talk of ten minutes takes about one."""
_ATTEMPTS = 2
_POLL_S: Seconds = 5.0


@dataclass(frozen=True, slots=True)
class _Worker:
    """A running process: which item, which attempt, and when it counts as stuck."""

    index: int
    attempt: int
    process: BaseProcess
    deadline_s: Seconds


def in_own_processes(
    work: Callable[[Item], str],
    items: Sequence[Item],
    jobs: int,
    preload: Sequence[str],
    name: Callable[[Item], str],
    patience_s: Seconds = PATIENCE_S,
) -> Iterator[str]:
    """`work(item)` of each item, in order, up to `jobs` at a time.

    `work` is a module-level function; `preload` names modules that the processes start with;
    `name` is what an error calls an item. Raises: EarvoiceError when an item's process dies, says
    so, or is stuck twice.
    """
    context = _context(preload)
    running: dict[Connection, _Worker] = {}
    ready: dict[int, str] = {}
    queue = deque((index, 1) for index in range(len(items)))
    wanted = 0
    try:
        while wanted < len(items):
            while len(running) < jobs and queue and queue[0][0] < wanted + 4 * jobs:
                index, attempt = queue.popleft()
                ours, process = _start(context, work, items[index])
                deadline_s = time.monotonic() + patience_s
                running[ours] = _Worker(index, attempt, process, deadline_s)
            answered = wait(list(running), timeout=min(_POLL_S, patience_s))
            for connection in [ours for ours in running if ours in answered]:
                worker = running.pop(connection)
                ready[worker.index] = _receive(connection, worker, name(items[worker.index]))
            for connection in [c for c, w in running.items() if time.monotonic() > w.deadline_s]:
                worker = running.pop(connection)
                _stop(connection, worker)
                if worker.attempt == _ATTEMPTS:
                    raise EarvoiceError(f"{name(items[worker.index])} does not get ready")
                queue.appendleft((worker.index, worker.attempt + 1))
            while wanted in ready:
                yield ready.pop(wanted)
                wanted += 1
    finally:
        for connection, worker in running.items():
            _stop(connection, worker)


def _context(preload: Sequence[str]) -> Any:
    """Forked from a clean server that has our imports, where that exists."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _start(context: Any, work: Callable[[Item], str], item: Item) -> tuple[Connection, BaseProcess]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, item, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _stop(connection: Connection, worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    connection.close()


def _run(work: Callable[[Any], str], item: Any, connection: Connection) -> None:
    """In the process: the result, or an error that is raised where the result is waited for."""
    try:
        answer = ("done", work(item))
    except EarvoiceError as error:
        answer = ("error", str(error))
    connection.send(answer)
    connection.close()


def _receive(connection: Connection, worker: _Worker, name: str) -> str:
    try:
        kind, text = connection.recv()
    except EOFError:
        worker.process.join()
        raise EarvoiceError(
            f"the process that rendered {name} died with exit code {worker.process.exitcode}"
        ) from None
    finally:
        connection.close()
    worker.process.join()
    if kind == "error":
        raise EarvoiceError(f"{name}: {text}")
    return str(text)
