"""What the benchmarks of `earvoice bench` say: progress on standard error, figures on output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def say(text: str) -> None:
    """One line of progress."""
    print(f"earvoice bench: {text}", file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Any]:
    """Says on standard error what is being done: one line that changes, or lines in a log."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield say
        return
    with console.status("starting") as status:
        yield status.update


def print_json(result: dict[str, Any]) -> None:
    """A result as one object on one line."""
    print(json.dumps(result, ensure_ascii=False))


def print_tables(result: dict[str, Any]) -> None:
    """A result that says what it was measured on, as tables for people."""
    from rich.console import Console

    from earvoice.cli.tables import bench_tables

    console = Console()
    for table in bench_tables(result):
        console.print(table)
