"""What a WAV file's header says of its length, and whether it is to be believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_PLACEHOLDERS = range(0x7FFFF000, 0x80000001)
"""Sizes near 2 GiB are written by those who cannot know it, and cannot seek back."""


@dataclass(frozen=True)
class WavLength:
    """frame_bytes: a sample of all channels. data_bytes: as said; behind_bytes: as there is."""

    frame_bytes: int
    data_bytes: int
    behind_bytes: int

    @property
    def unknown(self) -> bool:
        """Whether the size only stands there because something had to."""
        return self.data_bytes in (0, 0xFFFFFFFF) or self.data_bytes in _PLACEHOLDERS

    @property
    def frames(self) -> int:
        """Frames promised, 0 where nothing is."""
        return 0 if self.unknown or not self.frame_bytes else self.data_bytes // self.frame_bytes


def wav_length(file: Path) -> WavLength | None:
    """The length that the header says; None of what is no RIFF/WAVE, or has no audio chunk.

    libsndfile corrects it by the file's size, which hides that a file was cut, and takes 0 at its
    word.
    """
    with file.open("rb") as handle:
        if handle.read(4) != b"RIFF" or handle.read(8)[4:] != b"WAVE":
            return None
        frame_bytes = 0
        while len(head := handle.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"fmt " and size >= 16:
                body = handle.read(16)
                frame_bytes = struct.unpack("<H", body[12:14])[0] if len(body) == 16 else 0
                handle.seek(size - 16 + size % 2, 1)
            elif name == b"data":
                return WavLength(frame_bytes, size, file.stat().st_size - handle.tell())
            else:
                handle.seek(size + size % 2, 1)
    return None
