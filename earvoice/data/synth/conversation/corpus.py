"""Makes a corpus of conversations on disk: parallel, resumable, the same for the same arguments.

<folder>/audio/<conversation>.wav   16 kHz, C channels, int16
<folder>/cuts.jsonl                 a line per conversation, in order (`data.conversations`)
<folder>/rooms/                     the cache of room responses; may be deleted
<folder>/corpus.json                arguments, versions; counts and hash when complete
"""

from __future__ import annotations

import hashlib
import json
import os
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.data.conversations import conversation_from_cut, cut_from_conversation
from earvoice.data.manifest import MANIFEST_NAME, WAV_HEADER_BYTES, cut_line
from earvoice.data.synth.conversation.plan import (
    ConversationPlan,
    ConversationSpec,
    plan_conversations,
)
from earvoice.data.synth.conversation.render import render_conversation
from earvoice.data.synth.engines import open_synthesizer
from earvoice.data.synth.processes import in_own_processes
from earvoice.errors import UsageError
from earvoice.units import SAMPLE_RATE

RECORD_NAME = "corpus.json"
_FORMAT = 1
_KIND = "conversations"
_PRELOAD = ("earvoice.data.synth.conversation.corpus", "pyroomacoustics")


@dataclass(frozen=True)
class _Job:
    plan: ConversationPlan
    folder: Path


def make_conversations(
    spec: ConversationSpec,
    folder: Path,
    jobs: int | None = None,
    report: Callable[[int, int, float], None] = lambda done, all_of_them, hours: None,
) -> dict[str, Any]:
    """Makes the corpus (or the rest of it) and returns its record.

    `report(done, all, hours done)` is called at the start and after each conversation. Raises:
    UsageError if `folder` holds something made with other arguments.
    """
    plans = plan_conversations(spec)
    folder = Path(folder)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    record = _open_record(spec, folder)
    done, hours = _keep_intact(folder, plans)
    report(done, len(plans), hours)
    waiting = [_Job(plan, folder) for plan in plans[done:]]
    with (folder / MANIFEST_NAME).open("a", encoding="utf-8") as manifest:
        for line in in_own_processes(
            render_to_file, waiting, jobs or os.cpu_count() or 1, _PRELOAD
        ):
            manifest.write(line + "\n")
            manifest.flush()
            done += 1
            hours += json.loads(line)["duration"] / 3600.0
            report(done, len(plans), hours)
    record |= _counts(folder) | {"complete": True}
    _write_json(folder / RECORD_NAME, record)
    return record


def render_to_file(job: _Job) -> str:
    """In a process of its own: renders one conversation, writes its audio, returns its line."""
    plan = job.plan
    seed = int(plan.generator(2).integers(1, 2**31))
    conversation, pcm = render_conversation(
        plan, open_synthesizer("espeak", seed), job.folder / "rooms"
    )
    source = f"audio/{plan.id}.wav"
    _write_wav(job.folder / source, pcm)
    return cut_line(cut_from_conversation(conversation, source))


def _write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    """int16 [C, W] with the plain 44-byte header, complete or not there at all."""
    partial = path.with_suffix(".partial")
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(pcm.shape[0])
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.ascontiguousarray(pcm.T.astype("<i2", copy=False)).tobytes())
    partial.replace(path)


def _open_record(spec: ConversationSpec, folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = {
        "format": _FORMAT,
        "kind": _KIND,
        "arguments": spec.as_dict(),
        "synthesizers": {"espeak": open_synthesizer("espeak").version},
        "complete": False,
    }
    path = folder / RECORD_NAME
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in ("kind", "format", "arguments", "synthesizers"):
            if before.get(key) != record[key]:
                raise UsageError(
                    f"{folder} holds a corpus whose {key} is {before.get(key)}, "
                    f"not {record[key]}; choose another folder"
                )
    elif (folder / MANIFEST_NAME).exists():
        raise UsageError(f"{folder} holds a manifest that this command did not make")
    _write_json(path, record)
    return record


def _keep_intact(folder: Path, plans: Sequence[ConversationPlan]) -> tuple[int, float]:
    """Cuts the manifest after its longest intact beginning; how many that is, and their hours."""
    path = folder / MANIFEST_NAME
    if not path.exists():
        return 0, 0.0
    content = path.read_bytes()
    kept = done = 0
    hours = 0.0
    for line in content.splitlines(keepends=True):
        length = _intact_hours(line, plans[done], folder) if done < len(plans) else None
        if length is None:
            break
        kept, done, hours = kept + len(line), done + 1, hours + length
    if kept < len(content):
        with path.open("r+b") as manifest:
            manifest.truncate(kept)
    return done, hours


def _intact_hours(line: bytes, plan: ConversationPlan, folder: Path) -> float | None:
    """The hours of a line that is whole, that plan's, and has its audio; else None."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = conversation_from_cut(json.loads(line), folder)
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if found.id != plan.id or found.path is None or not found.path.is_file():
        return None
    if found.path.stat().st_size != WAV_HEADER_BYTES + 2 * found.channels * found.samples:
        return None
    return found.duration_s / 3600.0


def _counts(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    conversations = turns = 0
    seconds = 0.0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            cut = json.loads(line)
            conversations += 1
            turns += len(cut["supervisions"])
            seconds += cut["duration"]
    return {
        "conversations": conversations,
        "turns": turns,
        "hours": round(seconds / 3600.0, 4),
        "manifest_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
