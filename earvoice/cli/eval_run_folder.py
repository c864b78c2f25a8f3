"""The folder of a simulation: what the run is, its recordings, its references."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earvoice import __version__
from earvoice.errors import AudioError, DataError, UsageError

if TYPE_CHECKING:
    from earvoice.audio import Audio
    from earvoice.data.manifest import Talk
    from earvoice.eval.simulate import Recording
    from earvoice.eval.written import Settled

RUN_FILE = "run.json"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def talks_of(data: Path, items: int | None) -> list[Talk]:
    """The recordings to translate. Raises: UsageError for none, DataError for two of one name."""
    from earvoice.data.manifest import load_talks

    talks = list(load_talks(data))[:items]
    if not talks:
        raise UsageError(f"{data} has no recordings")
    names = [talk.id for talk in talks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{data}: recording {twice!r} is there twice; each needs its own name")
    return talks


def recording_of(talk: Talk, packet_ms: int, settled: Settled) -> Recording:
    """A talk in packets of so many milliseconds, rounded up to whole samples as in SimulEval."""
    from earvoice.eval.hypotheses import microseconds
    from earvoice.eval.runlog import RecordingHead
    from earvoice.eval.simulate import Recording

    def packets() -> Iterator[Audio]:
        from earvoice.audio import Audio

        size = -(-talk.sample_rate * packet_ms // 1000)
        try:
            _check_header(talk)
            samples = talk.read_samples()
        except OSError as error:
            raise AudioError(f"{talk.path} cannot be read: {error.strerror or error}") from None
        for start in range(0, len(samples), size):
            yield Audio(samples[None, start : start + size], talk.sample_rate)

    source_us = microseconds(1000 * talk.samples / talk.sample_rate)
    return Recording(RecordingHead(talk.id, source_us, "word", settled=settled), packets)


def _check_header(talk: Talk) -> None:
    """Raises: AudioError where a file is not the kind of WAV whose samples we map."""
    if talk.path is None or not talk.path.is_file():
        raise AudioError(f"recording {talk.id}: there is no file {talk.path}")
    with talk.path.open("rb") as file:
        head = file.read(44)
    legal = len(head) == 44 and head[:4] + head[8:16] + head[36:40] == b"RIFFWAVEfmt data"
    kind = struct.unpack("<HHI", head[20:28]) if legal else None
    if kind != (1, 1, talk.sample_rate) or head[34:36] != b"\x10\x00":
        raise AudioError(
            f"{talk.path} is not a WAV of 16 bits, one channel, {talk.sample_rate} Hz and a plain "
            "header"
        )


def note_run(out: Path, data: Path, what: Mapping[str, Any]) -> None:
    """Writes what the run is. Raises: UsageError where the folder holds another run."""
    manifest = data / "cuts.jsonl" if data.is_dir() else data
    note = {
        **what,
        "data_sha256": sha256(manifest),
        "versions": {
            "earvoice": __version__,
            "torch": version("torch"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
    }
    path = out / RUN_FILE
    if path.exists():
        before = _noted(path)
        key = _changed(before, note)
        if key is not None:
            raise UsageError(
                f"{out} holds another run: {key} was {before.get(key)!r} and is "
                f"{note.get(key)!r}; name another folder"
            )
    partial = path.with_suffix(".json.partial")  # a kill leaves the old file or the new one
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(note, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def language_of(run: Path) -> str | None:
    """The language a run is in, where its note says it."""
    path = run / RUN_FILE
    said = _noted(path).get("tgt_lang") if path.is_file() else None
    return said if isinstance(said, str) else None


def _changed(before: Mapping[str, Any], note: Mapping[str, Any]) -> str | None:
    """The first thing that differs, also what only one of the two says."""
    # Runs of earlier versions do not say their languages.
    silent = {key for key in ("src_lang", "tgt_lang") if key not in before}
    keys = (key for key in {**note, **before} if key not in silent)
    return next((key for key in keys if before.get(key) != note.get(key)), None)


def _noted(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not isinstance(note, dict):
        raise DataError(f"{path} must hold an object")
    return note


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_references(out: Path, talks: Sequence[Talk], language: str) -> None:
    """The sentences in the field's format: segments.yaml, references.txt, sources.txt."""
    segments, references, sources = [], [], []
    for talk in talks:
        wav = f"{talk.id}.wav"
        name = wav if _PLAIN.fullmatch(wav) else json.dumps(wav)
        for sentence in talk.sentences:
            if language not in sentence.targets:
                raise UsageError(f"talk {talk.id} has no {language!r} side")
            start_s, end_s = sentence.start_s, sentence.end_s
            segments.append(
                f"- {{offset: {start_s:.6f}, duration: {end_s - start_s:.6f}, wav: {name}}}"
            )
            references.append(" ".join(sentence.targets[language].text.split()))
            spoken = sentence.text or " ".join(word.text for word in sentence.words)
            sources.append(" ".join(spoken.split()))
    for name, lines in (
        ("segments.yaml", segments),
        ("references.txt", references),
        ("sources.txt", sources),
    ):
        (out / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
