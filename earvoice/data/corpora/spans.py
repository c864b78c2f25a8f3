"""Segmentations: a YAML list of offset, duration and wav, with the line of each entry."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from earvoice.data.corpora.reading import read_text
from earvoice.errors import DataError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built
_MAX_S = 1e7
_EXPONENT = re.compile(r"\d+(\.\d*)?[eE][-+]?\d{1,3}", re.ASCII)  # YAML 1.1 takes 1e-05 for text


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording (the file `wav`, as written), integer microseconds."""

    wav: str
    start_us: int
    end_us: int
    speaker: str
    where: str

    @property
    def recording(self) -> str:
        """The name without folder and ending."""
        return Path(self.wav).stem


def read_spans(path: Path) -> list[Span]:
    """The entries in the file's order.

    Raises: DataError naming file and line: not YAML, not a list of such entries, a key twice.
    """
    text = read_text(path)
    try:
        # Constructed one by one, because only the nodes know their lines.
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if not isinstance(root, yaml.SequenceNode) or not root.value:
                raise DataError(f"{path}: must be a list of segments with wav, offset, duration")
            return [_span(loader, node, path) for node in root.value]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise DataError(f"{path}{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _span(loader: Any, node: yaml.Node, path: Path) -> Span:
    where = f"{path} line {node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        raise DataError(f"{where}: must be a segment with wav, offset and duration")
    try:
        entry = {
            loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
            for key, value in node.value
        }
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: {error}") from None
    if len(entry) != len(node.value):
        raise DataError(f"{where}: a key stands there twice")
    wav = entry.get("wav")
    if not isinstance(wav, str) or not wav:
        raise DataError(f"{where}: wav is {wav!r}, it must be a file name")
    offset_us, duration_us = (_microseconds(where, entry, key) for key in ("offset", "duration"))
    speaker = entry.get("speaker_id")
    return Span(
        wav, offset_us, offset_us + duration_us, "" if speaker is None else str(speaker), where
    )


def _microseconds(where: str, entry: dict[Any, Any], key: str) -> int:
    value = entry.get(key)
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: {key} is {value!r}, it must be a number of seconds")
    if not math.isfinite(value) or not 0 <= value <= _MAX_S:
        raise DataError(f"{where}: {key} is {value!r}, it must be 0 or more seconds")
    return round(value * 1_000_000)


def spans_by_recording(spans: list[Span]) -> dict[str, list[Span]]:
    """In the file's order, within each recording and by first appearance of recordings."""
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(span.recording, []).append(span)
    return found
