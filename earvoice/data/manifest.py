"""Talks with word times: our records, and the `cuts.jsonl` they are stored in.

The file is a lhotse manifest (one MonoCut a line), so `lhotse.CutSet.from_file` reads it; we read
and write it with plain JSON because importing lhotse costs a second and a half and needs torch.

    <corpus>/cuts.jsonl          one talk (or one span of a talk) per line
    <corpus>/audio/<talk>.wav    mono, int16, 44-byte header: `Talk.read_samples` maps it

Paths in the file are relative to its folder. All times inside a record are seconds from the first
sample of the record, also where it is a span of a longer recording (`first_sample` > 0).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from earvoice.audio.signal import Float32
from earvoice.data.plain_wav import WAV_HEADER_BYTES, map_samples
from earvoice.data.target import Target as Target  # noqa: PLC0414  # a part of the records
from earvoice.errors import AudioError, UsageError
from earvoice.units import Samples, Seconds

MANIFEST_NAME = "cuts.jsonl"
PAUSE = "pau"


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of the source text and where it is spoken."""

    text: str
    start_s: Seconds
    end_s: Seconds


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """A phone (ARPAbet, lower case; `pau` is a pause) and where it is spoken."""

    symbol: str
    start_s: Seconds
    end_s: Seconds


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """One sentence (or joined sentences) of a talk. `notes`: what else is known of it, as JSON."""

    start_s: Seconds
    end_s: Seconds
    words: tuple[TimedWord, ...]
    phones: tuple[TimedPhone, ...]
    text: str
    targets: Mapping[str, Target]
    topic: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Talk:
    """One recording, or a span of one: who speaks, and the sentences in order of time.

    `path` is None for a talk without audio (text training). `condition` says what was done to the
    sound ("noise", "snr_db", "rt60_s"); empty for clean speech. `language` is the one spoken.
    """

    id: str
    path: Path | None
    sample_rate: int
    samples: Samples
    voice: str
    engine: str
    sentences: tuple[SpokenSentence, ...]
    first_sample: Samples = 0
    condition: Mapping[str, Any] = field(default_factory=dict)
    language: str = "en"

    @property
    def duration_s(self) -> Seconds:
        """How long it is."""
        return self.samples / self.sample_rate

    def read_samples(self, start: Samples = 0, count: Samples | None = None) -> Float32:
        """Samples `start` .. `start + count` (fewer at the end), from the file: float32 [W], +-1.

        Raises: AudioError where there is no audio, or another than the manifest says.
        """
        if self.path is None:
            raise AudioError(f"the talk {self.id} has no audio")
        stop = self.samples if count is None else min(self.samples, start + count)
        end = self.first_sample + self.samples
        first, last = self.first_sample + start, self.first_sample + stop
        found = map_samples(self.path, self.sample_rate, 1, first, last, end)
        return found[:, 0].astype(np.float32) / np.float32(32768.0)


def load_talks(path: Path | str) -> Iterator[Talk]:
    """The talks of a corpus folder or of a `cuts.jsonl`, in file order.

    Raises `UsageError` where there is no manifest and for a line that is not a talk, with its
    number.
    """
    manifest = _manifest_at(path)
    with manifest.open("rb") as lines:  # not as text: a line that is none is named, too
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _talk_of_line(line, manifest, number)


def manifest_digest(path: Path | str) -> str:
    """SHA-256 of a corpus's manifest: the same for the same talks, wherever they lie.

    Raises `UsageError` where there is no manifest.
    """
    with _manifest_at(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest_at(path: Path | str) -> Path:
    manifest = Path(path)
    if manifest.is_dir():
        manifest = manifest / MANIFEST_NAME
    if not manifest.is_file():
        raise UsageError(f"there is no corpus manifest at {manifest}")
    return manifest


BAD_FIELDS = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What reading a manifest's line raises where it is not as it should be."""


def _talk_of_line(line: bytes, manifest: Path, number: int) -> Talk:
    try:
        return talk_from_cut(json.loads(line.decode("utf-8-sig")), manifest.parent)
    except json.JSONDecodeError as error:
        raise UsageError(f"{manifest} line {number} is not JSON: {error}") from error
    except KeyError as error:
        raise UsageError(f"{manifest} line {number}: the field {error} is missing") from error
    except BAD_FIELDS as error:
        raise UsageError(f"{manifest} line {number} is not a talk: {error}") from error


def talk_from_cut(cut: Mapping[str, Any], folder: Path) -> Talk:
    """The talk that a MonoCut dictionary describes; `folder` is where its paths start."""
    recording = cut["recording"]
    rate = int(recording["sampling_rate"])
    custom = cut.get("custom") or {}
    supervisions = sorted(cut["supervisions"], key=lambda segment: float(segment["start"]))
    if supervisions and float(supervisions[-1]["start"]) >= float(cut["duration"]) > 0:
        start, length = supervisions[-1]["start"], cut["duration"]
        raise ValueError(f"a sentence starts at {start} s, the cut is {length} s long")
    return Talk(
        id=str(cut["id"]),
        path=folder / recording["sources"][0]["source"],
        sample_rate=rate,
        samples=round(float(cut["duration"]) * rate),
        voice=str(supervisions[0].get("speaker") or "") if supervisions else "",
        engine=str(custom.get("engine", "")),
        sentences=tuple(_sentence_of(segment) for segment in supervisions),
        first_sample=round(float(cut["start"]) * rate),
        condition=dict(custom.get("condition") or {}),
        language=str(supervisions[0].get("language") or "en") if supervisions else "en",
    )


def _sentence_of(segment: Mapping[str, Any]) -> SpokenSentence:
    start_s = float(segment["start"])
    alignment = segment.get("alignment") or {}
    custom = segment.get("custom") or {}
    return SpokenSentence(
        start_s=start_s,
        end_s=start_s + float(segment["duration"]),
        words=tuple(
            TimedWord(str(item[0]), float(item[1]), float(item[1]) + float(item[2]))
            for item in alignment.get("word", ())
        ),
        phones=tuple(
            TimedPhone(str(item[0]), float(item[1]), float(item[1]) + float(item[2]))
            for item in alignment.get("phone", ())
        ),
        text=str(segment["text"]),
        targets={
            language: Target(
                str(target["text"]),
                tuple(int(n) for n in target.get("needs", ())),
                tuple(str(unit) for unit in target.get("units", ())),
            )
            for language, target in (custom.get("targets") or {}).items()
        },
        topic=str(custom.get("topic", "")),
        notes=dict(custom.get("notes") or {}),
    )


def cut_from_talk(talk: Talk, source: str) -> dict[str, Any]:
    """The MonoCut dictionary of a talk whose audio file is `source`, relative to the manifest.

    Times are rounded to 0.1 ms. The recording is as long as the file of `talk.path`, which lhotse
    insists on, or ends with the talk where there is no such file yet.
    """
    last = talk.first_sample + talk.samples
    if talk.path is not None and talk.path.is_file():
        last = (talk.path.stat().st_size - WAV_HEADER_BYTES) // 2
    return {
        "id": talk.id,
        "start": talk.first_sample / talk.sample_rate,
        "duration": talk.samples / talk.sample_rate,
        "channel": 0,
        "supervisions": [
            _segment_of(sentence, talk, number) for number, sentence in enumerate(talk.sentences)
        ],
        "recording": {
            "id": talk.id,
            "sources": [{"type": "file", "channels": [0], "source": source}],
            "sampling_rate": talk.sample_rate,
            "num_samples": last,
            "duration": last / talk.sample_rate,
            "channel_ids": [0],
        },
        "custom": {"engine": talk.engine, "condition": dict(talk.condition)},
        "type": "MonoCut",
    }


def _segment_of(sentence: SpokenSentence, talk: Talk, number: int) -> dict[str, Any]:
    return {
        "id": f"{talk.id}-{number:04d}",
        "recording_id": talk.id,
        "start": round(sentence.start_s, 4),
        "duration": round(sentence.end_s - sentence.start_s, 4),
        "channel": 0,
        "text": sentence.text,
        "language": talk.language,
        "speaker": talk.voice,
        "custom": {
            "targets": {
                language: {"text": target.text, "needs": list(target.needs)}
                | ({"units": list(target.units)} if target.units else {})
                for language, target in sentence.targets.items()
            },
            "engine": talk.engine,
            "topic": sentence.topic,
        }
        | ({"notes": dict(sentence.notes)} if sentence.notes else {}),
        "alignment": alignment(sentence.words, sentence.phones),
    }


def alignment(words: Iterable[TimedWord], phones: Iterable[TimedPhone]) -> dict[str, Any]:
    """The field `alignment` of a lhotse SupervisionSegment."""
    return {
        "word": [_item(word.text, word.start_s, word.end_s) for word in words],
        "phone": [_item(phone.symbol, phone.start_s, phone.end_s) for phone in phones],
    }


def _item(symbol: str, start_s: Seconds, end_s: Seconds) -> list[Any]:
    """A lhotse AlignmentItem: symbol, start, duration, score."""
    start = round(start_s, 4)
    return [symbol, start, round(round(end_s, 4) - start, 4), None]


def cut_line(cut: Mapping[str, Any]) -> str:
    """One line of a manifest, without its line end."""
    return json.dumps(cut, ensure_ascii=False, separators=(",", ":"))


def write_manifest(folder: Path, cuts: Iterable[Mapping[str, Any]]) -> Path:
    """Writes `folder`/cuts.jsonl in one piece (through a temporary file)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST_NAME
    partial = path.with_suffix(".jsonl.partial")
    with partial.open("w", encoding="utf-8") as lines:
        lines.writelines(cut_line(cut) + "\n" for cut in cuts)
    partial.replace(path)
    return path
