"""Audio from a pipe, where nothing can be sought: WAV, or raw PCM without a header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from earvoice.audio.signal import Audio, Float32, check_channels, check_rate
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Seconds

_MAX_HEADER_BYTES = 1 << 20
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


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

    Which of the two is told by the first four bytes (`RIFF`). The sizes in the header of a
    piped WAV are not believed: audio lasts until the pipe ends, in bounded memory. A last
    partial frame is dropped.
    Errors: `AudioError` for another kind of file and for an empty pipe.
    """
    start = read_exactly(pipe, 4)
    if not start:
        raise AudioError("standard input is empty")
    if start == b"RIFF":
        form, pending = _read_wav_header(pipe), b""
    elif start in (b"fLaC", b"OggS", b"RIFX") or start[:3] == b"ID3":
        raise AudioError("a pipe must carry WAV or raw 16-bit 16 kHz mono audio")
    else:
        form, pending = _RAW, start
    return _packets(pipe, form, pending, packet_s)


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


def _packets(pipe: IO[bytes], form: _Format, pending: bytes, packet_s: Seconds) -> Iterator[Audio]:
    size = max(1, round(packet_s * form.rate_hz)) * form.frame_bytes
    while True:
        data = pending + read_exactly(pipe, size - len(pending))
        pending = b""
        whole = len(data) // form.frame_bytes * form.frame_bytes
        if whole:
            yield Audio(_decode(data[:whole], form), form.rate_hz)
        if len(data) < size:
            return


def _decode(data: bytes, form: _Format) -> Float32:
    """Interleaved little-endian bytes to float32 [C, W]."""
    values: Float32
    if form.is_float:
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


def _read_wav_header(pipe: IO[bytes]) -> _Format:
    """Consume a RIFF header up to the first byte of audio."""
    if read_exactly(pipe, 8)[4:] != b"WAVE":
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
            return form
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
