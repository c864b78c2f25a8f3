"""Audio files as streams of packets, in bounded memory, and WAV files written.

WAV, FLAC, Ogg, MP3 (and AIFF, AU, CAF) are read by libsndfile; anything else goes through an
`ffmpeg` process if one is installed. A file that ends before its header says is played to where
it ends, with a warning in the log (`earvoice.audio`): half a talk is worth more than none.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from earvoice.audio.pipe import read_exactly, stream_pipe
from earvoice.audio.signal import (
    Audio,
    Float32,
    check_channels,
    check_rate,
    check_samples,
)
from earvoice.audio.wav_header import wav_length
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Seconds

_log = logging.getLogger("earvoice.audio")

_FORMATS = frozenset(["WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"])
# What ffmpeg may unpack. No playlists: those make it open other files and addresses.
_FFMPEG_FORMATS = (
    "mov,mp4,m4a,matroska,webm,aac,asf,avi,mpegts,mpeg,flv,opus,amr,ac3,wv,tta,w64,mp3"
)
_MAX_PACKET_S = 60.0
_MAX_FFMPEG_S = 12 * 3600
UNKNOWN_FRAMES = 1 << 53
"""What a header promises that does not know; as many frames or more."""
_STEP_FRAMES = 1024


def stream_file(path: str | Path, packet_s: Seconds = 0.1) -> Iterator[Audio]:
    """Packets of `packet_s` seconds (the last may be shorter), reading as it is consumed.

    Memory is one packet, whatever the length of the file.
    Errors: `AudioError` at once for a file that is missing, empty or no audio; while reading
    for damage and for samples that are no sound, with the time.
    """
    if not 0 < packet_s <= _MAX_PACKET_S:
        raise AudioError(f"packet_s is {packet_s}, it must be more than 0 and at most 60 s")
    file = Path(path)
    _check_file(file)
    try:
        with _open(file) as sound:
            if sound.frames == 0 and _has_unsaid_audio(file):
                return _first_checked(_piped_packets(file, packet_s))
            _check_sound(file, sound)
    except (soundfile.LibsndfileError, _ForeignFormatError) as error:
        return _stream_ffmpeg(file, packet_s, str(error))
    return _sound_packets(file, packet_s)


def read(path: str | Path) -> Audio:
    """The whole file in memory. For long recordings use `stream_file`."""
    packets = list(stream_file(path, packet_s=10.0))
    return Audio(np.concatenate([packet.samples for packet in packets], axis=1), packets[0].rate_hz)


def write_wav(path: str | Path, audio: Audio) -> None:
    """Write 16-bit PCM; values beyond full scale are clipped."""
    clipped = np.clip(audio.samples.T, -1.0, 1.0)
    try:
        soundfile.write(Path(path), clipped, audio.rate_hz, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(f"cannot write {path}: {error}") from error


def _check_file(file: Path) -> None:
    if not file.exists():
        raise AudioError(f"no such audio file: {file}")
    if file.is_dir():
        raise AudioError(f"{file} is a folder, an audio file is needed")
    if not file.is_file():  # libsndfile seeks, and what was read of a pipe is gone
        raise AudioError(
            f"{file} is a pipe or a device, an audio file is needed; a pipe is read as standard "
            "input, for which - stands"
        )
    if file.stat().st_size == 0:
        raise AudioError(f"{file} is empty")


class _ForeignFormatError(Exception):
    """libsndfile knows the format, we do not list it."""


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    """A `soundfile.SoundFile`; opened by handle, so that content and never a name tells formats."""
    try:
        handle = file.open("rb")
    except OSError as error:
        raise AudioError(f"cannot read {file}: {error.strerror}") from error
    with handle, _SoundFile(handle) as sound:
        if sound.format not in _FORMATS:
            raise _ForeignFormatError(f"format {sound.format}")
        yield sound


def _check_sound(file: Path, sound: Any) -> None:
    try:
        check_rate(int(sound.samplerate))
        check_channels(sound.channels)
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from error
    if sound.frames == 0:
        raise AudioError(f"{file} holds no audio")


def _has_unsaid_audio(file: Path) -> bool:
    """Whether it is a WAV file that was written as a stream: no length, and audio all the same."""
    length = wav_length(file)
    return length is not None and length.unknown and length.behind_bytes > 0


def _piped_packets(file: Path, packet_s: Seconds) -> Iterator[Audio]:
    """The file as it would come through a pipe."""
    with file.open("rb") as handle:
        try:
            yield from stream_pipe(handle, packet_s)
        except AudioError as error:
            raise AudioError(f"{file}: {error}") from error


def _sound_packets(file: Path, packet_s: Seconds) -> Iterator[Audio]:
    try:
        yield from _packets_of(file, packet_s)
    except (soundfile.LibsndfileError, _ForeignFormatError) as error:
        raise AudioError(f"{file} is no longer what it was: {error}") from error


def _packets_of(file: Path, packet_s: Seconds) -> Iterator[Audio]:
    with _open(file) as sound:
        rate_hz = int(sound.samplerate)
        block = max(1, round(packet_s * rate_hz))
        promised = _promised(file, sound)
        done, frames = 0, _Frames(sound)
        while len(data := frames.take(block)):
            yield _packet(file, np.ascontiguousarray(data.T), rate_hz, done / rate_hz)
            done += len(data)
        damage = frames.damage
    if done == 0:
        raise AudioError(f"{file} holds no audio {damage}".rstrip())
    # MP3 headers only estimate, and a few frames of padding are no truncation either.
    missing = promised - done
    if damage or missing > max(0.05 * rate_hz, 0.001 * promised):
        _log.warning(
            "%s ends early: %.2f s of the %.2f s its header promises %s",
            file,
            done / rate_hz,
            promised / rate_hz,
            damage,
        )


def _promised(file: Path, sound: Any) -> int:
    """Frames that the header says; 0 where a stream's writer did not know."""
    length = wav_length(file)
    if length is not None and length.unknown:
        return 0
    frames = max(sound.frames, length.frames if length is not None else 0)
    return frames if frames < UNKNOWN_FRAMES else 0


class _SoundFile(soundfile.SoundFile):
    """Reads FLAC without seeking.

    soundfile seeks after every read; at the end of a FLAC stream without a length, and behind
    damage, that fails, and what was decoded would be lost.
    """

    def seekable(self) -> bool:
        """Whether reads may seek."""
        return self.format != "FLAC" and bool(super().seekable())


class _Frames:
    """Frames in pieces of any size, decoded in steps of one.

    The last 20 ms of an Opus stream depend on how many frames are asked for at a time. Steps are
    small, because a decoder that stumbles loses the step it is in.
    """

    def __init__(self, sound: Any) -> None:
        self._sound = sound
        self._rest: Float32 = np.zeros((0, sound.channels), dtype=np.float32)
        self.damage = ""
        """What went wrong, if anything; nothing comes after it."""

    def take(self, size: int) -> Float32:
        """Up to `size` frames [W, C], fewer only at the end."""
        if len(self._rest) < size:
            parts, missing = [self._rest], size - len(self._rest)
            while missing > 0 and len(part := self._step()):
                parts.append(part)
                missing -= len(part)
            self._rest = np.concatenate(parts)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _step(self) -> Float32:
        """The next frames, none at the end and behind damage."""
        part: Float32 = np.zeros((0, self._sound.channels), dtype=np.float32)
        if not self.damage:
            try:
                part = self._sound.read(_STEP_FRAMES, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                self.damage = f"({error})"
        return part


def _packet(file: Path, samples: Float32, rate_hz: int, start_s: Seconds) -> Audio:
    try:
        check_samples(samples, rate_hz, start_s)
        return Audio(samples, rate_hz)
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from error


def _stream_ffmpeg(file: Path, packet_s: Seconds, reason: str) -> Iterator[Audio]:
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(
            f"{file} is not WAV, FLAC, Ogg or MP3 audio ({reason.rstrip('.')}), and ffmpeg, which "
            "might read it, is not installed"
        )
    # The child reads one local file, no playlist and no network, and is stopped when we stop.
    command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    command += ["-format_whitelist", _FFMPEG_FORMATS, "-t", str(_MAX_FFMPEG_S)]
    command += ["-i", f"file:{file}", "-vn", "-sn", "-dn", "-map", "0:a:0"]
    command += ["-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1"]
    return _first_checked(_ffmpeg_packets(file, command, max(1, round(packet_s * SAMPLE_RATE))))


def _ffmpeg_packets(file: Path, command: list[str], block: int) -> Iterator[Audio]:
    done = 0
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        try:
            assert child.stdout is not None
            while data := read_exactly(child.stdout, 4 * block):
                values = np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4")
                samples = values.astype(np.float32)[np.newaxis, :]
                yield _packet(file, samples, SAMPLE_RATE, done / SAMPLE_RATE)
                done += samples.shape[1]
            code = child.wait()
        finally:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        errors.seek(0)
        last = errors.read(4000).decode("utf-8", "replace").strip().split("\n")[-1]
    if done == 0:
        raise AudioError(f"{file} is not audio that ffmpeg can read ({last or 'it gave none'})")
    if code != 0:
        _log.warning("%s is damaged at %.2f s: %s", file, done / SAMPLE_RATE, last)


def _first_checked(packets: Iterator[Audio]) -> Iterator[Audio]:
    """The same packets, with the first one made now, so that a bad file fails at once."""
    first = next(packets)

    def rest() -> Iterator[Audio]:
        yield first
        yield from packets

    return rest()
