"""Reading lines of text and of JSON, with the file and the line in every complaint."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earvoice.eval.hypotheses import DataError

MAX_LINE_CHARS = 1 << 24
LARGEST = 1e15
"""No number of a log is larger: milliseconds of 30,000 years."""


def read_text(path: Path) -> str:
    """A whole UTF-8 file; a byte order mark and carriage returns are not part of the text.

    Raises: DataError naming the file, and the byte that is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path} line {line}: byte {error.start} is not UTF-8") from None
    return text.replace("\r\n", "\n")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without what ends them; a last empty one does not count."""
    lines = read_text(path).split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of every line that is not blank. Raises: DataError."""
    for number, line in enumerate(read_lines(path), 1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        if len(line) > MAX_LINE_CHARS:
            raise DataError(f"{where}: longer than {MAX_LINE_CHARS} characters")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON: {error}") from None
        if not isinstance(value, dict):
            raise DataError(f"{where}: must be an object, it is {type(value).__name__}")
        yield where, value


def number(where: str, data: dict[str, Any], key: str) -> float:
    """A finite number. Raises: DataError naming the key and the value."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: {key} is {value!r}, it must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{where}: {key} is {value!r}, it must be finite")
    if abs(value) > LARGEST:
        raise DataError(f"{where}: {key} is beyond {LARGEST:.0e}, which no log can mean")
    return value


def numbers(where: str, data: dict[str, Any], key: str) -> list[float]:
    """A list of finite numbers. Raises: DataError."""
    value = data.get(key)
    if not isinstance(value, list):
        raise DataError(f"{where}: {key} is {type(value).__name__}, it must be a list of numbers")
    return [number(f"{where}: {key}[{i}]", {"value": v}, "value") for i, v in enumerate(value)]


def milliseconds(where: str, data: dict[str, Any], key: str) -> list[float]:
    """A list of finite numbers, 0 or more. Raises: DataError naming the first that is not."""
    found = numbers(where, data, key)
    for index, value in enumerate(found):
        not_negative(where, {f"{key}[{index}]": value}, f"{key}[{index}]")
    return found


def not_negative(where: str, data: dict[str, Any], key: str) -> float:
    """A finite number, 0 or more. Raises: DataError naming the key and the value."""
    value = number(where, data, key)
    if value < 0:
        raise DataError(f"{where}: {key} is {value!r}, it must be 0 or more")
    return value


def microseconds_of(where: str, data: dict[str, Any], key: str) -> int:
    """Integer microseconds, 0 or more. Raises: DataError naming the key and the value."""
    return round(not_negative(where, data, key))


def text(where: str, data: dict[str, Any], key: str) -> str:
    """A text. Raises: DataError."""
    value = data.get(key)
    if not isinstance(value, str):
        raise DataError(f"{where}: {key} is {value!r}, it must be text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DataError(f"{where}: {key} holds a lone surrogate, which is not a character")
    return value


def texts(where: str, data: dict[str, Any], key: str) -> list[str]:
    """A list of texts. Raises: DataError."""
    value = data.get(key)
    if not isinstance(value, list):
        raise DataError(f"{where}: {key} is {value!r}, it must be a list of texts")
    return [text(f"{where}: {key}[{i}]", {"value": v}, "value") for i, v in enumerate(value)]
