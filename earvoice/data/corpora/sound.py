"""Any audio file as the one that manifests refer to: mono, 16 kHz, int16, a header of 44 bytes."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from earvoice.audio import Resampler, stream_file
from earvoice.data.plain_wav import WAV_HEADER_BYTES, read_header
from earvoice.errors import AudioError, UsageError
from earvoice.units import SAMPLE_RATE, Samples

_PACKET_S = 10.0


@dataclass(frozen=True, slots=True)
class Sound:
    """A file that `Talk.read_samples` can map. was: what it was made from, "" if nothing."""

    path: Path
    samples: Samples
    was: str = ""


def prepared(source: Path, converted: Path) -> Sound:
    """The file itself where it is fit, else `converted`, written complete or not at all.

    Raises: AudioError for what is not audio; UsageError where the two are one file.
    """
    count = plain_samples(source)
    if count:
        return Sound(source, count)
    if converted.resolve() == source.resolve():
        raise UsageError(f"{source} is a recording of the corpus itself; choose another --out")
    was = _format(source)
    converted.parent.mkdir(parents=True, exist_ok=True)
    partial = converted.with_name(converted.name + ".partial")
    try:
        written = _write(partial, source)
        partial.replace(converted)
    finally:
        partial.unlink(missing_ok=True)
    return Sound(converted, written, was)


def plain_samples(path: Path) -> Samples:
    """Samples of a file that is fit as it is, else 0."""
    head = read_header(path)
    if head is None or (head.sample_rate, head.channels) != (SAMPLE_RATE, 1):
        return 0
    if path.stat().st_size != WAV_HEADER_BYTES + head.data_bytes:
        return 0
    return head.data_bytes // 2


def _format(source: Path) -> str:
    """`44100 Hz, 2 channels, MP3` and the like, as far as it differs from what is fit."""
    try:
        info = soundfile.info(str(source))
    except (soundfile.LibsndfileError, OSError):
        return f"{source.suffix.lstrip('.') or 'unknown'} file"
    said = []
    if info.samplerate != SAMPLE_RATE:
        said.append(f"{info.samplerate} Hz")
    if info.channels != 1:
        said.append(f"{info.channels} channels")
    if (info.format, info.subtype) != ("WAV", "PCM_16"):
        said.append(info.format if info.format != "WAV" else info.subtype)
    return " ".join(said) or "other header"


def _write(partial: Path, source: Path) -> Samples:
    count = 0
    with wave.open(str(partial), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        for samples in _resampled(source):
            pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
            out.writeframes(pcm.tobytes())
            count += len(pcm)
    if count == 0:
        raise AudioError(f"{source} holds no audio")
    return count


def _resampled(source: Path) -> Iterator[np.ndarray]:
    resampler = Resampler(SAMPLE_RATE)
    for packet in stream_file(source, _PACKET_S):
        yield resampler.push(packet)
    yield resampler.flush()
