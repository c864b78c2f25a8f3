"""Talks to learn from and to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earvoice.data.conversations import Conversation
from earvoice.data.manifest import Talk, load_talks
from earvoice.errors import ConfigError
from earvoice.train.conversation_corpora import read_corpora
from earvoice.units import SAMPLE_RATE


def talks_of(folder: str | Path, key: str = "corpus") -> list[Talk]:
    """The talks of a corpus that a recipe names under `key`.

    Raises: ConfigError for a talk at another rate than models hear.
    """
    talks = list(load_talks(folder))
    for talk in talks:
        if talk.sample_rate != SAMPLE_RATE:
            raise ConfigError(
                f"{key}: talk {talk.id!r} is at {talk.sample_rate} Hz, it must be {SAMPLE_RATE}; "
                "`earvoice corpus import` converts"
            )
    return talks


class Corpora:
    """The manifests of a run, each read once, however many of its stages learn from it."""

    def __init__(self) -> None:
        self._talks: dict[str, list[Talk]] = {}
        self._conversations: dict[tuple[object, ...], list[Conversation]] = {}

    def talks(self, folder: str | Path, key: str = "corpus") -> list[Talk]:
        """`talks_of`."""
        name = str(folder)
        if name not in self._talks:
            self._talks[name] = talks_of(folder, key)
        return self._talks[name]

    def conversations(
        self, folders: Sequence[Path], kinds: Sequence[str], into: str
    ) -> list[Conversation]:
        """`read_corpora`."""
        key = (tuple(folders), tuple(kinds), into)
        if key not in self._conversations:
            self._conversations[key] = read_corpora(folders, kinds, into)
        return self._conversations[key]
