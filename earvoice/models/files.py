"""Reading and sealing folders of weights: safetensors, strict loading, a manifest of hashes.

A folder is sealed by `manifest.json`, which holds the size and SHA-256 of every other file.
safetensors alone notice a file that is cut short, but not a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from earvoice.errors import CheckpointError

MANIFEST = "manifest.json"
_BLOCK_BYTES = 1 << 20
_DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading a damaged manifest raises; OverflowError for a size of 2e4096."""


def load_weights(
    module: nn.Module, weights: Mapping[str, Tensor], where: str, *, assign: bool = False
) -> None:
    """Strict loading: every key and shape must fit.

    assign: the given tensors become the module's own, which may be on "meta"; nothing is copied.
    Raises: CheckpointError naming what is missing, unknown or misshapen.
    """
    check_tensors(module.state_dict(), weights, where)
    module.load_state_dict(dict(weights), assign=assign)


def check_tensors(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], where: str) -> None:
    """Raises: CheckpointError naming what is missing, unknown or misshapen in `weights`."""
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        raise CheckpointError(
            f"{where}: {len(missing)} tensors missing (e.g. {missing[:2]}), "
            f"{len(unknown)} unknown (e.g. {unknown[:2]})"
        )
    for name, value in weights.items():
        if own[name].shape != value.shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(value.shape)}, expected {tuple(own[name].shape)}"
            )


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a file. Raises: CheckpointError when it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file. Raises: CheckpointError when it cannot be, as on a full disk."""
    try:
        save_file(dict(tensors), path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from error


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write into, `NAME.tmp`; at the end it is sealed and takes the place of `folder`.

    What was there stays whole until then, so both need room. An empty folder is filled where it is:
    it may be the root of a disk, which cannot be renamed.
    Raises: CheckpointError when it cannot be written.
    """
    place = folder.resolve()  # behind a link, and with a name where it is "."
    in_place = place.is_dir() and not any(place.iterdir())
    written = place if in_place else place.with_name(place.name + ".tmp")
    try:
        if not in_place:
            shutil.rmtree(written, ignore_errors=True)
            written.mkdir(parents=True)
        yield written
        write_manifest(written)
        if not in_place:
            _take_place(written, place)
    except BaseException as error:
        _remove(written, keep=in_place)
        if isinstance(error, OSError):
            raise CheckpointError(f"{folder} cannot be written: {error}") from error
        raise


def _take_place(new: Path, place: Path) -> None:
    """Renames twice, so that one of the two is whole and beside the place at any moment."""
    old = place.with_name(place.name + ".old")
    replaced = place.exists()
    if replaced:
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if replaced:
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove(folder: Path, *, keep: bool) -> None:
    """Removes what was begun; with `keep` the files of a folder that was there before."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()


def write_manifest(folder: Path) -> None:
    """Records size and SHA-256 of every file of a folder and flushes them to disk."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST and path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    with (folder / MANIFEST).open("w") as file:
        json.dump({"files": files}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def verify_manifest(folder: Path, required: Collection[str] = ()) -> None:
    """Checks every file against the manifest; files it does not list are not looked at.

    required: names the manifest must list, so that nothing is read that was not checked.
    Raises: CheckpointError naming the file and what differs.
    """
    listed = _read_manifest(folder)
    for name in required:
        if name not in listed:
            raise CheckpointError(f"{folder}: {MANIFEST} does not list {name}")
    for name, (size, digest) in listed.items():
        try:
            _verify(folder, name, size, digest)
        except OSError as error:  # a name that no file can have, or a disk that cannot be read
            raise CheckpointError(f"{folder}: {name} cannot be read: {error}") from error


def _verify(folder: Path, name: str, size: int, digest: str) -> None:
    """One file against its line of the manifest. Raises: CheckpointError."""
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise CheckpointError(f"{folder}: {name} is missing")
    if path.stat().st_size != size:
        raise CheckpointError(f"{path} has {path.stat().st_size} bytes, the manifest says {size}")
    if sha256(path) != digest:
        raise CheckpointError(f"{path} does not match its SHA-256: it was changed or damaged")


def put_text(path: Path, text: str) -> None:
    """Writes a text beside its place and renames it: what was there is whole until then."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _read_manifest(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest by file name."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {
            str(name): (int(item["bytes"]), str(item["sha256"])) for name, item in files.items()
        }
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {MANIFEST}") from None
    except _DAMAGED as error:
        raise CheckpointError(f"{folder}: no readable {MANIFEST} ({error!r})") from error
