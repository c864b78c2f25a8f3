"""What the actions of `earvoice corpus` that render sound share: processes and a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from earvoice.errors import UsageError


def check_jobs(jobs: int | None) -> None:
    """Raises: UsageError for a number of processes that cannot be."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs is {jobs}, it must be at least 1")


@contextmanager
def rendering(split: str, things: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar over the things of a split, told how many are done, of how many, and the hours."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn(things + ", {task.fields[hours]:.2f} h"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns) as progress:
        task = progress.add_task(split, total=None, hours=0.0)
        yield lambda done, total, hours: progress.update(
            task, completed=done, total=total, hours=hours
        )
