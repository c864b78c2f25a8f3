"""Which corpus folder serves which direction, and what a corpus is, wherever it lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from earvoice.data.manifest import MANIFEST_NAME
from earvoice.errors import UsageError


def by_direction(folders: Sequence[Path], directions: Sequence[str], option: str) -> dict[str, str]:
    """Direction -> the first folder that is spoken in its source and has its target.

    Raises: UsageError naming the option and the direction that no folder serves.
    """
    known = {folder: _languages(folder) for folder in folders}
    found = {}
    for direction in directions:
        source, _, target = direction.partition("-")
        fitting = [
            folder
            for folder, (own, targets) in known.items()
            if own == source and target in targets
        ]
        if not fitting:
            there = "; ".join(
                f"{folder}: {own} to {', '.join(sorted(targets))}"
                for folder, (own, targets) in known.items()
            )
            raise UsageError(f"{option}: no folder has {direction} ({there})")
        found[direction] = str(fitting[0])
    return found


def digest_of(folders: Sequence[Path]) -> str:
    """A short hash of the manifests of some corpora, in any order.

    Raises: UsageError for a folder without one.
    """
    digests = sorted(
        hashlib.sha256(_manifest(folder).read_bytes()).hexdigest() for folder in folders
    )
    if len(digests) == 1:
        return digests[0][:16]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def _manifest(corpus: Path) -> Path:
    manifest = corpus / MANIFEST_NAME if corpus.is_dir() else corpus
    if not manifest.is_file():
        raise UsageError(f"there is no corpus manifest at {manifest}")
    return manifest


def _languages(corpus: Path) -> tuple[str, frozenset[str]]:
    """The language that is spoken, and those it is translated into: those of its first talk."""
    manifest = _manifest(corpus)
    with manifest.open(encoding="utf-8") as lines:
        line = lines.readline()
    try:
        spoken = json.loads(line)["supervisions"][0]
        return str(spoken["language"]), frozenset(spoken["custom"]["targets"])
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{manifest}, line 1: no talk with a language ({error!r})") from error
