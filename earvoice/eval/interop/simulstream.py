"""simulstream 1.0's metrics JSONL: one line per chunk, with new and withdrawn tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earvoice.eval.hypotheses import DataError, Hypothesis, microseconds, recording_name
from earvoice.eval.lines import not_negative, read_json_lines, text, texts
from earvoice.eval.units import Unit, glued_words
from earvoice.text.shown_tokens import PIECE_MARK


@dataclass
class _Recording:
    """A simulstream recording while its chunks are read."""

    name: str
    where: str
    tokens: list[str] = field(default_factory=list)
    token_delays: list[int] = field(default_factory=list)
    token_chunks: list[int] = field(default_factory=list)
    chunks: list[tuple[int, int]] = field(default_factory=list)  # heard, computing; us
    pieces: bool = False  # tokens are pieces of words


def read_simulstream(path: Path, unit: Unit) -> list[Hypothesis]:
    """The recordings of a log whose tokens are words, characters or SentencePiece's pieces.

    Pieces are told by the mark of a word's beginning, U+2581, in any of a recording's tokens.
    Deleted tokens must be the end of what stands. A unit's time is that of the chunk that last
    wrote it. An id is a recording's until another metadata line takes it: simulstream's server
    gives the ids of closed connections again. Raises: DataError naming file and line.
    """
    found: list[_Recording] = []
    known: dict[Any, _Recording] = {}
    for where, data in read_json_lines(path):
        if "id" not in data:
            if "model_loading_time" in data:
                continue
            raise DataError(f"{where}: id is missing")
        key = data["id"]
        if not isinstance(key, str | int):
            raise DataError(f"{where}: id is {key!r}, it must be a number or text")
        if "metadata" in data:
            known[key] = _new_recording(where, data["metadata"])
            found.append(known[key])
        elif key not in known:
            raise DataError(f"{where}: id {key!r} has no metadata line before it")
        else:
            _chunk(where, data, known[key], unit)
    return [_simulstream(recording, unit) for recording in found]


def _new_recording(where: str, metadata: Any) -> _Recording:
    if not isinstance(metadata, dict):
        raise DataError(f"{where}: metadata must be an object")
    return _Recording(recording_name(text(where, metadata, "wav_name")), where)


def _chunk(where: str, data: dict[str, Any], recording: _Recording, unit: Unit) -> None:
    heard, took = (
        microseconds(1000 * not_negative(where, data, key))
        for key in ("total_audio_processed", "computation_time")
    )
    recording.chunks.append((heard, took))
    gone = texts(where, data, "deleted_tokens")
    if gone:
        if recording.tokens[-len(gone) :] != gone:
            raise DataError(f"{where}: deleted_tokens {gone!r} are not the end of what stands")
        for leaf in (recording.tokens, recording.token_delays, recording.token_chunks):
            del leaf[-len(gone) :]
        if recording.pieces and unit == "word" and PIECE_MARK not in gone[0] and recording.tokens:
            recording.token_delays[-1] = heard  # its word has lost its end
            recording.token_chunks[-1] = len(recording.chunks) - 1
    for token in texts(where, data, "generated_tokens"):
        recording.pieces |= PIECE_MARK in token
        recording.tokens.append(token)
        recording.token_delays.append(heard)
        recording.token_chunks.append(len(recording.chunks) - 1)


def _simulstream(recording: _Recording, unit: Unit) -> Hypothesis:
    written = [token_text(token, pieces=recording.pieces) for token in recording.tokens]
    spaced = written if recording.pieces else recording.tokens  # characters bring their spaces
    units, owners = _units_and_owners(written, unit)
    free, total = 0, 0
    done: list[tuple[int, int, int]] = []
    for heard, took in recording.chunks:
        free, total = max(heard, free) + took, total + took
        done.append((free, heard + total, heard + took))
    per_unit = [done[recording.token_chunks[owner]] for owner in owners]
    clocks = dict(zip(("queue", "simuleval", "chunk"), zip(*per_unit, strict=True), strict=False))
    return Hypothesis(
        name=recording.name,
        unit=unit,
        units=tuple(units),
        delays_us=tuple(recording.token_delays[owner] for owner in owners),
        source_us=recording.chunks[-1][0] if recording.chunks else None,
        where=recording.where,
        clocks=clocks,
        glued=glued_words("".join(written)) if unit == "word" else frozenset(),
        spaced="".join(spaced) if unit == "char" else None,
    )


def token_text(token: str, *, pieces: bool) -> str:
    """A token as it stands in the text. pieces: they are SentencePiece's, else words."""
    return token.replace(PIECE_MARK, " ") if pieces else f" {token}"


def _units_and_owners(written: Sequence[str], unit: Unit) -> tuple[list[str], list[int]]:
    """The units of a text and, for each, the number of the token that wrote its end."""
    owners = [index for index, part in enumerate(written) for _ in part]
    units: list[str] = []
    last: list[int] = []
    for found in re.finditer(r"\S+" if unit == "word" else r"\S", "".join(written)):
        units.append(found.group())
        last.append(owners[found.end() - 1])
    return units, last
