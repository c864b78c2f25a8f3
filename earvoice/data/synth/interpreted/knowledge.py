"""What is known beside a corpus of interpreted talks: glossaries and lists for its tests.

    glossary.csv         source,target,src_lang,tgt_lang   the corpus' terms and near misses, mixed
    glossary-wrong.csv   the same columns                  near misses only: none of them is said
    terms.jsonl          src, trg, recording, segment      for `earvoice eval score --terms`
    reference.jsonl      recording, segment, word, right, wrong, antecedent (a segment)

Segments count from 1 within their recording. All files follow from the manifest alone.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earvoice.data.manifest import Talk, load_talks
from earvoice.data.synth.interpreted.terms import Term, near_misses, term_of_id

NEAR_MISSES = 9
"""Wrong entries for each right one, as in CLASI's table 7 (2407.21646)."""
_COLUMNS = ("source", "target", "src_lang", "tgt_lang")
Row = tuple[str, str, str, str]


def write_knowledge(folder: Path) -> None:
    """Writes the four files of a finished corpus into its folder."""
    right: dict[Row, None] = {}
    wrong: dict[Row, None] = {}
    spoken: list[tuple[Row, Mapping[str, Any]]] = []
    references: list[Mapping[str, Any]] = []
    for talk in load_talks(folder):
        for segment, source, target, note in _terms(talk):
            term = term_of_id(note["id"])
            row = _row(term, source, target)
            right[row] = None
            rng = random.Random(term.id)
            for miss in near_misses(rng, term, NEAR_MISSES):
                wrong[_row(miss, source, target)] = None
            text = note["targets"][target]["text"]
            place = {"recording": talk.id, "segment": segment}
            spoken.append((row, {"src": note["source"], "trg": text, **place}))
        references += _references(talk)
    # What two terms are written alike is neither right nor wrong, and a near miss must not be said.
    targets: dict[tuple[str, str, str], set[str]] = {}
    for row in right:
        targets.setdefault(_said(row), set()).add(row[1])
    clear = [row for row in right if len(targets[_said(row)]) == 1]
    misses = [row for row in wrong if _said(row) not in targets]
    _write_table(folder / "glossary.csv", sorted((*clear, *misses)))
    _write_table(folder / "glossary-wrong.csv", sorted(misses))
    said = (term for row, term in spoken if len(targets[_said(row)]) == 1)
    _write_lines(folder / "terms.jsonl", said)
    _write_lines(folder / "reference.jsonl", references)


def _terms(talk: Talk) -> Iterator[tuple[int, str, str, Mapping[str, Any]]]:
    """Segment, source language, target language and note of each term that is said."""
    for segment, sentence in enumerate(talk.sentences, start=1):
        for note in sentence.notes.get("terms", ()):
            for target in note["targets"]:
                yield segment, talk.language, target, note


def _references(talk: Talk) -> Iterator[Mapping[str, Any]]:
    for segment, sentence in enumerate(talk.sentences, start=1):
        note = sentence.notes.get("reference")
        if note:
            yield {
                "recording": talk.id,
                "segment": segment,
                "language": note["language"],
                "word": note["word"],
                "right": note["right"],
                "wrong": note["wrong"],
                "antecedent": segment - note["back"],
            }


def _row(term: Term, source: str, target: str) -> Row:
    return term.form(source), term.form(target), source, target


def _said(row: Row) -> tuple[str, str, str]:
    """What is heard of a row: its source, and the languages."""
    return row[0].casefold(), row[2], row[3]


def _write_table(path: Path, rows: Iterable[Row]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    _write(path, table.getvalue())


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
