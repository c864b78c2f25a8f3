"""Sampling of noun phrases: which determiners, adjectives and fillers a class may take."""

from __future__ import annotations

import random
from functools import cache

from earvoice.data.synth.grammar.tree import HE, NP, SHE, THEY, WE, YOU, I, Pronoun
from earvoice.data.synth.grammar.words import Adjective, Name, Noun, adjectives, names, nouns_of

# The subject and object classes that stand for several others.
_HUMAN = ("pron", "pron", "pron", "name", "name", "person", "person", "kin")
_WHO = ("pron", "pron", "pron", "name", "person", "person", "org", "org")
_PLACES = ("city", "country", "language")
# Determiner choices by the first class that matches; "s:" singular, "p:" plural.
_DETERMINERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("authority", ("s:def",)),
    ("kin", ("s:poss",)),
    ("drink", ("s:bare", "s:def")),
    ("meal", ("s:def",)),
    ("food", ("s:def", "s:indef", "s:this")),
    ("figure", ("s:def", "s:poss", "s:this")),
    ("person", ("s:def", "s:def", "s:def", "s:poss", "p:def", "p:def", "p:poss", "p:number")),
    ("org", ("s:def", "s:def", "s:poss", "s:this")),
    ("door", ("s:def", "p:def", "s:this")),
    ("secret", ("s:def", "s:poss")),
    ("luggage", ("s:poss", "s:poss", "s:def", "s:indef")),
    ("room", ("s:def", "s:indef", "s:this")),
    ("product", ("s:def", "s:poss", "p:poss", "s:this", "p:def", "s:indef")),
    ("place", ("s:def", "s:def", "s:this", "p:number")),
    ("result", ("p:def", "p:def", "p:poss", "p:this")),
)
_DEFAULT = (
    "s:def",
    "s:def",
    "s:def",
    "s:indef",
    "s:indef",
    "s:poss",
    "s:this",
    "p:def",
    "p:some",
    "p:number",
    "p:this",
)
_UNOWNED = frozenset(("build", "near", "vehicle", "air", "door", "home"))
_WHOLES = {
    "price": ("ticket", "goods", "trip", "product"),
    "budget": ("project", "org", "festival"),
    "result": ("study", "project", "trial", "exam"),
    "director": ("org", "hotel", "museum", "factory"),
    "manager": ("shop", "bank", "hotel", "restaurant"),
    "mayor": ("town",),
    "door": ("home", "church"),
    "goal": ("project", "course", "study"),
    "rule": ("org", "library"),
    "topic": ("event",),
    "screen": ("computer", "phone", "camera"),
    "engine": ("vehicle", "machine"),
}
_POSSESSORS: tuple[Pronoun, ...] = (I, WE, WE)


@cache
def _candidates(noun_class: str) -> tuple[Noun, ...]:
    found = nouns_of(noun_class)
    if not found:
        raise KeyError(f"no noun has the class {noun_class!r}")
    return found


@cache
def _determiners(noun: Noun) -> tuple[str, ...]:
    choices = next((found for item, found in _DETERMINERS if item in noun.classes), _DEFAULT)
    if not noun.classes.isdisjoint(_UNOWNED):
        choices = tuple(choice for choice in choices if not choice.endswith("poss"))
    if "person" in noun.classes and "own" not in noun.classes:
        choices = tuple(choice for choice in choices if not choice.endswith("poss"))
    if "one" in noun.classes:
        choices = tuple(choice for choice in choices if choice.startswith("s:"))
    return choices


@cache
def adjectives_of(noun: Noun) -> tuple[Adjective, ...]:
    """Adjectives that can stand before the noun."""
    return tuple(
        item
        for item in adjectives()
        if not item.estar and not item.classes.isdisjoint(noun.classes)
    )


def common(
    rng: random.Random,
    noun: Noun,
    det: str = "",
    owner: Pronoun | Name | None = None,
    plain: bool = False,
) -> NP:
    """A noun phrase around `noun`. `owner`: whose it is if the determiner is a possessive."""
    number, _, det = (det or rng.choice(_determiners(noun))).partition(":")
    plural = number == "p"
    if det == "poss" and owner is None:
        owner = rng.choice(_POSSESSORS)
        if rng.random() < 0.25 and "kin" not in noun.classes:
            owner = rng.choice(names("name"))
    choices = adjectives_of(noun)
    adjective = None
    if choices and not plain and det not in ("this",) and rng.random() < 0.3:
        adjective = rng.choice(choices)
    return NP(
        noun=noun,
        det=det,
        plural=plural,
        number=rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20)) if det == "number" else 0,
        adjective=adjective,
        owner=owner if det == "poss" else None,
        of=_whole(rng, noun) if det == "def" and not plain and rng.random() < 0.3 else None,
    )


def _whole(rng: random.Random, noun: Noun) -> NP | None:
    """What the noun is a part or property of: the price of the ticket."""
    for noun_class, wholes in _WHOLES.items():
        if noun_class in noun.classes:
            whole = rng.choice(_candidates(rng.choice(wholes)))
            return None if whole is noun else NP(noun=whole, det="def")
    return None


def filler(
    rng: random.Random, classes: tuple[str, ...], subject: NP | None = None, habit: bool = False
) -> NP:
    """An object of one of the classes; `subject` decides whose things they are."""
    noun_class = rng.choice(classes)
    if noun_class == "pron":
        free = [item for item in (I, WE, THEY) if subject is None or not _clashes(subject, item)]
        return NP(pronoun=rng.choice(free))
    if noun_class == "name":
        taken = subject.name if subject else None
        return NP(name=rng.choice([item for item in names("name") if item is not taken]))
    if noun_class in _PLACES:
        return NP(name=rng.choice(names(noun_class)))
    noun = rng.choice(_candidates(noun_class))
    determiner = "p:bare" if habit and _countable(noun) else ""
    if habit and "food" in noun.classes:
        determiner = "s:bare"
    return common(rng, noun, determiner, owner=_owner_for(rng, subject))


def _clashes(subject: NP, pronoun: Pronoun) -> bool:
    """An object pronoun must not name the subject ("we ... us", "I ... us")."""
    return subject.pronoun is pronoun or (pronoun in (I, WE) and subject.pronoun in (I, WE))


def _countable(noun: Noun) -> bool:
    return noun.classes.isdisjoint(
        ("person", "kin", "org", "authority", "drink", "meal", "figure", "secret")
    )


def _owner_for(rng: random.Random, subject: NP | None) -> Pronoun | Name | None:
    """my for I, our for we, his/her for a person called by name; anything for the rest."""
    if subject is None or rng.random() < 0.2:
        return None
    if subject.pronoun in (I, WE, THEY, YOU):
        return subject.pronoun
    if subject.name and subject.name.kind == "name":
        return HE if subject.name.gender == "m" else SHE
    return None


def subject(rng: random.Random, classes: tuple[str, ...]) -> NP:
    """A subject of one of the classes ("human" and "who" are mixtures)."""
    noun_class = rng.choice(classes)
    if noun_class == "human":
        noun_class = rng.choice(_HUMAN)
    elif noun_class == "who":
        noun_class = rng.choice(_WHO)
    if noun_class == "pron":
        return NP(pronoun=rng.choice((I, WE, WE, THEY)))
    if noun_class == "name":
        return NP(name=rng.choice(names("name")))
    noun = rng.choice(_candidates(noun_class))
    det = ""
    if noun_class not in ("person", "kin", "org", "authority", "figure"):
        det = rng.choice(("s:def", "s:def", "s:this", "p:def"))
    return common(rng, noun, det)
