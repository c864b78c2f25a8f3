"""The results of benchmarks as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

_HIDDEN = ("benchmark", "machine", "versions", "elapsed", "batches", "split", "memory")


def bench_tables(result: dict[str, Any]) -> Iterator[Table | Text]:
    """What a benchmark found: its rows, its figures, and what it was measured on."""
    if "elapsed" in result:
        yield _columns(result["elapsed"], "cost of the next second of audio, by age of the stream")
    if "batches" in result:
        yield _rows(result["batches"], "streams together and one after the other, CPU seconds")
    if "split" in result:
        yield _pairs(result["split"], "the parts of a start, seconds")
    figures = {key: value for key, value in result.items() if key not in _HIDDEN}
    yield _pairs(figures | result.get("memory", {}), result["benchmark"])
    machine, versions = result["machine"], result["versions"]
    yield Text(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, load "
        f"{machine['load_1min']} at the start; torch {versions['torch']}, "
        f"python {versions['python']}",
        style="dim",
    )


def _rows(rows: Sequence[dict[str, Any]], title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    return table


def _columns(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """One column an item, because the items have more figures than a terminal has room for."""
    table = Table(box=box.SIMPLE_HEAD, title=title)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table.add_column(keys[0].replace("_", " "))
    for row in rows:
        table.add_column(_shown(row[keys[0]]), justify="right")
    for key in keys[1:]:
        table.add_row(key.replace("_", " "), *(_shown(row.get(key)) for row in rows))
    return table


def _pairs(values: dict[str, Any], title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for key, value in values.items():
        table.add_row(key.replace("_", " "), _shown(value))
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, list):
        return " ".join(_shown(item) for item in value)
    return str(value)
