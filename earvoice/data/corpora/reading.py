"""Reading text files of a corpus: lines, safe paths, and complaints with file and line."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from earvoice.errors import DataError, UsageError

MAX_UNPACKED_BYTES = 1 << 28
MAX_LINE_BYTES = 1 << 24
_BOM = b"\xef\xbb\xbf"
# Everything some program takes for a line end, and tabs: in a text they are spaces.
_BREAKS = re.compile("[\t\n\r\v\f\x1c-\x1f\x85\u2028\u2029\0]+")


def clean(text: str) -> str:
    """One line of text: tabs and line breaks are spaces, none at the ends. Inner spaces stay."""
    return _BREAKS.sub(" ", text).strip()


def read_bytes(path: Path) -> bytes:
    """A whole file, unpacked where the name ends in .gz. Raises: DataError naming it."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as packed:
            content = packed.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if len(content) > MAX_UNPACKED_BYTES:
        raise DataError(f"{path} unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return content


def read_text(path: Path) -> str:
    """A whole UTF-8 file; a byte order mark is no text, CRLF is a line end.

    Raises: DataError naming the file and the line that is not UTF-8.
    """
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path} line {line}: byte {error.start} is not UTF-8") from None


def read_lines(path: Path) -> list[str]:
    """Lines, cut at line feeds only (`str.splitlines` also cuts at U+0085 and U+2028)."""
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(where, line) one at a time, so that a table may be larger than memory. Raises: DataError."""
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                where = f"{path} line {number}"
                if number == 1:
                    raw = raw.removeprefix(_BOM)
                    if not raw:
                        return
                yield where, _line(raw, where)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _line(raw: bytes, where: str) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise DataError(f"{where}: longer than {MAX_LINE_BYTES} bytes")
    try:
        return raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} of it is not UTF-8") from None


def read_json(path: Path) -> Any:
    """A JSON document. Raises: DataError naming file and line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def inside(folder: Path, name: str, where: str) -> Path:
    """The file `name` of a corpus file, below `folder`.

    Raises: DataError for an absolute path and for one with `..`, which would read elsewhere.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in name:
        raise DataError(
            f"{where}: {name!r} is not a name of a file in {folder}; it must be relative, "
            "without '..'"
        )
    return folder.joinpath(*parts)


def first_folder(candidates: Sequence[Path], holds: str, layout: str) -> Path:
    """The first folder that has `holds` in it. Raises: UsageError with the expected layout."""
    for folder in candidates:
        if (folder / holds).exists():
            return folder
    tried = ", ".join(str(folder / holds) for folder in dict.fromkeys(candidates))
    raise UsageError(f"there is no {tried}; expected layout: {layout}")


def only_file(folder: Path, patterns: Sequence[str], what: str) -> Path:
    """The one file of a folder that a pattern matches, the first pattern with a match deciding.

    Raises: UsageError for none, and for several with their names.
    """
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise UsageError(f"{folder} has several {what}: {names}; keep the one that is meant")
    raise UsageError(f"{folder} has no {what} ({' or '.join(patterns)})")
