"""Recordings with passages as a corpus of ours: manifest, references, terms, audio where needed.

OUT/ holds

    cuts.jsonl        one cut per recording (long) or per passage (short)
    audio/<id>.wav    only of recordings that are not mono 16 kHz 16-bit WAV already
    unpacked/         recordings out of archives, where they are such
    segments.yaml     offset, duration, wav of every passage, in the order of the manifest
    references.txt    its translation, one line each; sources.txt its transcript
    terms.jsonl       terms that are said, where the corpus names them: recording, segment
                      (its number within the recording, from 1), src, trg
    import.json       what was imported and what was left out, with every place
    unfinished.json   only until all of it is there: of which import it is
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earvoice.data.corpora.archives import UNPACKED_NAME, unpacked
from earvoice.data.corpora.reading import clean
from earvoice.data.corpora.result import Result, Tally
from earvoice.data.corpora.sound import Sound, prepared
from earvoice.data.corpora.takes import Passage, Take, Wanted, primary_subtag
from earvoice.data.lock import FolderLock
from earvoice.data.manifest import (
    MANIFEST_NAME,
    SpokenSentence,
    Talk,
    Target,
    cut_from_talk,
    cut_line,
)
from earvoice.errors import AudioError, DataError, EarvoiceError, UsageError
from earvoice.units import SAMPLE_RATE

TRIMMED_US = 2_000_000
"""A passage may end so much after its recording and is cut there; RealSI's last ones do, by up
to 1.2 s. What remains must be half of it at least."""

RECORD_NAME = "import.json"
TERMS_NAME = "terms.jsonl"
NOTE_NAME = "unfinished.json"
"""Says which import has begun in a folder; the same one may begin anew where it was killed."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A line of the manifest: the recording from first_sample on, with its passages."""

    id: str
    sound: Sound
    first_sample: int
    samples: int
    passages: tuple[Passage, ...]


def manifest_path(out: Path) -> Path:
    """`--out` names a folder, or the manifest in it. Raises: UsageError if a corpus is there.

    What an import that was killed has left is none.
    """
    path = out if out.suffix == ".jsonl" else out / MANIFEST_NAME
    if (path.parent / NOTE_NAME).exists():
        return path
    for there in (path, path.parent / RECORD_NAME):
        if there.exists():
            raise UsageError(f"there is a corpus already ({there}); name another folder")
    return path


def write_corpus(
    takes: Sequence[Take],
    wanted: Wanted,
    manifest: Path,
    corpus: str,
    skipped: Tally,
    root: Path | None = None,
) -> Result:
    """Writes the files above; the manifest last, so that it is there only if all is.

    root: the folder of the corpus, by which an import that was killed is known again.
    Raises: DataError for two recordings of one name, and when nothing is left; ConfigError where
    another import is writing into the folder; UsageError where one has written or begun.
    """
    _check_names(takes)
    folder = manifest.parent
    folder.mkdir(parents=True, exist_ok=True)
    note = {
        "corpus": corpus,
        "root": "" if root is None else str(root.resolve()),
        "split": wanted.split,
        "form": wanted.form,
        "src_lang": wanted.src,
        "tgt_lang": wanted.tgt,
        "segments": None if wanted.segments is None else str(wanted.segments.resolve()),
        "manifest": manifest.name,
    }
    with FolderLock(folder), _begun(manifest, note):
        return _write_corpus(takes, wanted, manifest, corpus, skipped)


@contextlib.contextmanager
def _begun(manifest: Path, note: Mapping[str, Any]) -> Iterator[None]:
    """Keeps a note of the import until it has ended, in its manifest or an error of the data."""
    manifest_path(manifest)  # again: another one may have ended before we had the lock
    path = manifest.with_name(NOTE_NAME)
    if path.exists():
        _check_same(path, note)
        # Its text files are written anew; of these there may be none this time.
        for name in (RECORD_NAME, TERMS_NAME):
            path.with_name(name).unlink(missing_ok=True)
    _write_lines(path, [json.dumps(note, indent=1, ensure_ascii=False)])
    try:
        yield
    except EarvoiceError:  # the data or the command will be another the next time
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _check_same(path: Path, note: Mapping[str, Any]) -> None:
    """That an import which was killed is the one to be made. Raises: UsageError."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read ({error}); name another folder") from error
    known = before if isinstance(before, dict) else {}
    for key, value in note.items():
        if known.get(key) != value:
            raise UsageError(
                f"{path.parent} holds an import that did not end, of {key} {known.get(key)!r}, "
                f"not {value!r}; repeat that one, or name another folder"
            )


def _write_corpus(
    takes: Sequence[Take], wanted: Wanted, manifest: Path, corpus: str, skipped: Tally
) -> Result:
    """The same in a folder that is ours."""
    result, folder = Result(skipped=skipped, rate_hz=SAMPLE_RATE), manifest.parent
    takes = unpacked(takes, folder / UNPACKED_NAME)
    cuts = [cut for take in takes for cut in _cuts_of(take, wanted, folder, result)]
    if not cuts:
        told = skipped.told("skipped") or "the corpus files are empty"
        raise DataError(f"no segment is left to import; {told}")
    result.segments = sum(len(cut.passages) for cut in cuts)
    result.terms = sum(len(passage.terms) for cut in cuts for passage in cut.passages)
    result.samples = sum(cut.samples for cut in cuts)
    languages = (primary_subtag(wanted.src), primary_subtag(wanted.tgt))
    _write_references(cuts, folder)
    if result.terms:
        _write_lines(folder / TERMS_NAME, _term_lines(cuts))
    record = _record(result, wanted, corpus, languages)
    _write_lines(folder / RECORD_NAME, [json.dumps(record, indent=1, ensure_ascii=False)])
    lines = (cut_line(_manifest_cut(cut, folder, corpus, languages)) for cut in cuts)
    _write_lines(manifest, lines)
    _remove_converted(takes, {cut.sound.path for cut in cuts})
    return result


def _remove_converted(takes: Iterable[Take], used: set[Path]) -> None:
    """What came out of an archive and was written anew. Only now: until here an import goes on."""
    for take in takes:
        if take.packed is not None and take.audio not in used:
            take.audio.unlink(missing_ok=True)
            for folder in take.audio.parents[:3]:
                with contextlib.suppress(OSError):  # not empty, or gone already
                    folder.rmdir()


def _check_names(takes: Sequence[Take]) -> None:
    seen: dict[str, str] = {}
    for take in takes:
        if take.id in seen:
            raise DataError(
                f"{take.where}: the recording {take.id!r} was already in {seen[take.id]}"
            )
        seen[take.id] = take.where


def _cuts_of(take: Take, wanted: Wanted, folder: Path, result: Result) -> Iterator[_Cut]:
    sound = _sound_of(take, folder, result)
    if sound is None:
        return
    passages = {
        number: kept
        for number, passage in enumerate(take.passages)
        if (kept := _within(passage, sound, result)) is not None
    }
    if not passages:
        return
    result.recordings += 1
    if take.packed is not None:
        result.unpacked.add(f"from {take.packed.archive.name}", take.id)
    if sound.was:
        result.converted.add(sound.was, take.id)
    if wanted.form == "long":
        yield _Cut(take.id, sound, 0, sound.samples, tuple(passages.values()))
        return
    for number, passage in passages.items():
        first, last = _sample(passage.start_us), _sample(passage.end_us or 0)
        whole = len(take.passages) == 1 and first == 0 and last == sound.samples
        name = take.id if whole else f"{take.id}-{number:04d}"
        alone = replace(passage, start_us=0, end_us=_microseconds(last - first))
        yield _Cut(name, sound, first, last - first, (alone,))


def _sound_of(take: Take, folder: Path, result: Result) -> Sound | None:
    """The recording, or None with all its passages counted."""
    if not take.audio.is_file():
        reason = "missing audio"
    else:
        try:
            return prepared(take.audio, folder / "audio" / f"{take.id}.wav")
        except AudioError as error:
            reason = f"unreadable audio ({clean(str(error))})"
    for passage in take.passages:
        result.skipped.add(reason, passage.where)
    return None


def _within(passage: Passage, sound: Sound, result: Result) -> Passage | None:
    """The passage with an end inside the recording, or None, counted."""
    length_us = _microseconds(sound.samples)
    end_us = length_us if passage.end_us is None else passage.end_us
    if not passage.target:
        result.skipped.add("empty translation", passage.where)
        return None
    if end_us - passage.start_us < 1_000_000 // SAMPLE_RATE:
        result.skipped.add("segment without length", passage.where)
        return None
    over_us = end_us - length_us
    if over_us > 0:
        remains_us = length_us - passage.start_us
        if over_us > TRIMMED_US or over_us > remains_us:
            result.skipped.add("segment past the end of the audio", passage.where)
            return None
        result.trimmed.add("segment ending after the audio", passage.where)
        end_us = length_us
    return replace(passage, end_us=end_us)


def _sample(time_us: int) -> int:
    return (time_us * SAMPLE_RATE + 500_000) // 1_000_000


def _microseconds(samples: int) -> int:
    """Rounded down: the end of the audio is not after it."""
    return samples * 1_000_000 // SAMPLE_RATE


def _manifest_cut(
    cut: _Cut, folder: Path, corpus: str, languages: tuple[str, str]
) -> dict[str, Any]:
    source = os.path.relpath(cut.sound.path.resolve(), folder.resolve())
    talk = Talk(
        id=cut.id,
        path=cut.sound.path,
        sample_rate=SAMPLE_RATE,
        samples=cut.samples,
        voice=cut.passages[0].speaker,
        engine=corpus,
        sentences=tuple(_sentence(passage, languages[1]) for passage in cut.passages),
        first_sample=cut.first_sample,
    )
    data = cut_from_talk(talk, source)
    for segment, passage in zip(data["supervisions"], cut.passages, strict=True):
        # To the microsecond; a tenth of a millisecond is not enough to tell the end of the audio.
        segment["start"] = passage.start_us / 1_000_000
        segment["duration"] = _length_us(passage) / 1_000_000
        segment["language"] = languages[0]
        segment["speaker"] = passage.speaker
    return data


def _sentence(passage: Passage, language: str) -> SpokenSentence:
    start_s = passage.start_us / 1_000_000
    return SpokenSentence(
        start_s=start_s,
        end_s=start_s + _length_us(passage) / 1_000_000,
        words=(),
        phones=(),
        text=passage.source,
        targets={language: Target(passage.target)},
    )


def _length_us(passage: Passage) -> int:
    assert passage.end_us is not None
    return passage.end_us - passage.start_us


def _write_references(cuts: Sequence[_Cut], folder: Path) -> None:
    pairs = [(cut.id, passage) for cut in cuts for passage in cut.passages]
    _write_lines(
        folder / "segments.yaml",
        (
            f"- {{offset: {passage.start_us / 1_000_000:.6f}, "
            f"duration: {_length_us(passage) / 1_000_000:.6f}, "
            f"wav: {json.dumps(name + '.wav', ensure_ascii=False)}}}"
            for name, passage in pairs
        ),
    )
    _write_lines(folder / "references.txt", (passage.target for _, passage in pairs))
    _write_lines(folder / "sources.txt", (passage.source for _, passage in pairs))


def _term_lines(cuts: Sequence[_Cut]) -> Iterator[str]:
    for cut in cuts:
        for number, passage in enumerate(cut.passages, 1):
            for src, tgt in passage.terms:
                term = {"recording": f"{cut.id}.wav", "segment": number, "src": src, "trg": tgt}
                yield json.dumps(term, ensure_ascii=False)


def _record(
    result: Result, wanted: Wanted, corpus: str, languages: tuple[str, str]
) -> dict[str, Any]:
    return {
        "corpus": corpus,
        "split": wanted.split,
        "form": wanted.form,
        "src_lang": languages[0],
        "tgt_lang": languages[1],
        "recordings": result.recordings,
        "segments": result.segments,
        "terms": result.terms,
        "hours": round(result.hours, 4),
        "unpacked": result.unpacked.places,
        "converted": result.converted.places,
        "trimmed": result.trimmed.places,
        "skipped": result.skipped.places,
    }


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)
    partial.replace(path)
