"""Logs of other tools: SimulEval's instances.log and simulstream's metrics JSONL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earvoice.eval.hypotheses import (
    DataError,
    Hypothesis,
    clocks_from_totals,
    microseconds,
)
from earvoice.eval.lines import number, numbers, read_json_lines, text, texts
from earvoice.eval.units import Unit, units_of


def read_simuleval(path: Path, unit: Unit) -> list[Hypothesis]:
    """SimulEval 1.1.4's `instances.log`: one JSON object per recording, times in milliseconds.

    A last line without its end, the normal result of a kill, is an error like any other.
    Raises: DataError naming file and line.
    """
    return [_simuleval(where, data, unit) for where, data in read_json_lines(path)]


def _simuleval(where: str, data: dict[str, Any], unit: Unit) -> Hypothesis:
    delays = tuple(microseconds(value) for value in numbers(where, data, "delays"))
    elapsed = numbers(where, data, "elapsed") if data.get("elapsed") else []
    clocks = {}
    if any(elapsed):
        if len(elapsed) != len(delays):
            raise DataError(f"{where}: {len(delays)} delays and {len(elapsed)} elapsed")
        pairs = zip(elapsed, delays, strict=True)
        clocks = clocks_from_totals(delays, [microseconds(e) - d for e, d in pairs])
    reference = data.get("reference")
    return Hypothesis(
        name=_source_name(where, data),
        unit=unit,
        units=tuple(units_of(text(where, data, "prediction"), unit)),
        delays_us=delays,
        source_us=microseconds(number(where, data, "source_length")),
        where=where,
        clocks=clocks,
        reference=reference.strip() if isinstance(reference, str) else None,
        source_type="speech" if isinstance(data.get("source"), list) else "text",
    )


def _source_name(where: str, data: dict[str, Any]) -> str:
    """A recording is known by the stem of its file; a text by its index."""
    source = data.get("source")
    if isinstance(source, list) and source and isinstance(source[0], str):
        return Path(source[0]).stem
    if isinstance(source, str) and source.endswith((".wav", ".flac", ".mp3", ".ogg")):
        return Path(source).stem
    if "index" in data:
        return str(data["index"])
    raise DataError(f"{where}: neither source nor index says which recording this is")


@dataclass
class _Recording:
    """A simulstream recording while its chunks are read."""

    name: str
    where: str
    tokens: list[str] = field(default_factory=list)
    token_delays: list[int] = field(default_factory=list)
    token_chunks: list[int] = field(default_factory=list)
    chunks: list[tuple[int, int]] = field(default_factory=list)  # heard, computing; us
    deleted: int = 0


def read_simulstream(path: Path, unit: Unit) -> list[Hypothesis]:
    """simulstream 1.0's metrics JSONL, with tokens that are whole words or characters.

    Deleted tokens must be the end of what stands. A unit's time is that of the chunk that last
    wrote it. Raises: DataError naming file and line.
    """
    found: dict[Any, _Recording] = {}
    for where, data in read_json_lines(path):
        if "id" not in data:
            if "model_loading_time" in data:
                continue
            raise DataError(f"{where}: id is missing")
        key = data["id"]
        if "metadata" in data:
            found[key] = _new_recording(where, data["metadata"])
        elif key not in found:
            raise DataError(f"{where}: id {key!r} has no metadata line before it")
        else:
            _chunk(where, data, found[key])
    return [_simulstream(recording, unit) for recording in found.values()]


def _new_recording(where: str, metadata: Any) -> _Recording:
    if not isinstance(metadata, dict):
        raise DataError(f"{where}: metadata must be an object")
    return _Recording(Path(text(where, metadata, "wav_name")).stem, where)


def _chunk(where: str, data: dict[str, Any], recording: _Recording) -> None:
    heard = microseconds(1000 * number(where, data, "total_audio_processed"))
    recording.chunks.append((heard, microseconds(1000 * number(where, data, "computation_time"))))
    gone = texts(where, data, "deleted_tokens")
    if gone:
        if recording.tokens[-len(gone) :] != gone:
            raise DataError(f"{where}: deleted_tokens {gone!r} are not the end of what stands")
        for leaf in (recording.tokens, recording.token_delays, recording.token_chunks):
            del leaf[-len(gone) :]
        recording.deleted += len(gone)
    for token in texts(where, data, "generated_tokens"):
        recording.tokens.append(token)
        recording.token_delays.append(heard)
        recording.token_chunks.append(len(recording.chunks) - 1)


def _simulstream(recording: _Recording, unit: Unit) -> Hypothesis:
    units: list[str] = []
    owners: list[int] = []
    for index, token in enumerate(recording.tokens):
        parts = units_of(token, unit)
        units += parts
        owners += [index] * len(parts)
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
    )
