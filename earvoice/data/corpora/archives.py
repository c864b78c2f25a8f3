"""Recordings that still lie in a corpus' tar.gz: read in one pass, written beside the manifest.

    DIR/data/en_us/audio/dev.tar.gz    dev/11.wav ...   ->   OUT/unpacked/en_us/dev/11.wav

Nothing of an archive decides where a file is written: a name is only compared with those of the
table. A file is there complete or not at all, so an import that was stopped goes on; an archive of
which all files are there is not opened again.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from earvoice.errors import DataError

if TYPE_CHECKING:
    from earvoice.data.corpora.takes import Take

UNPACKED_NAME = "unpacked"
MAX_MEMBER_BYTES = 1 << 26
"""A sentence's recording; 30 s at 48 kHz, two channels of doubles, are a third of it."""
MAX_ARCHIVE_BYTES = 1 << 36
"""Unpacked, of an archive; the largest of FLEURS are some GB."""
MAX_MEMBERS = 1 << 20
"""Of an archive, whose headers stay in memory while it is read."""
MAX_HEADER_BYTES = 1 << 20
"""What an archive may say of a member besides its content: a long name, extended headers."""
_PIECE_BYTES = 1 << 20
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RecursionError, ValueError)
"""What the libraries raise of bytes that are no tar.gz."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A recording in an archive.

    name: as the table has it; folder: what may stand before it. into: folder below `unpacked`.
    """

    archive: Path
    folder: str
    name: str
    into: str


def unpacked(takes: Sequence[Take], folder: Path) -> list[Take]:
    """The takes, those in archives with `audio` at their file in `folder`, which is there now.

    What an archive lacks stays a path without a file. Raises: DataError for an archive that is
    broken or not legal.
    """
    found: list[Take] = []
    wanted: dict[Path, dict[str, Path]] = {}
    for take in takes:
        if take.packed is None:
            found.append(take)
            continue
        packed = take.packed
        to = folder / packed.into / f"{take.id}{PurePosixPath(packed.name).suffix}"
        wanted.setdefault(packed.archive, {})[f"{packed.folder}/{packed.name}"] = to
        found.append(replace(take, audio=to))
    for archive, files in wanted.items():
        if not all(to.is_file() for to in files.values()):
            _unpack(archive, files)
    return found


def _unpack(archive: Path, files: Mapping[str, Path]) -> None:
    """Writes the files that are named `FOLDER/NAME`, or `NAME` alone, in the archive."""
    bare = {name.partition("/")[2]: name for name in files}
    seen: set[str] = set()
    for member, content in _members(archive):
        path = _inside(archive, member.name)
        name = path if path in files else bare.get(path)
        if name is None:
            continue
        if name in seen:
            raise DataError(f"{archive}: {member.name!r} is there twice; each recording is once")
        seen.add(name)
        if member.type not in _FILES:
            raise DataError(f"{archive}: {member.name!r} is a link or the like, it must be a file")
        if not 0 <= member.size <= MAX_MEMBER_BYTES:
            raise DataError(
                f"{archive}: {member.name!r} has {member.size} bytes; a sentence's recording has "
                f"{MAX_MEMBER_BYTES} at most"
            )
        to = files[name]
        if not (to.is_file() and to.stat().st_size == member.size):
            _write(to, content)


def _inside(archive: Path, name: str) -> str:
    """A member's name without `./`. Raises: DataError for one that leads out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"{archive}: the member {name!r} leads out of its folder; names must be relative, "
            "without '..'"
        )
    return str(path)


def _write(to: Path, content: Iterator[bytes]) -> None:
    """The file, complete or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(to.name + ".partial")
    try:
        with partial.open("wb") as out:
            out.writelines(content)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)


def _members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
    """Each member with its content, which can be read until the next. Raises: DataError."""
    last, count = "", 0
    try:
        with (
            _Bounded(archive) as packed,
            tarfile.open(fileobj=packed, mode="r|", tarinfo=_Header) as tar,
        ):
            while (member := tar.next()) is not None:
                last, count = f" after {member.name!r}", count + 1
                if count > MAX_MEMBERS:
                    raise DataError(f"{archive} has more than {MAX_MEMBERS} members")
                yield member, _content(archive, tar, member)
    except _BROKEN as error:
        raise _broken(archive, last, error) from None


def _content(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes. Raises: DataError, also where the archive ends inside it."""
    try:
        content = tar.extractfile(member)
        left = member.size
        while content is not None and left > 0:
            piece = content.read(min(left, _PIECE_BYTES))
            if not piece:
                raise EOFError("it ends inside this file")
            left -= len(piece)
            yield piece
    except _BROKEN as error:
        raise _broken(archive, f" at {member.name!r}", error) from None


def _broken(archive: Path, place: str, error: Exception) -> DataError:
    return DataError(
        f"{archive}: not a whole tar.gz{place} ({' '.join(str(error).split())}); fetch it again, "
        "or unpack it by other means"
    )


class _Header(tarfile.TarInfo):
    """A member's header, whose own size is bounded: long names are read whole, into memory.

    A header that is damaged is an error; tarfile takes it for the end of the archive.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        """The header of a block. Raises: tarfile.ReadError."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not bytes(buf).strip(b"\0"):  # the end: zeros, or nothing
                raise
            raise tarfile.ReadError(str(error)) from None
        if header.type not in _FILES and header.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(
                f"a header of {header.size} bytes, at most {MAX_HEADER_BYTES} are legal"
            )
        return header


class _Bounded(gzip.GzipFile):
    """A file that unpacks to no more than `MAX_ARCHIVE_BYTES`."""

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes. Raises: DataError beyond the bound."""
        piece = super().read(size)
        if self.tell() > MAX_ARCHIVE_BYTES:
            raise DataError(f"{self.name} unpacks to more than {MAX_ARCHIVE_BYTES} bytes")
        return piece
