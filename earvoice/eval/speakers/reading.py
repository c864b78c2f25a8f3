"""Utterances from files: STM (NIST) and SegLST (a JSON list of segments)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from earvoice.eval.hypotheses import DataError
from earvoice.eval.lines import read_lines, read_text
from earvoice.eval.speakers.utterances import Utterance

MAX_SECONDS = 10**9
_KEYS = ("session_id", "speaker", "start_time", "end_time", "words")


def read_utterances(path: Path) -> list[Utterance]:
    """The utterances of a file: SegLST if its name ends in `.json`, else STM.

    Raises: DataError naming file and line.
    """
    return read_seglst(path) if path.suffix.lower() == ".json" else read_stm(path)


def read_stm(path: Path) -> list[Utterance]:
    """STM: `recording channel speaker start end [<label,...>] words`, one utterance a line.

    Lines that start with `;;` are comments; the channel is not used. A label is dropped: it has
    angle brackets and commas, as `<o,f0,male>`. Raises: DataError naming file and line.
    """
    found = []
    for number, line in enumerate(read_lines(path), 1):
        if line.strip() and not line.lstrip().startswith(";;"):
            found.append(_stm_line(f"{path} line {number}", line))
    return found


def _stm_line(where: str, line: str) -> Utterance:
    fields = line.split(maxsplit=5)
    if len(fields) < 5:
        raise DataError(
            f"{where}: has {len(fields)} fields; an STM line is `recording channel speaker start "
            "end words`"
        )
    session, _, speaker, start, end = fields[:5]
    text = fields[5].strip() if len(fields) == 6 else ""
    first, _, rest = text.partition(" ")
    if first.startswith("<") and first.endswith(">") and "," in first:
        text = rest.strip()
    if text.lower() == "ignore_time_segment_in_scoring":
        raise DataError(f"{where}: stretches that are not to be scored are not supported")
    return Utterance(
        session,
        speaker,
        _microseconds(where, "start", start),
        _microseconds(where, "end", end),
        text,
        where,
    )


def read_seglst(path: Path) -> list[Utterance]:
    """SegLST: a JSON list of objects with session_id, speaker, start_time, end_time and words.

    Times are seconds, as numbers or as text; other keys are not looked at.
    Raises: DataError naming file and line.
    """
    return [_segment(where, value) for where, value in _json_list(path)]


def _segment(where: str, value: Any) -> Utterance:
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be an object, it is {type(value).__name__}")
    missing = [key for key in _KEYS if key not in value]
    if missing:
        raise DataError(f"{where}: {missing[0]} is missing; a segment has {', '.join(_KEYS)}")
    if not isinstance(value["words"], str):
        raise DataError(f"{where}: words is {value['words']!r}, it must be text")
    return Utterance(
        _label(where, "session_id", value["session_id"]),
        _label(where, "speaker", value["speaker"]),
        _microseconds(where, "start_time", value["start_time"]),
        _microseconds(where, "end_time", value["end_time"]),
        value["words"],
        where,
    )


def _label(where: str, key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise DataError(f"{where}: {key} is {value!r}, it must be text or an integer")
    return str(value)


def _microseconds(where: str, key: str, value: Any) -> int:
    """Seconds as integer microseconds, without a detour over binary fractions."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        seconds = Decimal(value)
        if not seconds.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise DataError(f"{where}: {key} is {value!r}, it must be a number of seconds") from None
    if not 0 <= seconds <= MAX_SECONDS:
        raise DataError(f"{where}: {key} is {value} s, it must be 0 to {MAX_SECONDS}")
    return round(seconds * 1_000_000)


def _json_list(path: Path) -> Iterator[tuple[str, Any]]:
    """(where, value) of every entry of a JSON list, with the line it begins in."""
    text = read_text(path)
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=str)
    try:
        count = _length(path, decoder.decode(text))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    end, line = text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    for _ in range(count):
        start = end
        while text[start] in ", \t\r\n":
            start += 1
        line += text.count("\n", end, start)
        value, end = decoder.raw_decode(text, start)
        yield f"{path} line {line}", value
        line += text.count("\n", start, end)


def _length(path: Path, value: Any) -> int:
    if not isinstance(value, list):
        raise DataError(f"{path}: must be a JSON list of segments, it is {type(value).__name__}")
    return len(value)
