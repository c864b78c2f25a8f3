"""Language-neutral constituents: noun phrases, adverbials and clauses, built once per sentence.

A constituent has no word order. `english`, `german`, `spanish` and `french` turn the same tree into
words; every word names the marks (identity objects) of the constituents it depends on, and a mark's
position in the source is where the last word that carries it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from earvoice.data.synth.grammar.words import Adjective, Name, Noun, Slot, Verb

Mark = object
Token = tuple[str, tuple[Mark, ...]]  # a word and the marks it depends on
COMMA: Token = (",", ())


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun. German and Spanish persons index the conjugation tables.

    `de`: nominative, accusative, dative, reflexive. `es_object`: accusative, dative clitic.
    `de_possessive` is a stem (mein, unser, ihr), `es_possessive` a singular form.
    """

    en: str
    en_object: str
    en_possessive: str
    en_person: int
    de: tuple[str, str, str, str]
    de_possessive: str
    de_person: int
    es: str
    es_object: tuple[str, str]
    es_reflexive: str
    es_possessive: str
    es_person: int
    es_plural: bool = False
    es_gender: str = "m"


I = Pronoun(  # noqa: E741
    "I", "me", "my", 0, ("ich", "mich", "mir", "mich"), "mein", 0, "", ("me", "me"), "me", "mi", 0
)
WE = Pronoun(
    "we",
    "us",
    "our",
    2,
    ("wir", "uns", "uns", "uns"),
    "unser",
    2,
    "",
    ("nos", "nos"),
    "nos",
    "nuestro",
    2,
    True,
)
YOU = Pronoun(
    "you",
    "you",
    "your",
    2,
    ("Sie", "Sie", "Ihnen", "sich"),
    "Ihr",
    3,
    "usted",
    ("lo", "le"),
    "se",
    "su",
    1,
)
THEY = Pronoun(
    "they",
    "them",
    "their",
    3,
    ("sie", "sie", "ihnen", "sich"),
    "ihr",
    3,
    "",
    ("los", "les"),
    "se",
    "su",
    3,
    True,
)
HE = Pronoun(
    "he", "him", "his", 1, ("er", "ihn", "ihm", "sich"), "sein", 1, "", ("lo", "le"), "se", "su", 1
)
SHE = Pronoun(
    "she",
    "her",
    "her",
    1,
    ("sie", "sie", "ihr", "sich"),
    "ihr",
    1,
    "",
    ("la", "le"),
    "se",
    "su",
    1,
    False,
    "f",
)

IT = Pronoun(
    "it", "it", "its", 1, ("es", "es", "ihm", "sich"), "sein", 1, "", ("lo", "le"), "se", "su", 1
)
THEY_WOMEN = replace(THEY, es_gender="f")
"""English and a Chinese ear do not tell it from `THEY`; Chinese writing does (她们)."""
WHO = Pronoun(
    "who",
    "whom",
    "whose",
    1,
    ("wer", "wen", "wem", "sich"),
    "sein",
    1,
    "quién",
    ("lo", "le"),
    "se",
    "su",
    1,
)


@dataclass(frozen=True, slots=True, eq=False)
class NP:
    """A noun phrase: a pronoun, a proper name or a noun with determiner and modifiers.

    `det`: "def", "indef", "bare", "poss" (with `owner`), "this", "some", "many", "number".
    `adjectives` at most two; `superlative` applies to the only adjective.
    """

    noun: Noun | None = None
    name: Name | None = None
    pronoun: Pronoun | None = None
    det: str = "def"
    plural: bool = False
    number: int = 0
    adjective: Adjective | None = None
    superlative: bool = False
    owner: Pronoun | Name | None = None
    relative: Relative | None = None
    of: NP | None = None

    @property
    def is_plural(self) -> bool:
        """Grammatical number in all three languages."""
        return self.pronoun.es_plural if self.pronoun else self.plural

    @property
    def es_gender(self) -> str:
        """Spanish gender of the head."""
        if self.noun:
            return self.noun.es_gender
        return self.name.gender if self.name else self.pronoun.es_gender if self.pronoun else "m"

    @property
    def is_human(self) -> bool:
        """Takes the Spanish personal a."""
        if self.noun:
            return not self.noun.classes.isdisjoint(("person", "kin"))
        return bool(self.pronoun) or bool(self.name and self.name.kind == "name")


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """A relative clause; `gap` is the antecedent's role in it: "subject" or "object"."""

    clause: Clause
    gap: str


@dataclass(frozen=True, slots=True, eq=False)
class Adverbial:
    """A fixed-form adverbial, or a preposition with a noun phrase in `np`.

    `kind`: "time", "manner" (also company and means) or "place".
    """

    kind: str
    en: tuple[str, ...]
    de: tuple[str, ...]
    es: tuple[str, ...]
    np: NP | None = None
    de_case: str = "D"


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """What a subject of "be" is: an adjective, perhaps compared with `than`."""

    adjective: Adjective
    than: NP | None = None
    equal: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sub:
    """A clause that hangs on another one.

    `kind`: a conjunction of `connectives.CONJUNCTIONS`, "to", "in order to", "without".
    """

    kind: str
    clause: Clause


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """Subject, verb, complements, adverbials; `verb` None means "be" with `predicate`.

    `tense`: P, G, S, R, F (see `Verb.tenses`), "would", or a modal: "can", "must", "should",
    "want", "would like", "could", "had to", "wanted". `front` opens the clause. `passive`
    makes `subject` the patient. `sub` follows the clause.
    """

    subject: NP
    verb: Verb | None
    tense: str
    args: tuple[tuple[Slot, NP], ...] = ()
    adverbials: tuple[Adverbial, ...] = ()
    front: Adverbial | None = None
    negative: bool = False
    passive: bool = False
    predicate: Predicate | None = None
    sub: Sub | None = None
    gap: str = ""
    main: Mark = field(default_factory=object)
    finite: Mark = field(default_factory=object)
    negation: Mark = field(default_factory=object)


Item = tuple[Sequence[str], Mark]


def words(texts: Sequence[str], *marks: Mark) -> list[Token]:
    """Tokens that all depend on the same marks."""
    return [(text, marks) for text in texts]
