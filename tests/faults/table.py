"""Writes docs/reliability.md: `python -m tests.faults.table [ROW ...]`, all rows in full."""

import asyncio
import sys
import time
from pathlib import Path

from tests.faults.all_rows import ROWS
from tests.serve.running import running

DOC = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """\
# Faults that were tried

What a live server has to survive, tried with scripted models on one machine with two cores, clients
included; the page is written by `make faults`, which is `python -m tests.faults.table`; with names
of rows it renews only these, so rows may be of different runs. Each is a function of that name in
`tests/faults/rows*.py`, and the tests try each a few times. The server takes 50 control messages a
second here, not 20.

| row | what is done | passed | measured | seconds |
|---|---|---|---|---|
"""


def known():
    """The rows that the page has already."""
    if not DOC.is_file():
        return {}
    lines = DOC.read_text(encoding="utf-8").splitlines()
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}


def main(names):
    """Run all rows, or those named, and write their lines."""
    lines = known()
    with running(limits={"max_control_per_s": 50}) as server:
        for name in names or ROWS:
            row, tries = ROWS[name]
            began_s = time.monotonic()
            outcome = asyncio.run(row(server, tries))
            took_s = time.monotonic() - began_s
            lines[name] = (
                f"| {name} | {row.__doc__} | {outcome.passed} of {outcome.tried} | "
                f"{outcome.figure} | {took_s:.0f} |"
            )
            sys.stdout.write(lines[name] + "\n")
            sys.stdout.flush()
    page = "\n".join(lines[name] for name in ROWS if name in lines)
    DOC.write_text(f"{HEAD}{page}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
