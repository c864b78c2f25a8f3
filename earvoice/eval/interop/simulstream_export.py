"""A run's log as simulstream's metrics JSONL, with tokens that are whole words or characters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.interop.simuleval import wav_name
from earvoice.eval.units import Unit, units_of
from earvoice.eval.written import Recorded, Showing, common_prefix, hypothesis_of

LOG_NAME = "metrics.jsonl"


def config(unit: Unit) -> str:
    """The YAML that simulstream's scorers ask for as `--eval-config`: no model is needed."""
    return f"detokenizer_type: simuleval\nlatency_unit: {unit}\n"


@dataclass
class _Chunk:
    """One line: what was heard and computed, what came and went."""

    heard_us: int
    took_us: int
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def write_simulstream(path: Path, recordings: Sequence[Recorded], unit: Unit) -> None:
    """Writes the log. Each word stands in the line of the chunk that counts for it.

    Recordings whose text may be withdrawn (`settled` of their head) keep every deletion. Chunks
    that said nothing are not in a run's log; their computing is put where the one queue of the
    wall clock stays as it was, so all three clocks can be read back.
    Raises: DataError for a name that is no file name.
    """
    lines: list[dict[str, Any]] = [{"model_loading_time": 0.0}]
    for key, recorded in enumerate(recordings):
        hypothesis = hypothesis_of(recorded, unit)
        lines.append({"id": key, "metadata": {"wav_name": wav_name(hypothesis)}})
        lines += [
            {
                "id": key,
                "total_audio_processed": chunk.heard_us / 1_000_000,
                "computation_time": chunk.took_us / 1_000_000,
                "generated_tokens": chunk.new,
                "deleted_tokens": chunk.gone,
            }
            for chunk in _chunks(recorded, hypothesis)
        ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def _chunks(recorded: Recorded, hypothesis: Hypothesis) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    total_us = 0
    spoken = _words_at_their_chunks(recorded, hypothesis)
    for (heard_us, all_us), events in groupby(recorded.events, key=lambda event: event.key):
        event = next(events)
        silent_us = all_us - event.chunk_us - total_us
        if silent_us > 0:
            last_us = chunks[-1].heard_us if chunks else 0
            backlog_us = event.wall_us - event.chunk_us
            late = backlog_us > heard_us
            chunks.append(_Chunk(backlog_us - silent_us if late else last_us, silent_us))
        new, gone = spoken[heard_us, all_us]
        chunks.append(_Chunk(heard_us, event.chunk_us, new, gone))
        total_us = all_us
    source_us = recorded.head.source_us
    if not chunks or recorded.total_us > total_us or chunks[-1].heard_us != source_us:
        chunks.append(_Chunk(source_us, recorded.total_us - total_us))
    return chunks


def _words_at_their_chunks(
    recorded: Recorded, hypothesis: Hypothesis
) -> dict[tuple[int, int], tuple[list[str], list[str]]]:
    """(heard, computing in all) of a chunk -> what it wrote, what it withdrew."""
    found: dict[tuple[int, int], tuple[list[str], list[str]]]
    found = {event.key: ([], []) for event in recorded.events}
    if recorded.head.settled == "commit":
        for unit, delay, done in zip(
            hypothesis.units, hypothesis.delays_us, hypothesis.clocks["simuleval"], strict=True
        ):
            found[delay, done - delay][0].append(unit)
        return found
    for key, new, gone in _shown_changes(recorded, hypothesis.unit):
        found[key][0].extend(new)
        found[key][1].extend(gone)
    return found


def _shown_changes(
    recorded: Recorded, unit: Unit
) -> Iterator[tuple[tuple[int, int], list[str], list[str]]]:
    """Per chunk, the units that came and those that went from what a listener saw."""
    showing = Showing()
    standing: list[str] = []
    for key, events in groupby(recorded.events, key=lambda event: event.key):
        kept = len(standing)
        shown = standing
        for event in events:
            if showing.take(event.stamped.event):
                shown = units_of(showing.text, unit)
                kept = min(kept, common_prefix(standing, shown))
        yield key, shown[kept:], standing[kept:]
        standing = shown
