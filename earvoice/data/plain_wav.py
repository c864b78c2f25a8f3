"""Recordings as they lie in a corpus: WAV with 16-bit samples behind a 44-byte header, mapped.

A piece of a recording of hours costs what the piece weighs. Whatever is not of this form is
refused: `earvoice corpus import` writes it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earvoice.errors import AudioError
from earvoice.units import Samples

WAV_HEADER_BYTES = 44


@dataclass(frozen=True)
class WavHeader:
    """What a header says. data_bytes: of all samples together."""

    sample_rate: int
    channels: int
    data_bytes: int


def read_header(path: Path) -> WavHeader | None:
    """The header of a file of this form, None where it has another."""
    with path.open("rb") as file:
        head = file.read(WAV_HEADER_BYTES)
    if len(head) < WAV_HEADER_BYTES or head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt ":
        return None

    def number(start: int, size: int) -> int:
        return int.from_bytes(head[start : start + size], "little")

    plain = (number(16, 4), number(20, 2), number(34, 2)) == (16, 1, 16)
    if not plain or head[36:40] != b"data":
        return None
    return WavHeader(number(24, 4), number(22, 2), number(40, 4))


def map_samples(
    path: Path, sample_rate: int, channels: int, start: Samples, stop: Samples, whole: Samples
) -> NDArray[np.int16]:
    """Samples `start` .. `stop` of a recording that should have `whole` of them: int16 [W, C].

    Raises: AudioError for a file that is missing, shorter, or of another form, rate or number of
        channels.
    """
    size = path.stat().st_size if path.is_file() else -1
    need = WAV_HEADER_BYTES + 2 * channels * whole
    if size < need:
        raise AudioError(f"{path} has {size} bytes, the manifest needs {need}")
    _check(str(path), sample_rate, channels)
    if stop <= start:
        return np.zeros((0, channels), dtype=np.int16)
    offset = WAV_HEADER_BYTES + 2 * channels * start
    return np.memmap(path, dtype="<i2", mode="r", offset=offset, shape=(stop - start, channels))


@functools.lru_cache(maxsize=1 << 16)
def _check(path: str, sample_rate: int, channels: int) -> None:
    """Looks at a file's header once, as long as it is right."""
    head = read_header(Path(path))
    if head is None:
        said = "no WAV with 16-bit samples behind a 44-byte header"
    elif (head.sample_rate, head.channels) != (sample_rate, channels):
        said = f"{head.sample_rate} Hz with {head.channels} channels"
    else:
        return
    raise AudioError(
        f"{path} is {said}; the manifest says {sample_rate} Hz and {channels}. "
        "`earvoice corpus import` writes what is needed"
    )
