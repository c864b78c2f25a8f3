"""Throughput of many streams batched by `advance`, against the same streams one after the other.

Both arms hear the same audio, segment by segment, on one thread, and take turns within a round:

    alone 0-3 | batch of 4 | alone 4-7 | batch of 8 | alone 8-15 | batch of 16 | next round ...

Only `advance` is timed. Streams are dropped, not finished, when their audio ends: with pinned
tokens a model never says that it is done.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.audio import Audio, Resampler, read
from earvoice.bench.live import Progress, noise_segment, silent_progress
from earvoice.bench.machine import describe, one_thread
from earvoice.bench.model import Subject, pinned
from earvoice.events import Event, shown_text
from earvoice.session import Request, Session
from earvoice.sessions.append import AppendInterpreter
from earvoice.units import SAMPLE_RATE, Samples, Seconds

Segments = Sequence[NDArray[np.float32]]
LOAD = 0.7
"""Share of a core that live streams may use, when streams per core are computed."""


@dataclass(frozen=True)
class BatchSettings:
    """What to measure. `seconds` of audio a stream, `tokens` pinned where nothing else decides.

    talk: a recording that every stream hears from another place on; None is noise.
    """

    streams: tuple[int, ...] = (1, 4, 8, 16)
    seconds: Seconds = 48.0
    rounds: int = 3
    tokens: int = 4
    seed: int = 1
    talk: Path | None = None


@dataclass
class Timed:
    """CPU seconds of the steps of one run, and the text of each stream."""

    seconds: Seconds
    texts: list[str]


def run(
    subject: Subject, settings: BatchSettings, progress: Progress = silent_progress
) -> dict[str, Any]:
    """Measures; the object of `earvoice bench batch --json` (keys: docs/performance.md)."""
    most = max(settings.streams)
    natural = subject.trained and settings.talk is not None
    with one_thread():
        interpreter = subject.interpreter
        if not natural:
            interpreter = pinned(interpreter, settings.tokens, rows=most)
        audio = _streams(settings, most, interpreter.segment_samples)
        _together(interpreter, [stream[:4] for stream in audio])  # kernels, memory
        alone: list[list[Timed]] = []
        batched: dict[int, list[Timed]] = {count: [] for count in settings.streams}
        for number in range(settings.rounds):
            progress(f"round {number + 1} of {settings.rounds}")
            runs: list[Timed] = []
            for count in sorted(settings.streams):
                while len(runs) < count:
                    runs.append(_together(interpreter, [audio[len(runs)]]))
                batched[count].append(_together(interpreter, audio[:count]))
            alone.append(runs)
    return _report(subject, settings, interpreter, alone, batched)


def _streams(settings: BatchSettings, count: int, size: Samples) -> list[Segments]:
    """Each stream's audio in whole segments; no two streams hear the same at the same time."""
    length = max(1, round(settings.seconds * SAMPLE_RATE / size))
    if settings.talk is None:
        return [
            [noise_segment(settings.seed + stream, index, size) for index in range(length)]
            for stream in range(count)
        ]
    talk = _samples(settings.talk)
    if talk.size < size:
        talk = np.pad(talk, (0, size - talk.size))
    streams: list[Segments] = []
    for stream in range(count):
        turned = np.roll(talk, -(stream * talk.size // count))
        streams.append(list(np.resize(turned, (length, size))))
    return streams


def _samples(path: Path) -> NDArray[np.float32]:
    resampler = Resampler()
    return np.concatenate([resampler.push(read(path)), resampler.flush()])


def _together(interpreter: AppendInterpreter, streams: Sequence[Segments]) -> Timed:
    """One run of some streams as one batch."""
    request = Request(interpreter.settings.src_lang, interpreter.settings.tgt_lang)
    sessions: list[Session] = [interpreter.open(request) for _ in streams]
    said: list[list[Event]] = [[] for _ in streams]
    seconds = 0.0
    for segments in zip(*streams, strict=True):
        for session, samples in zip(sessions, segments, strict=True):
            session.feed(Audio.of(samples))
        start_s = time.process_time()
        new = interpreter.advance(sessions)
        seconds += time.process_time() - start_s
        for stream, events in enumerate(new):
            said[stream].extend(events)
    return Timed(seconds, [shown_text(events) for events in said])


def _report(
    subject: Subject,
    settings: BatchSettings,
    interpreter: AppendInterpreter,
    alone: list[list[Timed]],
    batched: dict[int, list[Timed]],
) -> dict[str, Any]:
    segment_s = interpreter.segment_samples / SAMPLE_RATE
    audio_s = max(1, round(settings.seconds / segment_s)) * segment_s
    rows = [_row(count, audio_s, alone, runs) for count, runs in sorted(batched.items())]
    speedups = {row["streams"]: row["speedup"] for row in rows}
    texts = [run.texts[0] for run in alone[0]]
    every = [run for runs in batched.values() for run in runs]
    rtf = statistics.median(run.seconds / audio_s for runs in alone for run in runs)
    return {
        "benchmark": "batch",
        **subject.describe(),
        **describe(),
        "seed": settings.seed,
        "threads": 1,
        "rounds": settings.rounds,
        "audio": settings.talk.name if settings.talk else "noise",
        "audio_s_per_stream": round(audio_s, 3),
        "tokens_per_s": None
        if interpreter is subject.interpreter
        else round(settings.tokens / segment_s, 3),
        "speedup_8": speedups.get(8),
        "speedup_16": speedups.get(16),
        "rtf": round(rtf, 5),
        "identical_text": all(run.texts == texts[: len(run.texts)] for run in every),
        "characters": sum(map(len, texts)),
        "batches": rows,
    }


def _row(
    count: int, audio_s: Seconds, alone: list[list[Timed]], runs: list[Timed]
) -> dict[str, Any]:
    solo_s = [sum(run.seconds for run in round_[:count]) for round_ in alone]
    batch_s = [run.seconds for run in runs]
    ratios = [one / many for one, many in zip(solo_s, batch_s, strict=True)]
    rtf = statistics.median(batch_s) / (count * audio_s)
    return {
        "streams": count,
        "alone_s": round(statistics.median(solo_s), 4),
        "batch_s": round(statistics.median(batch_s), 4),
        "speedup": round(statistics.median(ratios), 3),
        "speedup_rounds": [round(ratio, 3) for ratio in ratios],
        "rtf_per_stream": round(rtf, 5),
        "streams_per_core": int(LOAD / rtf),
    }
