"""Spanish morphology: verb conjugation, adjective agreement.

Persons: 0 = yo, 1 = él/ella/usted, 2 = nosotros, 3 = ellos/ustedes. Tenses: present,
preterite, imperfect, future, conditional, subjunctive, past_subjunctive.
"""

from __future__ import annotations

from functools import cache

from earvoice.data.synth.grammar.words import Verb

_PRESENT = {
    "a": ("o", "a", "amos", "an"),
    "e": ("o", "e", "emos", "en"),
    "i": ("o", "e", "imos", "en"),
}
_PRETERITE = {"a": ("é", "ó", "amos", "aron"), "e": ("í", "ió", "imos", "ieron")}
_IMPERFECT = {"a": ("aba", "aba", "ábamos", "aban"), "e": ("ía", "ía", "íamos", "ían")}
_FUTURE = ("é", "á", "emos", "án")
_CONDITIONAL = ("ía", "ía", "íamos", "ían")
_SPECIAL: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "ser": {
        "present": ("soy", "es", "somos", "son"),
        "preterite": ("fui", "fue", "fuimos", "fueron"),
        "imperfect": ("era", "era", "éramos", "eran"),
        "subjunctive": ("sea", "sea", "seamos", "sean"),
    },
    "estar": {
        "present": ("estoy", "está", "estamos", "están"),
        "preterite": ("estuve", "estuvo", "estuvimos", "estuvieron"),
        "subjunctive": ("esté", "esté", "estemos", "estén"),
    },
    "haber": {
        "present": ("he", "ha", "hemos", "han"),
        "preterite": ("hube", "hubo", "hubimos", "hubieron"),
        "future": ("habré", "habrá", "habremos", "habrán"),
        "conditional": ("habría", "habría", "habríamos", "habrían"),
        "subjunctive": ("haya", "haya", "hayamos", "hayan"),
    },
    "dar": {
        "present": ("doy", "da", "damos", "dan"),
        "preterite": ("di", "dio", "dimos", "dieron"),
        "subjunctive": ("dé", "dé", "demos", "den"),
    },
}
_MODALS = {
    "poder": (("sc", "o>ue"), ("pret", "pud"), ("fut", "podr")),
    "querer": (("sc", "e>ie"), ("pret", "quis"), ("fut", "querr")),
    "tener": (("sc", "e>ie"), ("yo", "tengo"), ("pret", "tuv"), ("fut", "tendr")),
    "deber": (),
}


@cache
def modal_form(infinitive: str, tense: str, person: int) -> str:
    """A form of ser, estar, haber, poder, querer, tener or deber."""
    return _form(infinitive, _MODALS.get(infinitive, ()), tense, person)


@cache
def verb_form(verb: Verb, tense: str, person: int) -> str:
    """A finite form of a lexicon verb, without clitics."""
    return _form(verb.es, verb.es_irregular, tense, person)


def _form(infinitive: str, irregular: tuple[tuple[str, str], ...], tense: str, person: int) -> str:
    special = _SPECIAL.get(infinitive, {}).get(tense)
    if special:
        return special[person]
    extra = dict(irregular)
    stem, theme = infinitive[:-2], infinitive[-2]
    two = "a" if theme == "a" else "e"
    if tense == "present":
        return _present(stem, theme, extra, person)
    if tense == "preterite":
        return _preterite(stem, theme, extra, person)
    if tense == "imperfect":
        return stem + _IMPERFECT[two][person]
    if tense in ("future", "conditional"):
        return (
            extra.get("fut", infinitive) + (_FUTURE if tense == "future" else _CONDITIONAL)[person]
        )
    if tense == "subjunctive":
        return _subjunctive(stem, theme, extra, person)
    if tense == "past_subjunctive":
        return _past_subjunctive(_form(infinitive, irregular, "preterite", 3)[:-3], person)
    raise KeyError(tense)


def _present(stem: str, theme: str, extra: dict[str, str], person: int) -> str:
    if person == 0 and "yo" in extra:
        return extra["yo"]
    if stem.endswith("u") and theme == "i":  # construir -> construyo
        stem = stem if person == 2 else stem + "y"
    changed = _change(stem, extra) if person != 2 else stem
    return changed + _PRESENT[theme][person]


def _preterite(stem: str, theme: str, extra: dict[str, str], person: int) -> str:
    if "pret" in extra:
        ending = ("e", "o", "imos", "ieron")[person]
        return extra["pret"] + ("eron" if extra["pret"][-1] == "j" and person == 3 else ending)
    if stem.endswith("u") and theme == "i" and person in (1, 3):
        return stem + ("yó" if person == 1 else "yeron")
    if theme == "i" and person in (1, 3):
        stem = _weak_change(stem, extra)
    ending = _PRETERITE["a" if theme == "a" else "e"][person]
    return (_soften(stem, theme) if person == 0 else stem) + ending


def _subjunctive(stem: str, theme: str, extra: dict[str, str], person: int) -> str:
    ending = ("e", "e", "emos", "en") if theme == "a" else ("a", "a", "amos", "an")
    if "yo" in extra:
        return extra["yo"][:-1] + ending[person]
    if stem.endswith("u") and theme == "i":
        return stem + "y" + ending[person]
    if person != 2:
        stem = _change(stem, extra)
    elif theme == "i":
        stem = _weak_change(stem, extra)
    return _soften(stem, theme) + ending[person]


def _past_subjunctive(stem: str, person: int) -> str:
    if person != 2:
        return stem + ("ra", "ra", "", "ran")[person]
    accented = stem[:-1] + {"a": "á", "e": "é"}[stem[-1]]
    return accented + "ramos"


def _change(stem: str, extra: dict[str, str]) -> str:
    """Replace the last stem vowel as in e>ie, o>ue, e>i, i>í."""
    if "sc" not in extra:
        return stem
    old, new = extra["sc"].split(">")
    head, _, tail = stem.rpartition(old)
    return head + new + tail


def _weak_change(stem: str, extra: dict[str, str]) -> str:
    """-ir verbs raise e to i and o to u where the stem is unstressed (pidió, durmió)."""
    if extra.get("sc") not in ("e>ie", "e>i", "o>ue"):
        return stem
    old = extra["sc"][0]
    head, _, tail = stem.rpartition(old)
    return head + {"e": "i", "o": "u"}[old] + tail


def _soften(stem: str, theme: str) -> str:
    """Keep the sound before e in -ar verbs: buscar -> busqué, llegar -> llegué."""
    if theme != "a":
        return stem
    for old, new in (("c", "qu"), ("g", "gu"), ("z", "c")):
        if stem.endswith(old):
            return stem[:-1] + new
    return stem


@cache
def participle(verb: Verb) -> str:
    """Past participle, masculine singular."""
    extra = dict(verb.es_irregular)
    return extra.get("pp") or verb.es[:-2] + ("ado" if verb.es[-2] == "a" else "ido")


@cache
def gerund(verb: Verb) -> str:
    """Present participle: visitando, construyendo, durmiendo."""
    stem, theme = verb.es[:-2], verb.es[-2]
    if theme == "a":
        return stem + "ando"
    if stem.endswith("u"):
        return stem + "yendo"
    return (_weak_change(stem, dict(verb.es_irregular)) if theme == "i" else stem) + "iendo"


@cache
def agree(adjective: str, gender: str, plural: bool) -> str:
    """Adjective or participle in a gender and number."""
    form = adjective
    if form in ("alemán", "francés", "español"):
        plain = form.replace("á", "a").replace("é", "e")
        if gender == "f":
            form = plain + "a"
        elif plural:
            return plain + "es"
    elif form.endswith("o") and gender == "f":
        form = form[:-1] + "a"
    if not plural:
        return form
    if form == "joven":
        return "jóvenes"
    return form + ("s" if form[-1] in "aeo" else "es")
