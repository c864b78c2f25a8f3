"""FLEURS: the same sentences, read by several people each, in 102 languages.

    DIR/data/en_us/{SPLIT.tsv, audio/SPLIT.tar.gz}      as on the hub, or with the archive unpacked:
    DIR/data/en_us/{SPLIT.tsv, audio/SPLIT/*.wav}       or
    DIR/{metadata/en_us/SPLIT.tsv, en_us/SPLIT/*.wav}   as lhotse keeps it

The tables have no header and seven fields: id, file, raw transcription, transcription,
characters, samples, gender. An id comes once for each reader. The translation of a sentence is
the raw transcription with its id in the other language's table.
"""

from __future__ import annotations

from pathlib import Path

from earvoice.data.corpora.archives import Packed
from earvoice.data.corpora.reading import clean, inside
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.tables import bare_rows
from earvoice.data.corpora.takes import Passage, Take, Wanted, primary_subtag
from earvoice.errors import DataError, UsageError

LAYOUT = (
    "DIR/data/en_us/{SPLIT.tsv, audio/SPLIT.tar.gz or audio/SPLIT/*.wav} or "
    "DIR/{metadata/en_us/SPLIT.tsv, en_us/SPLIT/*.wav}"
)
_FIELDS = 7


def read_fleurs(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The recordings of a split in the source language, each with the other's text."""
    if wanted.form == "long":
        raise UsageError("FLEURS has single sentences only; use --form short")
    table, folder = _find(root, wanted.src, wanted.split)
    other, _ = _find(root, wanted.tgt, wanted.split)
    archive = folder.with_name(f"{wanted.split}.tar.gz")
    is_packed = not folder.is_dir() and archive.is_file()
    if not (folder.is_dir() or is_packed):
        raise UsageError(
            f"there is no folder {folder} and no {archive.name}; expected layout: {LAYOUT}"
        )
    into = f"{table.parent.name}/{wanted.split}"
    translations = _texts(other)
    takes: dict[str, Take] = {}
    for where, fields in bare_rows(table, _FIELDS):
        audio = inside(folder, fields[1], where)
        if audio.stem in takes:
            raise DataError(f"{where}: {fields[1]!r} was already in {takes[audio.stem].where}")
        texts = translations.get(_id(fields[0], where), [])
        if len(texts) != 1:
            reason = "sentence with two translations" if texts else "sentence not translated"
            skipped.add(reason, where)
            continue
        passage = Passage(0, None, clean(fields[2]), texts[0], where, fields[6].strip())
        packed = Packed(archive, wanted.split, fields[1], into) if is_packed else None
        takes[audio.stem] = Take(audio.stem, audio, (passage,), where, packed)
    return list(takes.values())


def _find(root: Path, code: str, split: str) -> tuple[Path, Path]:
    """The table of a language and the folder of its recordings."""
    exact: list[tuple[Path, Path]] = []
    near: list[tuple[Path, Path]] = []
    for tables, audio in (
        (root / "data", "data/{0}/audio/{1}"),
        (root, "{0}/audio/{1}"),
        (root / "metadata", "{0}/{1}"),
    ):
        for table in sorted(tables.glob(f"*/{split}.tsv")):
            name = table.parent.name
            found = (table, root / audio.format(name, split))
            if name == code:
                exact.append(found)
            elif primary_subtag(name) == primary_subtag(code):
                near.append(found)
    found_all = exact or near
    if not found_all:
        raise UsageError(f"{root} has no {split}.tsv of {code!r}; expected layout: {LAYOUT}")
    if len(found_all) > 1:
        names = ", ".join(str(table) for table, _ in found_all)
        raise UsageError(f"{code!r} is several tables: {names}; name the folder, as in es_419")
    return found_all[0]


def _texts(table: Path) -> dict[int, list[str]]:
    """The different raw transcriptions of each id."""
    texts: dict[int, list[str]] = {}
    for where, fields in bare_rows(table, _FIELDS):
        said = texts.setdefault(_id(fields[0], where), [])
        text = clean(fields[2])
        if text not in said:
            said.append(text)
    return texts


def _id(field: str, where: str) -> int:
    if not (field.isascii() and field.isdigit()):
        raise DataError(
            f"{where}: the first field is {field!r}, it must be a number (FLEURS has no header)"
        )
    return int(field)
