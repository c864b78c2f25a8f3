"""Terms and numbers: what must arrive whole. Proxies that need no model.

    term_recall      sum min(in reference, in output) / sum in reference, over glossary terms
    term_false_use   uses of a term where it was not said / all uses of terms in the output: a
                     system that copies its glossary blindly uses many
    number_recall    the same as term_recall, of the numbers in the reference, by value

A term is found after NFKC and case folding: between word boundaries, or anywhere once spaces are
taken out, for languages written without them. It was said where its source form is in the source,
or its target form in the reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from earvoice.eval.hypotheses import DataError, recording_name
from earvoice.eval.lines import read_json_lines, read_lines, text
from earvoice.eval.numbers import numbers_in
from earvoice.eval.scored import Item, Metric, Result, Scored
from earvoice.eval.units import CHAR_LANGUAGES
from earvoice.text.languages import primary

GLOSSARY = "glossary"
"""The key in `Scored.extras` of a sequence of `Term`."""

_COLUMNS = ("src", "trg", "recording", "segment")


@dataclass(frozen=True)
class Term:
    """A term and its translation.

    recording, segment: where it counts for recall; None is everywhere. segment: from 1, of the
    recording's segments, or of all references where no recording is named.
    """

    src: str
    trg: str
    recording: str | None = None
    segment: int | None = None


def read_glossary(path: Path) -> list[Term]:
    """A glossary: JSON lines with src, trg and optionally recording, segment; or these as TSV.

    The first line of a TSV may name the columns. Raises: DataError naming file and line.
    """
    lines = read_lines(path)
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        found = [_term(where, data) for where, data in read_json_lines(path)]
    else:
        rows = [(f"{path} line {i}", line) for i, line in enumerate(lines, 1) if line.strip()]
        named = first.split("\t")[:2] == ["src", "trg"]
        columns = first.split("\t") if named else _COLUMNS
        found = [_row(where, line, columns) for where, line in rows[1 if named else 0 :]]
    if not found:
        raise DataError(f"{path}: no terms")
    return found


def _row(where: str, line: str, columns: Sequence[str]) -> Term:
    cells = line.split("\t")
    if not 2 <= len(cells) <= len(columns):
        raise DataError(
            f"{where}: {len(cells)} columns, there must be src and trg, and may be recording and "
            "segment, with tabs between"
        )
    return _term(where, {name: cell for name, cell in zip(columns, cells, strict=False) if cell})


def _term(where: str, data: Mapping[str, Any]) -> Term:
    unknown = set(data) - set(_COLUMNS)
    if unknown:
        raise DataError(f"{where}: {min(unknown)!r} is none of {', '.join(_COLUMNS)}")
    src, trg = (text(where, dict(data), key) for key in ("src", "trg"))
    if not src.strip() or not trg.strip():
        raise DataError(f"{where}: src is {src!r} and trg is {trg!r}, neither may be empty")
    recording, segment = data.get("recording"), data.get("segment")
    if recording is not None and not isinstance(recording, str):
        raise DataError(f"{where}: recording is {recording!r}, it must be text")
    if segment is not None:
        number = str(segment)
        legal = number.isascii() and number.isdecimal() and len(number) <= 9
        if isinstance(segment, bool) or not legal or int(number) < 1:
            raise DataError(f"{where}: segment is {segment!r}, it must be a number from 1")
        segment = int(number)
    return Term(src, trg, None if recording is None else recording_name(recording), segment)


@lru_cache(maxsize=65536)
def folded(text: str, language: str) -> str:
    """The text as it is searched."""
    found = unicodedata.normalize("NFKC", text).casefold()
    spaceless = primary(language) in CHAR_LANGUAGES
    return ("" if spaceless else " ").join(found.split())


def occurrences(term: str, text: str, language: str) -> int:
    """How often a term stands in a text, both as they are. Occurrences do not overlap."""
    where = folded(text, language)
    if folded(term, language) not in where:
        return 0
    found = _pattern(term, language).finditer(where)
    if primary(language) in CHAR_LANGUAGES:
        return sum(1 for _ in found)
    return sum(not _goes_on(where, *one.span()) for one in found)


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether a vowel sign or an accent, which patterns take for no letter, stands beside."""
    beside = text[start - 1 : start] + text[end : end + 1]
    return any(unicodedata.category(letter).startswith("M") for letter in beside)


@lru_cache(maxsize=65536)
def _pattern(term: str, language: str) -> re.Pattern[str]:
    wanted = re.escape(folded(term, language))
    if primary(language) in CHAR_LANGUAGES:
        return re.compile(wanted)
    return re.compile(rf"(?<!\w){wanted}(?!\w)")


def _needs_glossary(
    compute: Callable[[Scored, Sequence[Term]], Result],
) -> Callable[[Scored], Result]:
    def computed(scored: Scored) -> Result:
        terms: Sequence[Term] | None = scored.extras.get(GLOSSARY)
        if not terms:
            return Result(None, undefined="no glossary; name a file with --terms")
        return compute(scored, terms)

    return computed


def _term_recall(scored: Scored, terms: Sequence[Term]) -> Result:
    places = _places(scored.items)
    counts: list[tuple[int, int]] = []
    for item, (in_recording, overall) in zip(scored.items, places, strict=True):
        wanted = {
            folded(term.trg, scored.language)
            for term in terms
            if term.recording in (None, item.recording)
            and term.segment in (None, in_recording if term.recording else overall)
        }
        counts.append(_hits(sorted(wanted), item, scored.language))
    return _recalled(counts, "no term of the glossary is in the references", f"terms:{len(terms)}|")


def _places(items: Sequence[Item]) -> list[tuple[int, int]]:
    """Each item's number in its recording and in all, from 1."""
    seen: Counter[str] = Counter()
    found = []
    for index, item in enumerate(items, 1):
        seen[item.recording] += 1
        found.append((seen[item.recording], index))
    return found


def _hits(terms: Sequence[str], item: Item, language: str) -> tuple[int, int]:
    hits = wanted = 0
    for term in terms:
        count = occurrences(term, item.reference, language)
        wanted += count
        hits += min(count, occurrences(term, item.text, language)) if count else 0
    return hits, wanted


def _recalled(counts: Sequence[tuple[int, int]], reason: str, note: str = "") -> Result:
    hits, wanted = sum(hit for hit, _ in counts), sum(count for _, count in counts)
    per_item = [hit / count if count else None for hit, count in counts]
    signature = f"micro|found:{hits}/{wanted}|{note}nfkc|case:folded"
    return Result(hits / wanted if wanted else None, per_item, signature, reason, counts)


def _term_false_use(scored: Scored, terms: Sequence[Term]) -> Result:
    language = scored.language
    spoken = scored.source_language or "en"
    sources: dict[str, set[str]] = {}
    for term in terms:
        sources.setdefault(folded(term.trg, language), set()).add(term.src)
    counts: list[tuple[int, int]] = []
    for item in scored.items:
        false = used = 0
        for trg, srcs in sources.items():
            uses = occurrences(trg, item.text, language)
            used += uses
            if uses and not _said(item, trg, srcs, language, spoken):
                false += uses
        counts.append((false, used))
    false, used = sum(count for count, _ in counts), sum(count for _, count in counts)
    sourced = any(item.source is not None for item in scored.items)
    signature = (
        f"micro|false:{false}/{used}|terms:{len(sources)}|"
        f"said:{'source+' if sourced else ''}reference|nfkc|case:folded"
    )
    per_item = [count / all_ if all_ else None for count, all_ in counts]
    reason = "no term of the glossary is in the output"
    return Result(false / used if used else None, per_item, signature, reason, counts)


def _said(item: Item, trg: str, srcs: set[str], language: str, spoken: str) -> bool:
    if occurrences(trg, item.reference, language):
        return True
    source = item.source
    return source is not None and any(occurrences(src, source, spoken) for src in srcs)


def _number_recall(scored: Scored) -> Result:
    counts: list[tuple[int, int]] = []
    for item in scored.items:
        wanted = Counter(numbers_in(item.reference, scored.language))
        said = Counter(numbers_in(item.text, scored.language, ambiguous=True))
        counts.append(((wanted & said).total(), wanted.total()))
    return _recalled(counts, "there are no numbers in the references", "by:value|")


TERMS: Mapping[str, Metric] = MappingProxyType(
    {
        "term_recall": Metric(
            _needs_glossary(_term_recall), "terms", "glossary terms that arrived (--terms)"
        ),
        "term_false_use": Metric(
            _needs_glossary(_term_false_use), "terms", "uses of terms that nobody said (--terms)"
        ),
        "number_recall": Metric(
            _number_recall, "terms", "numbers that arrived, as digits or in words"
        ),
    }
)
