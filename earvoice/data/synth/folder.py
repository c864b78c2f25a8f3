"""A corpus folder that is made in parallel, resumably, the same for the same arguments.

    <folder>/audio/<id>.wav    written under a temporary name, then renamed
    <folder>/cuts.jsonl        a line per recording, appended in order as they get ready
    <folder>/corpus.json       arguments, versions; counts and the manifest's hash when complete

Each recording is rendered in a process of its own, because espeak-ng's output depends on what the
process said before: so its bytes depend on (arguments, index) only, not on the number of processes
or on whether the corpus was made in one go. After a crash the longest intact beginning is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from earvoice.data.lock import FolderLock
from earvoice.data.manifest import MANIFEST_NAME
from earvoice.data.plain_wav import WAV_HEADER_BYTES
from earvoice.data.synth.processes import in_own_processes
from earvoice.errors import UsageError
from earvoice.units import SAMPLE_RATE, Samples

RECORD_NAME = "corpus.json"
Plan = TypeVar("Plan")
Report = Callable[[int, int, float], None]
"""Recordings done, all of them, hours done."""


@dataclass(frozen=True)
class Job(Generic[Plan]):
    """One recording to render into a folder."""

    plan: Plan
    folder: Path


@dataclass(frozen=True)
class Making(Generic[Plan]):
    """How recordings of one kind are made.

    render: in a process of its own, writes the audio and returns the manifest line; audio_of: id,
    file and samples of all channels that a cut promises; name: what an error calls a plan;
    preload: modules that the processes start with; recordings, parts: what is counted.
    """

    render: Callable[[Job[Plan]], str]
    audio_of: Callable[[Mapping[str, Any], Path], tuple[str, Path | None, Samples]]
    id_of: Callable[[Plan], str]
    name: Callable[[Plan], str]
    preload: Sequence[str]
    recordings: str
    parts: str


@contextlib.contextmanager
def mine(folder: Path) -> Iterator[None]:
    """A folder that no other process makes meanwhile. Raises: ConfigError where one does."""
    folder.mkdir(parents=True, exist_ok=True)
    with FolderLock(folder):
        yield


def make_folder(
    making: Making[Plan],
    plans: Sequence[Plan],
    folder: Path,
    record: dict[str, Any],
    jobs: int | None,
    report: Report,
) -> None:
    """Makes the recordings that are not there yet; `report` is called at the start and after each.

    The folder must be ours (`mine`). Raises: UsageError if it holds a corpus of another record.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    _open_record(record, folder)
    done, hours = _keep_intact(making, plans, folder)
    report(done, len(plans), hours)
    waiting = [Job(plan, folder) for plan in plans[done:]]
    lines = in_own_processes(
        making.render,
        waiting,
        jobs or os.cpu_count() or 1,
        making.preload,
        lambda job: making.name(job.plan),
    )
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as manifest:
        for line in lines:
            manifest.write(line + "\n")
            manifest.flush()
            done, hours = done + 1, hours + json.loads(line)["duration"] / 3600.0
            report(done, len(plans), hours)


def close_record(making: Making[Plan], folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Writes the record of the finished corpus, with its counts, and returns it."""
    found = record | _counts(making, folder) | {"complete": True}
    _write_json(folder / RECORD_NAME, found)
    return found


def write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    """int16 [C, W] at 16 kHz with the plain 44-byte header, complete or not there at all."""
    partial = path.with_suffix(".partial")
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(pcm.shape[0])
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.ascontiguousarray(pcm.T.astype("<i2", copy=False)).tobytes())
    partial.replace(path)


def _open_record(record: dict[str, Any], folder: Path) -> None:
    """Checks that an earlier start had the same arguments and versions, and notes them."""
    path = folder / RECORD_NAME
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key, value in record.items():
            if key != "complete" and before.get(key) != value:
                raise UsageError(
                    f"{folder} holds a corpus whose {key} are {before.get(key)}, "
                    f"not {value}; choose another folder"
                )
    elif (folder / MANIFEST_NAME).exists():
        raise UsageError(f"{folder} holds a manifest that this command did not make")
    _write_json(path, record)


def _keep_intact(making: Making[Plan], plans: Sequence[Plan], folder: Path) -> tuple[int, float]:
    """Cuts the manifest after its longest intact beginning; how many that is, and their hours."""
    path = folder / MANIFEST_NAME
    if not path.exists():
        return 0, 0.0
    content = path.read_bytes()
    kept = done = 0
    hours = 0.0
    for line in content.splitlines(keepends=True):
        length = _intact_hours(making, line, plans[done], folder) if done < len(plans) else None
        if length is None:
            break
        kept, done, hours = kept + len(line), done + 1, hours + length
    if kept < len(content):
        with path.open("r+b") as manifest:
            manifest.truncate(kept)
    return done, hours


def _intact_hours(making: Making[Plan], line: bytes, plan: Plan, folder: Path) -> float | None:
    """The hours of a line that is whole, that plan's, and has its audio; else None."""
    if not line.endswith(b"\n"):
        return None
    try:
        cut = json.loads(line)
        name, audio, samples = making.audio_of(cut, folder)
        hours = float(cut["duration"]) / 3600.0
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if name != making.id_of(plan) or audio is None or not audio.is_file():
        return None
    return hours if audio.stat().st_size == WAV_HEADER_BYTES + 2 * samples else None


def _counts(making: Making[Plan], folder: Path) -> dict[str, Any]:
    """What the finished corpus holds."""
    cuts = list(_cuts(folder))
    seconds = sum(cut["duration"] for cut in cuts)
    return {
        making.recordings: len(cuts),
        making.parts: sum(len(cut["supervisions"]) for cut in cuts),
        "hours": round(seconds / 3600.0, 4),
        "manifest_sha256": hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest(),
    }


def _cuts(folder: Path) -> Iterator[dict[str, Any]]:
    with (folder / MANIFEST_NAME).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
