"""The Chinese side of the lexicon (`lexicon/chinese_*.csv`), keyed by the English lexemes.

A row with `of` is for that class of object (of subject, for an adjective) only. Words are the units
of Chinese text here: what is written without spaces, but has a time and a place in an alignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from earvoice.data.synth.grammar.lexicon_files import rows
from earvoice.data.synth.grammar.words import Adjective, Name, Noun, Verb, verbs


@dataclass(frozen=True, slots=True)
class ChineseNoun:
    """A common noun and its measure word ("" for units that count themselves: 三天)."""

    text: str
    measure: str


@dataclass(frozen=True, slots=True)
class ChineseAdjective:
    """An adjective: bare, before a noun (重要的, 新), as a predicate (很贵) and denied (不贵)."""

    text: str
    attribute: str
    predicate: tuple[str, ...]
    negative: tuple[str, ...]
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChineseVerb:
    """A verb frame as patterns of words, {0} and {1} for its complements, + where 了 stands.

    with_ba: for a definite first complement (把 报告 寄给了 安娜). passive: what is said of the
    thing itself (报告寄出了).
    """

    pattern: tuple[str, ...]
    with_ba: tuple[str, ...]
    passive: tuple[str, ...]
    of: frozenset[str]


@cache
def _nouns() -> dict[str, ChineseNoun]:
    return {row["en"]: ChineseNoun(row["zh"], row["measure"]) for row in rows("chinese_nouns.csv")}


@cache
def _adjectives() -> dict[str, list[ChineseAdjective]]:
    found: dict[str, list[ChineseAdjective]] = {}
    for row in rows("chinese_adjectives.csv"):
        found.setdefault(row["en"], []).append(
            ChineseAdjective(
                row["zh"].replace(" ", ""),
                row["attribute"].replace(" ", ""),
                tuple(row["predicate"].split()),
                tuple(row["negative"].split()),
                frozenset(row["of"].split()),
            )
        )
    return found


@cache
def _verbs() -> dict[Verb, list[ChineseVerb]]:
    frames: dict[str, list[Verb]] = {}
    for verb in verbs():
        frames.setdefault(verb.en, []).append(verb)
    found: dict[Verb, list[ChineseVerb]] = {}
    for row in rows("chinese_verbs.csv"):
        pattern = tuple(row["zh"].split())
        bare = tuple(piece for piece in pattern if piece != "{0}")
        found.setdefault(frames[row["en"]][int(row["frame"])], []).append(
            ChineseVerb(
                pattern,
                tuple(row["ba"].split()),
                tuple(row["passive"].split()) or bare,
                frozenset(row["of"].split()),
            )
        )
    return found


@cache
def _names() -> dict[tuple[str, str], str]:
    return {(row["kind"], row["en"]): row["zh"] for row in rows("chinese_names.csv")}


def chinese_noun(noun: Noun) -> ChineseNoun:
    """The Chinese for a noun."""
    return _nouns()[noun.en]


def chinese_adjective(adjective: Adjective, classes: frozenset[str]) -> ChineseAdjective:
    """The Chinese for an adjective of a noun with these classes."""
    rows = _adjectives()[adjective.en]
    return next(row for row in rows if not row.of or not row.of.isdisjoint(classes))


def chinese_verb(verb: Verb, classes: frozenset[str]) -> ChineseVerb:
    """The Chinese for a verb frame whose first complement has these classes."""
    return next(row for row in _verbs()[verb] if not row.of or not row.of.isdisjoint(classes))


def chinese_name(name: Name) -> str:
    """The Chinese for a name: a transliteration, unless it is one already."""
    return dict(name.others).get("zh") or _names().get((name.kind, name.en), name.en)
