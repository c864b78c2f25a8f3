"""What the Montreal Forced Aligner reads: each recording with a TextGrid of its utterances.

    DIR/ted_1.wav         a link to the recording (a copy where links are not possible)
    DIR/ted_1.TextGrid    a tier per speaker, an interval with the text per sentence

The name of a tier is to the aligner the name of the speaker; a recording whose speakers nobody
names is a speaker of its own. Sentences of a speaker that overlap stand in further tiers.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from earvoice.data.corpora.align import manifest_lines, unfit
from earvoice.data.corpora.reading import clean
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.textgrid import Interval, TextGrid, Tier, filled, textgrid_text
from earvoice.errors import AudioError, DataError, UsageError


@dataclass
class Exported:
    """What was written. skipped: sentences that no aligner can place."""

    recordings: int = 0
    utterances: int = 0
    speech_us: int = 0
    skipped: Tally = field(default_factory=Tally)


@dataclass
class _Recording:
    """The sentences of a file by speaker. where: the line that named it first."""

    path: Path
    length_us: int
    where: str
    said: dict[str, list[Interval]] = field(default_factory=dict)


def export_corpus(corpus: Path, out: Path) -> Exported:
    """Writes the folder above. Links are absolute.

    Raises: UsageError where DIR has files already, AudioError for a recording that is not there,
    DataError for two recordings of one name.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there and not empty; name another folder")
    result = Exported()
    recordings = _recordings(corpus, result)
    if not recordings:
        told = result.skipped.told("skipped") or f"{corpus} is empty"
        raise DataError(f"no sentence is left to align; {told}")
    out.mkdir(parents=True, exist_ok=True)
    for name, recording in recordings.items():
        if not recording.path.is_file():
            raise AudioError(f"{recording.where}: there is no {recording.path}")
        _link(recording.path.resolve(), out / f"{name}{recording.path.suffix}")
        grid = TextGrid(0, recording.length_us, tuple(_tiers(recording)))
        (out / f"{name}.TextGrid").write_text(textgrid_text(grid), encoding="utf-8", newline="\n")
    result.recordings = len(recordings)
    return result


def _recordings(corpus: Path, result: Exported) -> dict[str, _Recording]:
    found: dict[str, _Recording] = {}
    for line in manifest_lines(corpus):
        path = line.talk.path
        assert path is not None
        length_us = round(float(line.cut["recording"]["duration"]) * 1_000_000)
        recording = found.get(path.stem) or _Recording(path, length_us, line.where)
        if recording.path != path:
            raise DataError(
                f"{line.where}: {path} has the name of {recording.path} ({recording.where})"
            )
        recording.length_us = max(recording.length_us, length_us)
        offset_us = round(line.talk.first_sample * 1_000_000 / line.talk.sample_rate)
        for segment in line.cut["supervisions"]:
            if reason := unfit(segment):
                result.skipped.add(reason, line.where)
                continue
            start_us = round(float(segment["start"]) * 1_000_000) + offset_us
            length = round(float(segment["duration"]) * 1_000_000)
            speaker = clean(str(segment.get("speaker") or "")) or path.stem
            recording.said.setdefault(speaker, []).append(
                Interval(start_us, start_us + length, clean(str(segment["text"])))
            )
            result.utterances += 1
            result.speech_us += length
        if recording.said:
            found[path.stem] = recording
    return found


def _tiers(recording: _Recording) -> list[Tier]:
    tiers: list[Tier] = []
    for speaker, said in recording.said.items():
        rows: list[list[Interval]] = []
        for whole in sorted(said, key=lambda interval: interval.start_us):
            interval = replace(whole, end_us=min(whole.end_us, recording.length_us))
            free = (row for row in rows if row[-1].end_us <= interval.start_us)
            row = next(free, None)
            if row is None:
                rows.append([interval])
            else:
                row.append(interval)
        for number, row in enumerate(rows, 1):
            name = speaker if number == 1 else f"{speaker} {number}"
            tiers.append(Tier(name, filled(row, 0, recording.length_us)))
    return tiers


def _link(source: Path, link: Path) -> None:
    try:
        link.symlink_to(source)
    except OSError:
        shutil.copyfile(source, link)
