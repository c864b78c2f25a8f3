"""Work in processes of its own, one per item, results in order.

Each item gets a fresh process, because some synthesizers remember what they said before.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from earvoice.errors import EarvoiceError

Item = TypeVar("Item")


def in_own_processes(
    work: Callable[[Item], str], items: Sequence[Item], jobs: int, preload: Sequence[str]
) -> Iterator[str]:
    """`work(item)` of each item, in order, up to `jobs` at a time.

    `work` is a module-level function; `preload` names modules that the processes start with.
    Raises: EarvoiceError with the item's number when its process dies or says so.
    """
    context = _context(preload)
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    ready: dict[int, str] = {}
    queue = deque(range(len(items)))
    wanted = 0
    try:
        while wanted < len(items):
            while len(running) < jobs and queue and queue[0] < wanted + 4 * jobs:
                index = queue.popleft()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=_run, args=(work, items[index], theirs), daemon=True
                )
                process.start()
                theirs.close()
                running[ours] = (index, process)
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                index, process = running.pop(connection)
                ready[index] = _receive(connection, process, index)
            while wanted in ready:
                yield ready.pop(wanted)
                wanted += 1
    finally:
        for connection, (_, process) in running.items():
            process.kill()
            process.join()
            connection.close()


def _context(preload: Sequence[str]) -> Any:
    """Forked from a clean server that has our imports, where that exists."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _run(work: Callable[[Any], str], item: Any, connection: Connection) -> None:
    try:
        answer = ("done", work(item))
    except EarvoiceError as error:
        answer = ("error", str(error))
    connection.send(answer)
    connection.close()


def _receive(connection: Connection, process: BaseProcess, index: int) -> str:
    try:
        kind, text = connection.recv()
    except EOFError:
        process.join()
        raise EarvoiceError(
            f"the process that made item {index} died with exit code {process.exitcode}"
        ) from None
    finally:
        connection.close()
    process.join()
    if kind == "error":
        raise EarvoiceError(f"item {index}: {text}")
    return str(text)
