"""Conversations with word times: our records, and the `cuts.jsonl` they are stored in.

The file is a lhotse manifest (one MultiCut a line), read and written with plain JSON.

    <corpus>/cuts.jsonl                  one conversation per line
    <corpus>/audio/<conversation>.wav    C channels, int16, 44-byte header: `read_samples` maps it

A turn is one sentence of one person, with its translation into the other's language. What a
bystander says is in the sound and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from earvoice.audio.signal import Float32
from earvoice.data.manifest import (
    BAD_FIELDS,
    MANIFEST_NAME,
    Target,
    TimedPhone,
    TimedWord,
    alignment,
)
from earvoice.data.plain_wav import map_samples
from earvoice.errors import AudioError, DataError, UsageError
from earvoice.units import Samples, Seconds

Speaker = Literal["self", "other"]
SPEAKERS: tuple[Speaker, Speaker] = ("self", "other")


@dataclass(frozen=True, slots=True)
class Turn:
    """One sentence: who says it in which language, when, and its translation into `into`."""

    speaker: Speaker
    language: str
    start_s: Seconds
    end_s: Seconds
    words: tuple[TimedWord, ...]
    into: str
    target: Target
    kind: str = ""
    phones: tuple[TimedPhone, ...] = ()

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording of two people. `turns` are in order of their start.

    `path` is None for a conversation without audio (text training). `condition` says what the
    room and the noise are; `voices` names the voice of each person.
    """

    id: str
    path: Path | None
    channels: int
    sample_rate: int
    samples: Samples
    turns: tuple[Turn, ...]
    voices: Mapping[str, str] = field(default_factory=dict)
    condition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> Seconds:
        """How long it is."""
        return self.samples / self.sample_rate

    def read_samples(self, start: Samples = 0, count: Samples | None = None) -> Float32:
        """Samples `start` .. `start + count` (fewer at the end): float32 [C, W], +-1.

        Raises: AudioError where there is no audio, or another than the manifest says.
        """
        if self.path is None:
            raise AudioError(f"the conversation {self.id} has no audio")
        stop = self.samples if count is None else min(self.samples, start + count)
        found = map_samples(self.path, self.sample_rate, self.channels, start, stop, self.samples)
        return np.ascontiguousarray(found.T, dtype=np.float32) / np.float32(32768.0)


def load_conversations(path: Path | str) -> Iterator[Conversation]:
    """The conversations of a corpus folder or of a `cuts.jsonl`, in file order.

    Raises: UsageError where there is no manifest, DataError naming a line that is no conversation.
    """
    manifest = Path(path)
    if manifest.is_dir():
        manifest = manifest / MANIFEST_NAME
    if not manifest.is_file():
        raise UsageError(f"there is no corpus manifest at {manifest}")
    with manifest.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                cut = json.loads(line.decode("utf-8-sig"))
                yield conversation_from_cut(cut, manifest.parent)
            except BAD_FIELDS as error:
                raise DataError(
                    f"{manifest} line {number} is not a conversation: {error!r}"
                ) from error


def conversation_from_cut(cut: Mapping[str, Any], folder: Path) -> Conversation:
    """The conversation that a MultiCut dictionary describes; paths start at `folder`."""
    if cut["type"] != "MultiCut":
        raise ValueError(f"type is {cut['type']!r}, it must be 'MultiCut'")
    recording, custom = cut["recording"], cut.get("custom") or {}
    turns = sorted((_turn_of(item) for item in cut["supervisions"]), key=lambda t: t.start_s)
    return Conversation(
        id=str(cut["id"]),
        path=folder / recording["sources"][0]["source"],
        channels=len(cut["channel"]),
        sample_rate=int(recording["sampling_rate"]),
        samples=int(recording["num_samples"]),
        turns=tuple(turns),
        voices=dict(custom.get("voices") or {}),
        condition=dict(custom.get("condition") or {}),
    )


def _turn_of(segment: Mapping[str, Any]) -> Turn:
    custom = segment["custom"]
    ((into, target),) = custom["targets"].items()
    if segment["speaker"] not in SPEAKERS:
        raise ValueError(f"speaker is {segment['speaker']!r}, it must be 'self' or 'other'")
    start_s = float(segment["start"])
    return Turn(
        speaker=cast(Speaker, segment["speaker"]),
        language=str(segment["language"]),
        start_s=start_s,
        end_s=start_s + float(segment["duration"]),
        words=tuple(
            TimedWord(str(word[0]), float(word[1]), float(word[1]) + float(word[2]))
            for word in segment["alignment"]["word"]
        ),
        into=str(into),
        target=Target(str(target["text"]), tuple(int(n) for n in target.get("needs", ()))),
        kind=str(custom.get("kind", "")),
        phones=tuple(
            TimedPhone(str(phone[0]), float(phone[1]), float(phone[1]) + float(phone[2]))
            for phone in segment["alignment"].get("phone", ())
        ),
    )


def cut_from_conversation(item: Conversation, source: str) -> dict[str, Any]:
    """The MultiCut dictionary of a conversation whose audio is `source`. Times to 0.1 ms."""
    channels = list(range(item.channels))
    return {
        "id": item.id,
        "start": 0.0,
        "duration": item.duration_s,
        "channel": channels,
        "supervisions": [_segment_of(turn, item, n) for n, turn in enumerate(item.turns)],
        "recording": {
            "id": item.id,
            "sources": [{"type": "file", "channels": channels, "source": source}],
            "sampling_rate": item.sample_rate,
            "num_samples": item.samples,
            "duration": item.duration_s,
            "channel_ids": channels,
        },
        "custom": {"voices": dict(item.voices), "condition": dict(item.condition)},
        "type": "MultiCut",
    }


def _segment_of(turn: Turn, item: Conversation, number: int) -> dict[str, Any]:
    return {
        "id": f"{item.id}-{number:04d}",
        "recording_id": item.id,
        "start": round(turn.start_s, 4),
        "duration": round(turn.end_s - turn.start_s, 4),
        "channel": list(range(item.channels)),
        "text": turn.text,
        "language": turn.language,
        "speaker": turn.speaker,
        "custom": {
            "targets": {turn.into: {"text": turn.target.text, "needs": list(turn.target.needs)}},
            "kind": turn.kind,
        },
        "alignment": alignment(turn.words, turn.phones),
    }
