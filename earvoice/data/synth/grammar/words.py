"""Lexemes of the grammar and the tables they are read from (`lexicon/*.csv`).

One row is one lexeme with what English, German and Spanish need (French: `french_words`): the
English forms, the German gender, genitive and plural, the Spanish gender and irregularities.
`classes` are selectional classes ("doc", "vehicle"), so that a verb only meets nouns it can take.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from earvoice.data.synth.grammar.lexicon_files import rows

VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class Noun:
    """A common noun. German `oblique` is the accusative/dative singular (weak masculines)."""

    en: str
    en_plural: str
    de: str
    de_gender: str
    de_genitive: str
    de_plural: str
    de_oblique: str
    es: str
    es_gender: str
    es_plural: str
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name: person ("m"/"f" gender), city, country or language.

    `others`: forms in further languages, (language, form), for names that stand in no table.
    """

    kind: str
    en: str
    de: str
    es: str
    gender: str
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective; comparatives are empty where the adjective is not compared.

    `de_stem` is the stem before endings (teuer -> teur-), `before` says that the Spanish form
    precedes the noun, `estar` that Spanish uses estar with it as a predicate.
    """

    en: str
    en_comparative: str
    en_superlative: str
    de: str
    de_stem: str
    de_comparative: str
    de_superlative: str
    es: str
    before: bool
    estar: bool
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Slot:
    """One complement of a verb: how each language marks it and which classes may fill it.

    `en`: preposition or "". `de`: (preposition or "", case). `es`: preposition, "" or "IO"
    (indirect object, doubled by a clitic).
    """

    en: str
    de: str
    de_case: str
    es: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with one frame (subject classes, complement slots) and its forms.

    `tenses`: letters of the tenses it is used in: P present, G progressive, S simple past,
    R perfect, F future, M modal. `adverbs`: kinds of adverbial it may take besides time.
    """

    en: str
    past: str
    participle: str
    de: str
    de_particle: str
    de_reflexive: bool
    de_third: str
    de_participle: str
    de_sein: bool
    es: str
    es_reflexive: bool
    es_irregular: tuple[tuple[str, str], ...]
    subject: tuple[str, ...]
    slots: tuple[Slot, ...]
    topics: tuple[str, ...]
    tenses: str
    adverbs: tuple[str, ...]


def _english_plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def _spanish_plural(word: str) -> str:
    if word[-1] in "aeioué":
        return word + "s"
    if word.endswith("z"):
        return word[:-1] + "ces"
    for accented, plain in (("ión", "iones"), ("és", "eses"), ("ón", "ones"), ("ín", "ines")):
        if word.endswith(accented):
            return word[: -len(accented)] + plain
    return word + "es"


def _noun(row: dict[str, str]) -> Noun:
    article, de = row["de"].split(" ", 1)
    es_article, es = row["es"].split(" ", 1)
    genitive = row["de_genitive"] or de
    weak = article == "der" and genitive.endswith("n") and genitive != de
    return Noun(
        en=row["en"],
        en_plural=row["en_plural"] or _english_plural(row["en"]),
        de=de,
        de_gender={"der": "m", "die": "f", "das": "n"}[article],
        de_genitive=genitive,
        de_plural=row["de_plural"],
        de_oblique=genitive if weak else de,
        es=es,
        es_gender={"el": "m", "la": "f"}[es_article],
        es_plural=row["es_plural"] or _spanish_plural(es),
        classes=frozenset(row["classes"].split()) | {row["en"]},
    )


def _adjective(row: dict[str, str]) -> Adjective:
    return Adjective(
        en=row["en"],
        en_comparative=row["en_comparative"],
        en_superlative=row["en_superlative"],
        de=row["de"],
        de_stem=row["de_stem"],
        de_comparative=row["de_comparative"],
        de_superlative=row["de_superlative"],
        es=row["es"],
        before=row["es_position"] == "pre",
        estar=row["estar"] == "estar",
        classes=frozenset(row["classes"].split()),
    )


def _slot(text: str) -> Slot:
    """`to/dat/IO:person+name` or `for/auf+acc/-:person`; "-" is an empty marking."""
    marking, classes = text.split(":")
    en, de, es = marking.split("/")
    preposition, _, case = de.rpartition("+")
    if de == "nach":  # direction with a place name; the place decides the preposition itself
        preposition, case = "nach", "acc"
    return Slot(
        en="" if en == "-" else en,
        de=preposition,
        de_case={"acc": "A", "dat": "D"}[case],
        es="" if es == "-" else es,
        classes=tuple(classes.split("+")),
    )


def _verb(row: dict[str, str]) -> Verb:
    de = row["de"]
    reflexive = de.startswith("sich ")
    particle, _, stem = de.removeprefix("sich ").rpartition("|")
    es_reflexive = row["es"].endswith("se")
    irregular = tuple(tuple(item.split("=", 1)) for item in row["es_irregular"].split())
    regular_past = row["en"] + ("d" if row["en"].endswith("e") else "ed")
    if row["en"].endswith("y") and row["en"][-2] not in VOWELS:
        regular_past = row["en"][:-1] + "ied"
    return Verb(
        en=row["en"],
        past=row["past"] or regular_past,
        participle=row["participle"] or row["past"] or regular_past,
        de=stem,
        de_particle=particle,
        de_reflexive=reflexive,
        de_third=row["de_third"] or _german_third(stem),
        de_participle=row["de_participle"],
        de_sein=row["de_aux"] == "s",
        es=row["es"].removesuffix("se") if es_reflexive else row["es"],
        es_reflexive=es_reflexive,
        es_irregular=irregular,  # type: ignore[arg-type]  # each item splits into two
        subject=tuple(row["subject"].split("+")),
        slots=tuple(_slot(item) for item in row["args"].split()),
        topics=tuple(row["topics"].split()),
        tenses=row["tenses"] or "PGSRFM",
        adverbs=tuple(row["adverbs"].split()),
    )


def _german_third(infinitive: str) -> str:
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    return stem + ("et" if stem.endswith(("t", "d", "fn", "chn")) else "t")


@cache
def nouns() -> tuple[Noun, ...]:
    """All common nouns, in file order."""
    return tuple(_noun(row) for row in rows("nouns.csv"))


@cache
def adjectives() -> tuple[Adjective, ...]:
    """All adjectives, in file order."""
    return tuple(_adjective(row) for row in rows("adjectives.csv"))


@cache
def verbs() -> tuple[Verb, ...]:
    """All verb frames, in file order (a verb with two frames has two rows)."""
    return tuple(_verb(row) for row in rows("verbs.csv"))


@cache
def names(kind: str) -> tuple[Name, ...]:
    """Proper names of a kind: "name", "city", "country" or "language"."""
    return tuple(
        Name(row["kind"], row["en"], row["de"], row["es"], row["gender"])
        for row in rows("names.csv")
        if row["kind"] == kind
    )


@cache
def nouns_of(selection: str) -> tuple[Noun, ...]:
    """Nouns that carry the class `selection` (a class name or the English noun itself)."""
    return tuple(noun for noun in nouns() if selection in noun.classes)


@cache
def noun(en: str) -> Noun:
    """The noun with this English singular."""
    return next(noun for noun in nouns() if noun.en == en)


@cache
def adjective(en: str) -> Adjective:
    """The adjective with this English form."""
    return next(item for item in adjectives() if item.en == en)


@cache
def verb(en: str, number: int = 0) -> Verb:
    """The `number`-th frame of the English verb `en`."""
    return [item for item in verbs() if item.en == en][number]


@cache
def name(en: str, kind: str = "name") -> Name:
    """The proper name with this English form."""
    return next(item for item in names(kind) if item.en == en)
