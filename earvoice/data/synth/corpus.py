"""Makes a synthetic corpus on disk, in parallel, resumably and reproducibly.

    <folder>/audio/<talk>.wav    16 kHz mono int16, written under a temporary name, then renamed
    <folder>/cuts.jsonl          a line per talk, appended in order as talks get ready (`manifest`)
    <folder>/corpus.json         arguments, versions; counts and the manifest's hash when complete
    <folder>/glossary.csv ...    of interpreted talks (`interpreted.knowledge`)

Each talk is rendered in a process of its own, because espeak-ng's output depends on what the
process said before: so a talk's bytes depend on (arguments, index) only, not on `jobs` or on
whether the corpus was made in one go. After a crash the longest intact beginning is kept.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
import wave
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.data.manifest import (
    MANIFEST_NAME,
    WAV_HEADER_BYTES,
    cut_from_talk,
    cut_line,
    talk_from_cut,
)
from earvoice.data.synth.engines import is_installed, open_synthesizer
from earvoice.data.synth.interpreted.knowledge import write_knowledge
from earvoice.data.synth.plan import CorpusSpec, plan_talks
from earvoice.data.synth.render import RULES, TalkSpec, render_talk
from earvoice.errors import EarvoiceError, UsageError
from earvoice.units import SAMPLE_RATE, Seconds

RECORD_NAME = "corpus.json"
_FORMAT = 1
_ATTEMPTS = 2
_PATIENCE_S = 900.0
"""A talk that takes this much longer than it lasts is started again: the engines are C programs."""
_POLL_S = 5.0
_WORKER_MODULE = "earvoice.data.synth.corpus"


def synthesise(
    spec: CorpusSpec,
    folder: Path,
    jobs: int | None = None,
    report: Callable[[int, int, float], None] = lambda done, talks, hours: None,
) -> dict[str, Any]:
    """Makes the corpus (or the rest of it) and returns its record.

    `jobs` processes work at a time (default: one per core). `report(talks done, talks, hours done)`
    is called at the start and after each talk. Raises `UsageError` if `folder` holds a corpus made
    with other arguments or other versions of the synthesizers.
    """
    spec = CorpusSpec(**{**_fields(spec), "engines": spec.resolved_engines()})
    talks = plan_talks(spec)
    folder = Path(folder)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    record = _open_record(spec, folder)
    done = _keep_intact(folder, talks)
    hours = sum(_hours_of_lines(folder))
    report(done, len(talks), hours)
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as manifest:
        for line in _rendered(talks[done:], folder, jobs or os.cpu_count() or 1):
            manifest.write(line + "\n")
            manifest.flush()
            done += 1
            hours += json.loads(line)["duration"] / 3600.0
            report(done, len(talks), hours)
    if spec.style == "interpreted":
        write_knowledge(folder)
    record |= _counts(folder) | {"complete": True}
    _write_json(folder / RECORD_NAME, record)
    return record


def _fields(spec: CorpusSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in CorpusSpec.__dataclass_fields__}


def _open_record(spec: CorpusSpec, folder: Path) -> dict[str, Any]:
    """The corpus' record so far; checks that an earlier start had the same arguments."""
    record: dict[str, Any] = {
        "format": _FORMAT,
        "arguments": spec.as_dict(),
        "synthesizers": {engine: open_version(engine) for engine in spec.engines},
        "complete": False,
    }
    path = folder / RECORD_NAME
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in ("format", "arguments", "synthesizers"):
            if before.get(key) != record[key]:
                raise UsageError(
                    f"{folder} holds a corpus whose {key} are {before.get(key)}, "
                    f"not {record[key]}; choose another folder"
                )
    elif (folder / MANIFEST_NAME).exists():
        raise UsageError(f"{folder} holds a manifest that this command did not make")
    _write_json(path, record)
    return record


def open_version(engine: str) -> str:
    """The name and version of an engine, as its synthesizer tells it."""
    return open_synthesizer(engine).version


def _keep_intact(folder: Path, talks: Sequence[TalkSpec]) -> int:
    """Cuts the manifest after its longest intact beginning; how many talks that is."""
    path = folder / MANIFEST_NAME
    if not path.exists():
        return 0
    content = path.read_bytes()
    kept = done = 0
    for line in content.splitlines(keepends=True):
        if done == len(talks) or not _is_intact(line, talks[done], folder):
            break
        kept += len(line)
        done += 1
    if kept < len(content):
        with path.open("r+b") as manifest:
            manifest.truncate(kept)
    return done


def _is_intact(line: bytes, spec: TalkSpec, folder: Path) -> bool:
    """Whether a line is whole, is that talk's, and its audio file has the right size."""
    if not line.endswith(b"\n"):
        return False
    try:
        talk = talk_from_cut(json.loads(line), folder)
    except (ValueError, KeyError, TypeError):
        return False
    if talk.id != spec.id or talk.path is None or not talk.path.is_file():
        return False
    return talk.path.stat().st_size == WAV_HEADER_BYTES + 2 * talk.samples


def _rendered(talks: Sequence[TalkSpec], folder: Path, jobs: int) -> Iterator[str]:
    """The manifest lines of the talks, in order; up to `jobs` processes, one talk each."""
    context = _process_context()
    running: dict[Connection, _Worker] = {}
    ready: dict[int, str] = {}
    queue = deque((index, 1) for index in range(len(talks)))
    wanted = 0
    try:
        while wanted < len(talks):
            while len(running) < jobs and queue:
                index, attempt = queue.popleft()
                connection, worker = _start(context, talks[index], folder, index, attempt)
                running[connection] = worker
            answered = wait(list(running), timeout=_POLL_S)
            for connection in [c for c in running if c in answered]:
                worker = running.pop(connection)
                ready[worker.index] = _receive(connection, worker.process, talks[worker.index])
            for connection in [c for c, w in running.items() if time.monotonic() > w.deadline_s]:
                worker = running.pop(connection)
                _stop(connection, worker)
                if worker.attempt == _ATTEMPTS:
                    raise EarvoiceError(f"{talks[worker.index].id} does not get ready")
                queue.appendleft((worker.index, worker.attempt + 1))
            while wanted in ready:
                yield ready.pop(wanted)
                wanted += 1
    finally:
        for connection, worker in running.items():
            _stop(connection, worker)


@dataclass(frozen=True, slots=True)
class _Worker:
    """A running process: which talk, which attempt, and when it counts as stuck."""

    index: int
    attempt: int
    process: BaseProcess
    deadline_s: Seconds


def _start(
    context: Any, spec: TalkSpec, folder: Path, index: int, attempt: int
) -> tuple[Connection, _Worker]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_render_one, args=(spec, folder, theirs), daemon=True)
    process.start()
    theirs.close()
    deadline_s = time.monotonic() + _PATIENCE_S + spec.duration_s
    return ours, _Worker(index, attempt, process, deadline_s)


def _stop(connection: Connection, worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    connection.close()


def _process_context() -> Any:
    """Fresh processes: forked from a clean server that has our imports, where that exists."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_WORKER_MODULE])
    return context


def _receive(connection: Connection, process: BaseProcess, spec: TalkSpec) -> str:
    """A worker's answer: the line, or its error raised here."""
    try:
        kind, text = connection.recv()
    except EOFError:
        process.join()
        raise EarvoiceError(
            f"the process that rendered {spec.id} ({spec.voice.engine} {spec.voice.name}) "
            f"died with exit code {process.exitcode}"
        ) from None
    finally:
        connection.close()
    process.join()
    if kind == "error":
        raise EarvoiceError(f"{spec.id} ({spec.voice.engine} {spec.voice.name}): {text}")
    return str(text)


def _render_one(spec: TalkSpec, folder: Path, connection: Connection) -> None:
    """In the worker: renders, writes the audio, answers with the manifest line."""
    try:
        answer = ("line", render_to_file(spec, folder))
    except EarvoiceError as error:
        answer = ("error", str(error))
    connection.send(answer)
    connection.close()


def render_to_file(spec: TalkSpec, folder: Path) -> str:
    """Renders one talk into `folder`/audio and returns its manifest line."""
    seed = int(spec.generator(2).integers(1, 2**31))
    synthesizer = open_synthesizer(spec.voice.engine, seed)
    talkers = None
    if RULES[spec.split].sound != "clean":
        if spec.voice.engine == "espeak":
            talkers = synthesizer
        elif is_installed("espeak"):
            talkers = open_synthesizer("espeak", seed)
    talk, pcm = render_talk(spec, synthesizer, talkers)
    source = f"audio/{spec.id}.wav"
    _write_wav(folder / source, pcm)
    return cut_line(cut_from_talk(talk, source))


def _write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    """Mono 16 kHz int16 with the plain 44-byte header, complete or not there at all."""
    partial = path.with_suffix(".partial")
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(pcm.astype("<i2", copy=False).tobytes())
    partial.replace(path)


def _hours_of_lines(folder: Path) -> Iterator[float]:
    path = folder / MANIFEST_NAME
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["duration"] / 3600.0


def _counts(folder: Path) -> dict[str, Any]:
    """What the finished corpus holds."""
    path = folder / MANIFEST_NAME
    talks = sentences = 0
    seconds = 0.0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            cut = json.loads(line)
            talks += 1
            sentences += len(cut["supervisions"])
            seconds += cut["duration"]
    return {
        "talks": talks,
        "sentences": sentences,
        "hours": round(seconds / 3600.0, 4),
        "manifest_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
