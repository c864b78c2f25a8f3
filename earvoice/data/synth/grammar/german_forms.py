"""German morphology: articles, adjective endings, pronouns, verb forms.

Cases are "N", "A", "D", "G"; genders "m", "f", "n" and "p" for the plural. Persons are
0 = ich, 1 = er/sie/es, 2 = wir, 3 = sie/Sie (the informal second person is not used).
"""

from __future__ import annotations

from functools import cache

from earvoice.data.synth.grammar.words import Verb

_CASES = "NADG"
DEFINITE = {
    "m": ("der", "den", "dem", "des"),
    "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"),
    "p": ("die", "die", "den", "der"),
}
_EIN = {
    "m": ("", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("", "", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
_STRONG_DETERMINER = {
    "m": ("er", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
_WEAK = {
    "m": ("e", "en", "en", "en"),
    "f": ("e", "e", "en", "en"),
    "n": ("e", "e", "en", "en"),
    "p": ("en", "en", "en", "en"),
}
_MIXED = {**_WEAK, "m": ("er", "en", "en", "en"), "n": ("es", "es", "en", "en")}
_STRONG = {
    "m": ("er", "en", "em", "en"),
    "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "en"),
    "p": ("e", "e", "en", "er"),
}
_ADJECTIVE = {"weak": _WEAK, "mixed": _MIXED, "strong": _STRONG}
_CONTRACTIONS = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("bei", "dem"): "beim",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}


def definite(gender: str, case: str) -> str:
    """der, die, das in a case."""
    return DEFINITE[gender][_CASES.index(case)]


def ein_word(stem: str, gender: str, case: str) -> str:
    """ein, kein, mein, unser, ihr ... with its ending."""
    return stem + _EIN[gender][_CASES.index(case)]


def dieser(stem: str, gender: str, case: str) -> str:
    """dies-, jed-, welch- with its ending."""
    return stem + _STRONG_DETERMINER[gender][_CASES.index(case)]


def adjective_ending(kind: str, gender: str, case: str) -> str:
    """Ending after a definite article ("weak"), an ein-word ("mixed") or nothing ("strong")."""
    return _ADJECTIVE[kind][gender][_CASES.index(case)]


def contract(preposition: str, article: str) -> tuple[str, ...]:
    """in + dem -> im; other pairs stay two words."""
    joined = _CONTRACTIONS.get((preposition, article))
    return (joined,) if joined else (preposition, article)


SEIN = {
    "present": ("bin", "ist", "sind", "sind"),
    "past": ("war", "war", "waren", "waren"),
    "would": ("wäre", "wäre", "wären", "wären"),
}
HABEN = {
    "present": ("habe", "hat", "haben", "haben"),
    "past": ("hatte", "hatte", "hatten", "hatten"),
    "would": ("hätte", "hätte", "hätten", "hätten"),
}
WERDEN = {
    "present": ("werde", "wird", "werden", "werden"),
    "past": ("wurde", "wurde", "wurden", "wurden"),
    "would": ("würde", "würde", "würden", "würden"),
}
MODALS = {
    "can": ("kann", "kann", "können", "können"),
    "must": ("muss", "muss", "müssen", "müssen"),
    "should": ("sollte", "sollte", "sollten", "sollten"),
    "want": ("will", "will", "wollen", "wollen"),
    "would like": ("möchte", "möchte", "möchten", "möchten"),
    "could": ("könnte", "könnte", "könnten", "könnten"),
    "had to": ("musste", "musste", "mussten", "mussten"),
    "wanted": ("wollte", "wollte", "wollten", "wollten"),
}


@cache
def present(verb: Verb, person: int) -> str:
    """Present form without the separable particle."""
    if person == 1 or verb.de in ("wissen", "wollen"):
        return verb.de_third if person < 2 else verb.de
    if person > 1:
        return verb.de
    if verb.de.endswith("eln"):
        return verb.de[:-3] + "le"
    return (verb.de[:-1] if verb.de.endswith("en") else verb.de[:-1] + "e").removesuffix("n")


def infinitive(verb: Verb, with_zu: bool = False) -> tuple[str, ...]:
    """anrufen; with zu: anzurufen, zu besuchen."""
    if not with_zu:
        return (verb.de_particle + verb.de,)
    return (f"{verb.de_particle}zu{verb.de}",) if verb.de_particle else ("zu", verb.de)
