"""Words that join clauses and sentences, with what each language does after them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conjunction:
    """A subordinating conjunction. `mood`: Spanish mood of its clause, "ind" or "subj"."""

    en: tuple[str, ...]
    de: tuple[str, ...]
    es: tuple[str, ...]
    mood: str


def _conjunction(en: str, de: str, es: str, mood: str = "ind") -> Conjunction:
    return Conjunction(tuple(en.split()), tuple(de.split()), tuple(es.split()), mood)


CONJUNCTIONS = {
    "because": _conjunction("because", "weil", "porque"),
    "although": _conjunction("although", "obwohl", "aunque"),
    "if": _conjunction("if", "wenn", "si"),
    "when": _conjunction("when", "wenn", "cuando", "subj"),
    "before": _conjunction("before", "bevor", "antes de que", "subj"),
    "so that": _conjunction("so that", "damit", "para que", "subj"),
    "as soon as": _conjunction("as soon as", "sobald", "en cuanto", "subj"),
    "that": _conjunction("that", "dass", "que"),
    "that subj": _conjunction("that", "dass", "que", "subj"),
    "whether": _conjunction("whether", "ob", "si"),
    "why": _conjunction("why", "warum", "por qué"),
    "when?": _conjunction("when", "wann", "cuándo"),
}


@dataclass(frozen=True, slots=True)
class Connective:
    """A sentence opener. German gives it the first position, so the verb comes next."""

    en: tuple[str, ...]
    de: tuple[str, ...]
    es: tuple[str, ...]
    es_comma: bool


def _connective(en: str, de: str, es: str, es_comma: bool = True) -> Connective:
    return Connective(tuple(en.split()), tuple(de.split()), tuple(es.split()), es_comma)


OPENERS = (
    _connective("However,", "Allerdings", "Sin embargo"),
    _connective("Therefore,", "Deshalb", "Por eso", False),
    _connective("First,", "Zuerst", "Primero", False),
    _connective("After that,", "Danach", "Después", False),
    _connective("Then", "Dann", "Luego", False),
    _connective("Finally,", "Schließlich", "Finalmente"),
    _connective("Unfortunately,", "Leider", "Por desgracia"),
    _connective("Fortunately,", "Zum Glück", "Por suerte"),
    _connective("Of course,", "Natürlich", "Por supuesto"),
    _connective("In addition,", "Außerdem", "Además"),
    _connective("For example,", "Zum Beispiel", "Por ejemplo"),
    _connective("Perhaps", "Vielleicht", "A lo mejor", False),
)
