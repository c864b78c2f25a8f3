"""Talks to learn from and to validate on."""

from __future__ import annotations

from pathlib import Path

from earvoice.data.manifest import Talk, load_talks
from earvoice.errors import ConfigError
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
