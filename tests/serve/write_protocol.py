"""Writes table and schema of docs/protocol.md: `python -m tests.serve.write_protocol`."""

import json
import re
from pathlib import Path

from earvoice.serve.errors import ERRORS
from earvoice.serve.protocol import schema

DOC = Path(__file__).parents[2] / "docs" / "protocol.md"


def table():
    rows = []
    for code, kind in ERRORS.items():
        close = "" if kind.close is None else str(kind.close)
        more = "; the session can be resumed" if kind.resumable else ""
        rows.append(f"| `{code}` | {close} | {kind.meaning}{more} |")
    return "\n".join(rows)


def main():
    text = DOC.read_text(encoding="utf-8")
    head = "| code | close | meaning |\n|---|---|---|\n"
    before, _, after = text.partition(head)
    rest = re.sub(r"^(\|.*\n)*", "", after)
    block = json.dumps(schema(), ensure_ascii=False)
    rest = rest.split("```json schema\n")[0]
    DOC.write_text(f"{before}{head}{table()}\n{rest}```json schema\n{block}\n```\n", "utf-8")


if __name__ == "__main__":
    main()
