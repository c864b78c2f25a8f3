"""What a listener tells beforehand, `--glossary` and `--context`, and how its terms are marked."""

from __future__ import annotations

import argparse
import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

from rich.text import Text

from earvoice.agent.glossary_files import read_glossary
from earvoice.agent.memory import MAX_CONTEXT_CHARS
from earvoice.errors import DataError
from earvoice.events import Event, Note
from earvoice.text.languages import primary
from earvoice.text.spacing import whole_words

_KEPT_TERMS = 200
_STYLE = "bold underline"


def add_knowledge(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--glossary", metavar="FILE", type=Path, help="terms and translations: CSV, TSV or TBX"
    )
    parser.add_argument(
        "--context", metavar="FILE", type=Path, help="a text on what the talk is about"
    )


def knowledge_of(args: argparse.Namespace, src_lang: str, tgt_lang: str) -> dict[str, Any]:
    """The fields of a `Request`. Raises: DataError naming file and line."""
    found: dict[str, Any] = {}
    if args.glossary is not None:
        read = read_glossary(args.glossary, primary(src_lang), primary(tgt_lang))
        if read.repeated:
            print(
                f"earvoice: warning: {len(read.repeated)} terms stand twice, the first counts; "
                f"see {read.repeated[0]}",
                file=sys.stderr,
            )
        found["glossary"] = read.glossary
    if args.context is not None:
        found["context"] = _text(args.context)
    return found


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {error}") from error
    if len(text) > MAX_CONTEXT_CHARS:
        raise DataError(f"{path}: {len(text)} characters, a context may have {MAX_CONTEXT_CHARS}")
    return text


class TermMarks:
    """Underlines the terms that were taken from a glossary, the latest few hundred."""

    def __init__(self) -> None:
        self._terms: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None

    def take(self, event: Event) -> None:
        """Learns from the notes of a session which terms were used."""
        if not isinstance(event, Note) or event.kind != "terms_used":
            return
        for term in event.data.get("terms", ()):
            self._terms[str(term["target"])] = None
            self._terms.move_to_end(str(term["target"]))
        while len(self._terms) > _KEPT_TERMS:
            self._terms.popitem(last=False)
        longest_first = sorted(self._terms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(whole_words, longest_first)), re.IGNORECASE)

    def marked(self, text: str) -> Text:
        """The text with its terms underlined."""
        shown = Text(text)
        if self._pattern is not None:
            shown.highlight_regex(self._pattern, _STYLE)
        return shown
