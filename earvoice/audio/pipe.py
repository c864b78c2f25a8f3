"""Audio from a pipe, where nothing can be sought: WAV, or raw PCM without a header."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from earvoice.audio.signal import Audio, Float32, check_channels, check_rate, check_samples
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Seconds

_MAX_HEADER_BYTES = 1 << 20
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OTHER_KINDS = (
    b"fLaC", b"OggS", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b".snd", b"caff", b"ID3",
    b"\x1a\x45\xdf\xa3", b"ADIF", b"wvpk", b"MAC ", b"#!AMR", b"\x30\x26\xb2\x75",
)  # fmt: skip
_BEHIND_AUDIO = frozenset(
    (b"LIST", b"id3 ", b"ID3 ", b"cue ", b"bext", b"fact", b"JUNK", b"junk", b"PEAK", b"smpl")
    + (b"inst", b"iXML", b"_PMX", b"afsp", b"acid", b"strc", b"PAD ", b"plst", b"LGWV", b"axml")
)
"""Chunks that stand behind the audio of WAV files."""
_PIECE_BYTES = 1 << 14


@dataclass(frozen=True)
class _Format:
    rate_hz: int
    channels: int
    bits: int
    is_float: bool

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


_RAW = _Format(SAMPLE_RATE, 1, 16, is_float=False)


def stream_pipe(pipe: IO[bytes], packet_s: Seconds = 0.1) -> Iterator[Audio]:
    """Packets of a WAV stream, or of raw signed 16-bit little-endian mono at 16 kHz.

    Which of the two is told by the first bytes. Who writes WAV into a pipe seldom knows its length,
    so audio lasts until the pipe ends, in bounded memory, or until one of the chunks that WAV files
    have behind their audio begins where the header says. A last partial frame is dropped.
    Errors: `AudioError` for another kind of file, an empty pipe, and values that are no sound.
    """
    start = read_exactly(pipe, 12)
    if not start:
        raise AudioError("standard input is empty")
    if start[:4] == b"RIFF":
        form, size = _read_wav_header(pipe, start)
        return _packets(_until_next_chunk(pipe, size), form, packet_s)
    if _is_other_kind(start):
        raise AudioError("a pipe must carry WAV or raw 16-bit 16 kHz mono audio")
    return _packets(itertools.chain([start], _parts(pipe)), _RAW, packet_s)


def _is_other_kind(start: bytes) -> bool:
    """Whether it begins like a file of another kind: known marks, MP4's box, an MPEG frame, text.

    Twelve printable bytes would be six loud samples of one sign.
    """
    mpeg = _is_mpeg_header(start[:4])
    text = len(start) == 12 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)
    return start.startswith(_OTHER_KINDS) or start[4:8] == b"ftyp" or mpeg or text


def _is_mpeg_header(start: bytes) -> bool:
    """Whether four bytes begin a frame of MPEG layer III: two of them alone may be a sample."""
    if len(start) < 4 or start[0] != 0xFF or start[1] not in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3):
        return False
    bit_rate, sample_rate = start[2] >> 4, start[2] >> 2 & 3
    return 0 < bit_rate < 15 and sample_rate < 3


def _parts(pipe: IO[bytes]) -> Iterator[bytes]:
    while part := _available(pipe, _PIECE_BYTES):
        yield part


def _available(pipe: IO[bytes], most: int) -> bytes:
    """What has come, at least a byte, empty at the end: live audio must not wait for more."""
    read: Callable[[int], bytes] = getattr(pipe, "read1", pipe.read)
    return read(most)


def _until_next_chunk(pipe: IO[bytes], size: int) -> Iterator[bytes]:
    """The audio; what follows is read and dropped, so that the writer does not fail."""
    left = size
    while left > 0:
        part = _available(pipe, min(left, _PIECE_BYTES))
        if not part:
            return
        left -= len(part)
        yield part
    padding = read_exactly(pipe, size % 2)
    name = read_exactly(pipe, 4)
    if name and name not in _BEHIND_AUDIO:  # the size was a guess
        yield padding + name
        yield from _parts(pipe)
    for _ in _parts(pipe):
        pass


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """`size` bytes, fewer only at the end; a pipe's `read` may return early."""
    parts: list[bytes] = []
    while size > 0:
        part = pipe.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _packets(parts: Iterable[bytes], form: _Format, packet_s: Seconds) -> Iterator[Audio]:
    size = max(1, round(packet_s * form.rate_hz)) * form.frame_bytes
    pending, start_s = bytearray(), 0.0
    for part in itertools.chain(parts, [None]):
        pending += part or b""
        while len(pending) >= size or (part is None and len(pending) >= form.frame_bytes):
            whole = min(size, len(pending) // form.frame_bytes * form.frame_bytes)
            samples = _decode(bytes(pending[:whole]), form)
            check_samples(samples, form.rate_hz, start_s)
            yield Audio(samples, form.rate_hz)
            start_s += samples.shape[1] / form.rate_hz
            del pending[:whole]


def _decode(data: bytes, form: _Format) -> Float32:
    """Interleaved little-endian bytes to float32 [C, W]."""
    values: Float32
    if form.is_float:
        with np.errstate(over="ignore"):  # what is too large is named by `check_samples`
            values = np.frombuffer(data, dtype=f"<f{form.bits // 8}").astype(np.float32)
    elif form.bits == 8:
        values = (np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif form.bits == 24:
        triples = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), dtype=np.uint8)
        wide[:, 1:] = triples
        values = wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    else:
        scale = np.float32(2 ** (form.bits - 1))
        values = np.frombuffer(data, dtype=f"<i{form.bits // 8}").astype(np.float32) / scale
    return np.ascontiguousarray(values.reshape(-1, form.channels).T)


def _read_wav_header(pipe: IO[bytes], start: bytes) -> tuple[_Format, int]:
    """Consume a RIFF header up to the first byte of audio; the audio's bytes, as it says."""
    if start[8:] != b"WAVE":
        raise AudioError("standard input begins like a RIFF file but is no WAV")
    form: _Format | None = None
    budget = _MAX_HEADER_BYTES
    while True:
        head = read_exactly(pipe, 8)
        if len(head) < 8:
            raise AudioError("the WAV on standard input ends inside its header")
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            if form is None:
                raise AudioError("the WAV on standard input has audio before its format")
            return form, size
        budget -= size
        if budget < 0:
            raise AudioError("the WAV header on standard input is larger than 1 MiB")
        body = read_exactly(pipe, size + size % 2)
        if name == b"fmt ":
            form = _parse_format(body)


def _parse_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise AudioError("the WAV on standard input ends inside its header")
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        code = struct.unpack("<H", body[24:26])[0]
    legal = (code == _PCM and bits in (8, 16, 24, 32)) or (code == _FLOAT and bits in (32, 64))
    if not legal:
        raise AudioError(
            f"the WAV on standard input has coding {code} with {bits} bits; PCM of 8, 16, 24, 32 "
            "bits and float of 32, 64 bits are read"
        )
    check_rate(rate_hz)
    check_channels(channels)
    return _Format(rate_hz, channels, bits, is_float=code == _FLOAT)
