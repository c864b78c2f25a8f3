"""RealSI: twenty recordings between English and Chinese, with the terms that are said.

    DIR/data/en2zh/json/*.json     {vid, duration, segment: [{start_time, end_time, src_text,
                                   trg_text, utterance: [{..., term: [{src, trg}]}]}]}   (ms)
    DIR/data/en2zh/audio/<vid>.*   what its script fetches: mp3, or another format

The last segments often end after the recording does (by up to 1.2 s in 16 of 20 recordings).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from earvoice.data.corpora.reading import clean, first_folder, inside, read_json
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.takes import Passage, Take, Wanted, in_time, primary_subtag
from earvoice.errors import DataError

LAYOUT = "DIR/data/en2zh/{json/*.json, audio/<vid>.mp3}"
_ENDINGS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".webm")


def read_realsi(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The recordings of a direction."""
    direction = f"{primary_subtag(wanted.src)}2{primary_subtag(wanted.tgt)}"
    candidates = [root / "data" / direction, root / direction, root]
    folder = first_folder(candidates, "json", LAYOUT)
    files = sorted((folder / "json").glob("*.json"))
    if not files:
        raise DataError(f"{folder / 'json'} has no .json file; expected layout: {LAYOUT}")
    return [_take(path, folder / "audio") for path in files]


def _take(path: Path, audio: Path) -> Take:
    talk = _object(read_json(path), str(path))
    name = _text(talk, "vid", str(path))
    segments = talk.get("segment")
    if not isinstance(segments, list) or not segments:
        raise DataError(f"{path}: segment must be a list with at least one segment")
    passages = [
        _passage(_object(segment, f"{path} segment {number}"), f"{path} segment {number}")
        for number, segment in enumerate(segments, 1)
    ]
    return Take(name, _recording(audio, name, str(path)), in_time(passages), str(path))


def _passage(segment: dict[str, Any], where: str) -> Passage:
    utterances = segment.get("utterance", [])
    if not isinstance(utterances, list):
        raise DataError(f"{where}: utterance must be a list")
    parts = [_object(part, f"{where}: utterance {n}") for n, part in enumerate(utterances, 1)]
    terms = [
        (clean(_text(term, "src", where)), clean(_text(term, "trg", where)))
        for part in parts
        for term in (_object(item, f"{where}: term") for item in part.get("term") or [])
    ]
    start_us, end_us = (_microseconds(segment, key, where) for key in ("start_time", "end_time"))
    if end_us < start_us:
        raise DataError(f"{where}: end_time is before start_time")
    return Passage(
        start_us,
        end_us,
        _said(segment, parts, "src_text", where),
        _said(segment, parts, "trg_text", where),
        where,
        terms=tuple(term for term in terms if all(term)),
    )


def _said(segment: dict[str, Any], parts: list[dict[str, Any]], key: str, where: str) -> str:
    """The segment's text, or that of its utterances where it has none (the README's layout)."""
    if key in segment:
        return clean(_text(segment, key, where))
    return clean(" ".join(_text(part, f"sub_{key}", where) for part in parts))


def _recording(audio: Path, name: str, where: str) -> Path:
    files = [inside(audio, name + ending, where) for ending in _ENDINGS]
    return next((file for file in files if file.is_file()), files[2])


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be an object, it is {type(value).__name__}")
    return value


def _text(data: dict[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise DataError(f"{where}: {key} is {value!r}, it must be text")
    return value


def _microseconds(data: dict[str, Any], key: str, where: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{where}: {key} is {value!r}, it must be a number of milliseconds")
    if not 0 <= value <= 1e10:
        raise DataError(f"{where}: {key} is {value!r}, it must be 0 or more")
    return round(value * 1000)
