"""CoVoST 2: sentences of Common Voice 4 with their translations.

    DIR/en/clips/*.mp3
    DIR/en/covost_v2.en_de.SPLIT.tsv                      as the corpus' script makes it, or
    DIR/en/{validated.tsv, covost_v2.en_de.tsv}           what it makes it from: joined on `path`

Tables are read without quotation and with the escape character backslash, as the script writes
them. A translation of train is one of split `train` or `train_covost`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earvoice.data.corpora.reading import clean, inside
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.tables import table_rows
from earvoice.data.corpora.takes import Passage, Take, Wanted, primary_subtag
from earvoice.errors import DataError, UsageError

LAYOUT = (
    "DIR/en/{clips/*.mp3, covost_v2.en_de.SPLIT.tsv} or "
    "DIR/en/{clips/*.mp3, validated.tsv, covost_v2.en_de.tsv}"
)
_CODE = r"[a-z]{2,3}(-[a-z0-9]+)*"
_PAIR = re.compile(rf"{_CODE}_{_CODE}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    path: str
    sentence: str
    translation: str
    client: str
    where: str


def read_covost2(root: Path, wanted: Wanted, skipped: Tally) -> list[Take]:
    """The sentences of a split, each a recording."""
    if wanted.form == "long":
        raise UsageError("CoVoST 2 has single sentences only; use --form short")
    folder, pair = _find(root, wanted)
    table = folder / f"covost_v2.{pair}.{wanted.split}.tsv"
    rows = _made(table) if table.is_file() else _joined(folder, pair, wanted.split, skipped)
    takes: dict[str, Take] = {}
    for row in rows:
        audio = _clip(folder / "clips", row)
        if audio.stem in takes:
            raise DataError(
                f"{row.where}: {row.path!r} was already in {takes[audio.stem].where}; a clip has "
                "one row"
            )
        passage = Passage(
            0, None, clean(row.sentence), clean(row.translation), row.where, row.client[:16]
        )
        takes[audio.stem] = Take(audio.stem, audio, (passage,), row.where)
    return list(takes.values())


def _find(root: Path, wanted: Wanted) -> tuple[Path, str]:
    """The folder with the tables, and the direction as the file names spell it."""
    src, tgt = primary_subtag(wanted.src), primary_subtag(wanted.tgt)
    for folder in (root, root / wanted.src, root / f"{src}-{tgt}", *sorted(root.glob(f"{src}*"))):
        for path in sorted(folder.glob("covost_v2.*_*.tsv")):
            pair = path.name.split(".")[1]
            # Anything else of that name, a backup say, is no table of a direction.
            if _PAIR.fullmatch(pair) and [*map(primary_subtag, pair.split("_"))] == [src, tgt]:
                return folder, pair
    raise UsageError(f"{root} has no table covost_v2.{src}_{tgt}*.tsv; expected layout: {LAYOUT}")


def _made(table: Path) -> Iterator[_Row]:
    for where, row in table_rows(table, ("path", "sentence", "translation")):
        yield _Row(
            row["path"], row["sentence"], row["translation"], row.get("client_id", ""), where
        )


def _joined(folder: Path, pair: str, split: str, skipped: Tally) -> Iterator[_Row]:
    """Rows of both tables with the same path, in the order of `validated.tsv`."""
    table = folder / f"covost_v2.{pair}.tsv"
    for path in (table, folder / "validated.tsv"):
        if not path.is_file():
            raise UsageError(f"there is no {path}; expected layout: {LAYOUT}")
    translations: dict[str, tuple[str, str]] = {}
    for where, row in table_rows(table, ("path", "translation", "split")):
        if row["split"] in (split, f"{split}_covost"):
            if row["path"] in translations:
                raise DataError(
                    f"{where}: {row['path']!r} was already in {translations[row['path']][1]}"
                )
            translations[row["path"]] = (row["translation"], where)
    if not translations:
        raise UsageError(f"{table} has no row of the split {split!r}; there are train, dev, test")
    for where, row in table_rows(folder / "validated.tsv", ("path", "sentence", "client_id")):
        found = translations.pop(row["path"], None)
        if found is not None:
            yield _Row(row["path"], row["sentence"], found[0], row["client_id"], where)
    for _, where in translations.values():
        skipped.add("translation of a clip that validated.tsv lacks", where)


def _clip(clips: Path, row: _Row) -> Path:
    """The clip's file: .mp3 unless the table says otherwise, or a .wav in its place."""
    path = inside(clips, row.path, row.where)
    if not path.suffix:
        path = path.with_name(path.name + ".mp3")
    other = path.with_suffix(".wav")
    return other if other.is_file() and not path.is_file() else path
