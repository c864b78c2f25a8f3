"""The French side of the lexicon (`lexicon/french_*.csv`), keyed by the English lexemes.

A table of its own per language, so that a further language touches no other. A row with `of` is
for that class of object (or of subject, for an adjective) only: one solves a problem, but
accomplishes a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from earvoice.data.synth.grammar.lexicon_files import rows
from earvoice.data.synth.grammar.words import Adjective, Name, Noun, Verb, verbs


@dataclass(frozen=True, slots=True)
class FrenchNoun:
    """A common noun; `gender` "m" or "f". The text may have several words: mot de passe."""

    text: str
    plural: str
    gender: str


@dataclass(frozen=True, slots=True)
class FrenchAdjective:
    """An adjective: masculine, feminine, masculine before a vowel (bel); `before` its noun.

    said_only: only as a predicate (la voiture est neuve, but la nouvelle voiture).
    """

    text: str
    feminine: str
    before_vowel: str
    before: bool
    said_only: bool
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class FrenchVerb:
    """A verb frame: the infinitive, words that follow the verb (avoir *lieu*), its complements.

    slots: "-" direct, "IO" indirect (a clitic if it is a pronoun), "to" a place, or a preposition.
    before_infinitive: "de" or "", what stands before an infinitive that depends on it.
    """

    infinitive: str
    reflexive: bool
    tail: tuple[str, ...]
    slots: tuple[str, ...]
    etre: bool
    before_infinitive: str
    of: frozenset[str]


def _plural(word: str) -> str:
    if word[-1] in "sxz":
        return word
    if word.endswith(("eau", "eu")):
        return word + "x"
    return word[:-1] + "ux" if word.endswith("al") and word != "festival" else word + "s"


@cache
def _nouns() -> dict[str, FrenchNoun]:
    return {
        row["en"]: FrenchNoun(row["fr"], row["plural"] or _plural(row["fr"]), row["gender"])
        for row in rows("french_nouns.csv")
    }


@cache
def _adjectives() -> dict[str, list[FrenchAdjective]]:
    found: dict[str, list[FrenchAdjective]] = {}
    for row in rows("french_adjectives.csv"):
        text = row["fr"]
        feminine = row["feminine"] or (text if text.endswith("e") else text + "e")
        found.setdefault(row["en"], []).append(
            FrenchAdjective(
                text,
                feminine,
                row["before_vowel"] or text,
                row["position"] == "pre",
                row["position"] == "predicate",
                frozenset(row["of"].split()),
            )
        )
    return found


@cache
def _verbs() -> dict[Verb, list[FrenchVerb]]:
    frames: dict[str, list[Verb]] = {}
    for verb in verbs():
        frames.setdefault(verb.en, []).append(verb)
    found: dict[Verb, list[FrenchVerb]] = {}
    for row in rows("french_verbs.csv"):
        reflexive = row["fr"].startswith(("se ", "s'"))
        head, *tail = row["fr"].removeprefix("se ").removeprefix("s'").split()
        found.setdefault(frames[row["en"]][int(row["frame"])], []).append(
            FrenchVerb(
                head,
                reflexive,
                tuple(tail),
                tuple(row["slots"].split()),
                row["auxiliary"] == "être",
                row["before_infinitive"],
                frozenset(row["of"].split()),
            )
        )
    return found


@cache
def _names() -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (row["kind"], row["en"]): (row["fr"], row["gender"]) for row in rows("french_names.csv")
    }


def french_noun(noun: Noun) -> FrenchNoun:
    """The French for a noun."""
    return _nouns()[noun.en]


def french_adjective(
    adjective: Adjective, classes: frozenset[str], predicate: bool = False
) -> FrenchAdjective:
    """The French for an adjective of a noun with these classes, beside it or as a predicate."""
    return next(
        row
        for row in _adjectives()[adjective.en]
        if (not row.of or not row.of.isdisjoint(classes)) and (predicate or not row.said_only)
    )


def french_verb(verb: Verb, classes: frozenset[str]) -> FrenchVerb:
    """The French for a verb frame whose first object has these classes ("human" for a person)."""
    return next(row for row in _verbs()[verb] if not row.of or not row.of.isdisjoint(classes))


def french_name(name: Name) -> tuple[str, str]:
    """The French form of a name and its gender; people keep theirs."""
    return _names().get((name.kind, name.en), (name.en, name.gender))
