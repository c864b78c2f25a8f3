"""The tables of words beside the grammars."""

from __future__ import annotations

import csv
from importlib import resources


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `lexicon/NAME`, each by the names of its columns."""
    text = resources.files(__package__).joinpath("lexicon", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
