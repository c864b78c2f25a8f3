"""Short names for clauses, to write sentences of the grammar out by hand."""

from __future__ import annotations

from earvoice.data.synth.grammar import words
from earvoice.data.synth.grammar.adverbials import fixed
from earvoice.data.synth.grammar.connectives import OPENERS, Connective
from earvoice.data.synth.grammar.tree import NP, Adverbial, Clause, Pronoun


def n(en: str, det: str = "def", **more: object) -> NP:
    """The noun phrase of an English noun."""
    adjective = more.pop("adjective", None)
    if isinstance(adjective, str):
        more["adjective"] = words.adjective(adjective)
    return NP(noun=words.noun(en), det=det, plural=bool(more.pop("plural", False)), **more)  # type: ignore[arg-type]


def p(pronoun: Pronoun) -> NP:
    """A pronoun as a noun phrase."""
    return NP(pronoun=pronoun)


def name(en: str, kind: str = "name") -> NP:
    """A person, or a city or country."""
    return NP(name=words.name(en, kind))


def c(who: NP, verb: str, tense: str, *objects: NP, frame: int = 0, **more: object) -> Clause:
    """A clause: who, an English verb, its tense, its objects."""
    lexeme = words.verb(verb, frame)
    return Clause(who, lexeme, tense, tuple(zip(lexeme.slots, objects, strict=False)), **more)  # type: ignore[arg-type]


def at(en: str, de: str, es: str, kind: str = "time") -> Adverbial:
    """An adverbial; its French is found by its English."""
    return fixed(kind, (en, de, es))


def city(en: str) -> Adverbial:
    """In a city."""
    return Adverbial("place", ("in",), ("in",), ("en",), name(en, "city"))


def opener(en: str) -> Connective:
    """A sentence opener by its English."""
    return next(item for item in OPENERS if item.en == tuple(en.split()))


TOMORROW = at("tomorrow", "morgen", "mañana")
YESTERDAY = at("yesterday", "gestern", "ayer")
MONDAY = at("on Monday", "am Montag", "el lunes")
HABIT = at("every day", "jeden Tag", "todos los días")
TRAIN = at("by train", "mit dem Zug", "en tren", "manner")
