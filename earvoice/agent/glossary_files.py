"""Glossaries as people keep them: CSV, TSV, TBX (ISO 30042).

    source,target            en;de                     <termEntry><langSet xml:lang="en">...
    Krzysztof,Krzysztof      ear-voice span;...        one or more terms a language

A table may name its columns: source/src, target/trg/tgt, src_lang, tgt_lang, or two language
codes. Without names the first column is the source, the second the target. XML is read with no
entities, no external files, bounded depth and size.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from earvoice.agent.glossary import MAX_ENTRIES, Entry, Glossary
from earvoice.errors import DataError, UsageError
from earvoice.text.languages import primary

MAX_FILE_BYTES = 64 << 20
MAX_XML_DEPTH = 64
MAX_CELL_CHARS = 10_000

_NAMES = {"source": "source", "src": "source", "target": "target", "trg": "target"} | {
    "tgt": "target", "src_lang": "src_lang", "tgt_lang": "tgt_lang"
}  # fmt: skip
_CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_CONCEPTS = ("termEntry", "conceptEntry")
_LANGUAGES = ("langSet", "langSec")


@dataclass(frozen=True)
class ReadGlossary:
    """A glossary of a file, and the lines whose source term was there before: the first counts."""

    glossary: Glossary
    repeated: tuple[str, ...] = ()


def read_glossary(path: Path, src_lang: str, tgt_lang: str) -> ReadGlossary:
    """The terms of a file for a pair of languages; the suffix says how to read.

    Raises: DataError naming file and line for anything that is not a glossary.
    """
    src_lang, tgt_lang = primary(src_lang), primary(tgt_lang)
    readers = {".csv": _table, ".tsv": _table, ".txt": _table, ".tbx": _tbx, ".xml": _tbx}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: a glossary ends in .csv, .tsv or .tbx")
    try:
        raw = _bytes(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    rows = readers[path.suffix.lower()](path, raw, (src_lang, tgt_lang))
    entries: dict[str, Entry] = {}
    repeated = []
    for where, cells in rows:
        try:
            entry = Entry(*cells)
        except UsageError as error:
            raise DataError(f"{where}: {error}") from None
        if not entry.serves(src_lang, tgt_lang):
            continue
        if entry.key in entries:
            repeated.append(where)
            continue
        entries[entry.key] = entry
        if len(entries) > MAX_ENTRIES:
            raise DataError(f"{where}: more than {MAX_ENTRIES} entries")
    if not entries:
        raise DataError(f"{path}: no terms for {src_lang} to {tgt_lang}")
    return ReadGlossary(Glossary(entries.values()), tuple(repeated))


Cells = tuple[str, str, str | None, str | None]
"""Source, target, their languages."""


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise DataError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
    return raw


# ---------------------------------------------------------------- tables


def _table(path: Path, raw: bytes, languages: tuple[str, str]) -> Iterator[tuple[str, Cells]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path} line {line}: not UTF-8 ({error.reason})") from None
    text, sign = _separated(text)
    lines = io.StringIO(text, newline="")
    if sign == "\t":
        reader = csv.reader(lines, delimiter=sign, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=sign, strict=True)
    places: dict[str, int] | None = None
    most = 4
    for row in _rows(path, reader):
        where = f"{path} line {reader.line_num}"
        if not any(cell.strip() for cell in row):
            continue
        if places is None:
            places, named = _columns(where, row, languages)
            if named:
                most = max(most, len(row))
                continue
        if max(map(len, row)) > MAX_CELL_CHARS or len(row) > most:
            raise DataError(f"{where}: {len(row)} columns or an overlong one; not a glossary")
        cells = {name: row[at].strip() for name, at in places.items() if at < len(row)}
        source, target = cells.get("source", ""), cells.get("target", "")
        languages_of = cells.get("src_lang") or None, cells.get("tgt_lang") or None
        yield where, (source, target, *languages_of)


def _separated(text: str) -> tuple[str, str]:
    """The table, without Excel's `sep=` line, and what parts its columns."""
    begin = len(text) - len(text.lstrip("\r\n"))
    head, _, rest = text[begin:].partition("\n")
    told = re.fullmatch(r"sep=(.)\r?", head, re.IGNORECASE)
    if told:
        return f"{text[:begin]}\n{rest}", told[1]  # an empty line, so that numbers of lines stay
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"(?:[^"]|"")*"', "", first)  # what stands in quotes parts nothing
    return text, "\t" if "\t" in bare else ";" if bare.count(";") > bare.count(",") else ","


def _rows(path: Path, reader: Iterable[list[str]]) -> Iterator[list[str]]:
    lines = iter(reader)
    while True:
        try:
            row = next(lines, None)
        except csv.Error as error:
            raise DataError(f"{path} line {reader.line_num}: {error}") from None  # type: ignore[attr-defined]
        if row is None:
            return
        yield row


def _columns(
    where: str, row: Sequence[str], languages: tuple[str, str]
) -> tuple[dict[str, int], bool]:
    """Where each column is, and whether this row names them."""
    heads = [cell.strip().lower() for cell in row]
    if "source" in (_NAMES.get(head) for head in heads):
        places = {_NAMES[head]: at for at, head in enumerate(heads) if head in _NAMES}
        return places, True
    codes = [re.split("[-_]", cell.strip())[0].lower() for cell in row]
    if len(row) >= 2 and all(_CODE.fullmatch(cell.strip()) for cell in row if cell.strip()):
        if set(languages) <= set(codes):
            return {"source": codes.index(languages[0]), "target": codes.index(languages[1])}, True
        if len(set(codes) & set(languages)) == 1:
            missing = next(code for code in languages if code not in codes)
            raise DataError(f"{where}: columns {', '.join(codes)}, none is {missing!r}")
    return {"source": 0, "target": 1, "src_lang": 2, "tgt_lang": 3}, False


# ---------------------------------------------------------------- TBX


def _tbx(path: Path, raw: bytes, languages: tuple[str, str]) -> Iterator[tuple[str, Cells]]:
    concepts = _Concepts(path)
    concepts.read(raw)
    for line, terms in concepts.found:
        sources, targets = (terms.get(code, []) for code in languages)
        if targets:
            where = f"{path} line {line}"
            yield from ((where, (source, targets[0], None, None)) for source in sources)


class _Concepts:
    """Terms by language of each concept of a TBX file, old and new element names."""

    def __init__(self, path: Path) -> None:
        self.found: list[tuple[int, dict[str, list[str]]]] = []
        self._path = path
        self._depth = 0
        self._terms: dict[str, list[str]] | None = None
        self._language = ""
        self._text: list[str] | None = None
        self._root = ""
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._no_entity
        parser.SkippedEntityHandler = self._no_entity
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def read(self, raw: bytes) -> None:
        """Reads the whole file. Raises: DataError naming the line."""
        try:
            self._parser.Parse(raw, True)
        except expat.ExpatError as error:
            raise DataError(
                f"{self._path} line {error.lineno}: not XML: {expat.ErrorString(error.code)}"
            ) from None
        if self._root not in ("martif", "tbx", "TBX"):
            raise DataError(f"{self._path}: the root is {self._root!r}, TBX has 'martif' or 'tbx'")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._root = self._root or name
        self._depth += 1
        if self._depth > MAX_XML_DEPTH:
            raise self._fault(f"elements are nested deeper than {MAX_XML_DEPTH}")
        if name in _CONCEPTS:
            self._terms = {}
        elif name in _LANGUAGES:
            code = attributes.get("xml:lang") or attributes.get("lang", "")
            self._language = primary(code)
        elif name == "term" and self._terms is not None:
            self._text = []

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        self._depth -= 1
        if name in _CONCEPTS and self._terms is not None:
            self.found.append((self._parser.CurrentLineNumber, self._terms))
            self._terms = None
        elif name == "term" and self._text is not None and self._terms is not None:
            term = "".join(itertools.islice(self._text, MAX_CELL_CHARS))
            if term.strip():
                self._terms.setdefault(self._language, []).append(term)
            self._text = None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _no_entity(self, name: str, *_: object) -> None:
        raise self._fault(f"the entity {name[:40]!r}; a glossary may declare and use none")

    def _fault(self, what: str) -> DataError:
        return DataError(f"{self._path} line {self._parser.CurrentLineNumber}: {what}")
