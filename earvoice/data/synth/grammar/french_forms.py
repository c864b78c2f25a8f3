"""French morphology: conjugation, agreement, elision and contraction.

Persons: 0 = je, 1 = il/elle, 2 = nous, 3 = vous, 4 = ils/elles. Tenses: present, imperfect, future,
conditional, subjunctive.
"""

from __future__ import annotations

from functools import cache

_Forms = tuple[str, ...]

_FUTURE = ("ai", "a", "ons", "ez", "ont")
_IMPERFECT = ("ais", "ait", "ions", "iez", "aient")
_ER = ("e", "e", "ons", "ez", "ent")
_IR = ("is", "it", "issons", "issez", "issent")
_RE = ("s", "", "ons", "ez", "ent")

# infinitive -> present forms, stem of the future, participle
_IRREGULAR: dict[str, tuple[str, str, str]] = {
    "être": ("suis est sommes êtes sont", "ser", "été"),
    "avoir": ("ai a avons avez ont", "aur", "eu"),
    "vouloir": ("veux veut voulons voulez veulent", "voudr", "voulu"),
    "pouvoir": ("peux peut pouvons pouvez peuvent", "pourr", "pu"),
    "devoir": ("dois doit devons devez doivent", "devr", "dû"),
    "savoir": ("sais sait savons savez savent", "saur", "su"),
    "dire": ("dis dit disons dites disent", "dir", "dit"),
    "écrire": ("écris écrit écrivons écrivez écrivent", "écrir", "écrit"),
    "inscrire": ("inscris inscrit inscrivons inscrivez inscrivent", "inscrir", "inscrit"),
    "traduire": ("traduis traduit traduisons traduisez traduisent", "traduir", "traduit"),
    "construire": (
        "construis construit construisons construisez construisent", "construir", "construit",
    ),
    "prendre": ("prends prend prenons prenez prennent", "prendr", "pris"),
    "ouvrir": ("ouvre ouvre ouvrons ouvrez ouvrent", "ouvrir", "ouvert"),
    "résoudre": ("résous résout résolvons résolvez résolvent", "résoudr", "résolu"),
    "boire": ("bois boit buvons buvez boivent", "boir", "bu"),
    "soutenir": ("soutiens soutient soutenons soutenez soutiennent", "soutiendr", "soutenu"),
    "souvenir": ("souviens souvient souvenons souvenez souviennent", "souviendr", "souvenu"),
    "plaindre": ("plains plaint plaignons plaignez plaignent", "plaindr", "plaint"),
    "partir": ("pars part partons partez partent", "partir", "parti"),
    "dormir": ("dors dort dormons dormez dorment", "dormir", "dormi"),
    "prévoir": ("prévois prévoit prévoyons prévoyez prévoient", "prévoir", "prévu"),
    "promettre": ("promets promet promettons promettez promettent", "promettr", "promis"),
    "envoyer": ("envoie envoie envoyons envoyez envoient", "enverr", "envoyé"),
}  # fmt: skip
_SUBJUNCTIVE = {
    "être": "sois soit soyons soyez soient",
    "avoir": "aie ait ayons ayez aient",
    "vouloir": "veuille veuille voulions vouliez veuillent",
    "pouvoir": "puisse puisse puissions puissiez puissent",
    "savoir": "sache sache sachions sachiez sachent",
}
_STRESSED = {"acheter": "achèt", "appeler": "appell", "espérer": "espèr"}
"""Stems of -er verbs under stress; the future has them too, but for "espérer"."""

VOWELS = frozenset("aàâeéèêëiîïoôuùûyœ")
_ASPIRATED = frozenset("hambourg huit huitième onze onzième".split())
ELIDED = frozenset("le la de que ne se me je".split())


@cache
def _principal(infinitive: str) -> tuple[_Forms, str, str]:
    """Present, stem of the future, participle."""
    for prefix in ("ap", "com"):
        if infinitive == prefix + "prendre":
            forms, future, done = _principal("prendre")
            return tuple(prefix + form for form in forms), prefix + future, prefix + done
    if infinitive in _IRREGULAR:
        present, future, done = _IRREGULAR[infinitive]
        return tuple(present.split()), future, done
    stem, ending = infinitive[:-2], infinitive[-2:]
    if ending == "ir":
        return tuple(stem + end for end in _IR), infinitive, stem + "i"
    if ending == "re":
        return tuple(stem + end for end in _RE), infinitive[:-1], stem + "u"
    strong = _STRESSED.get(infinitive) or (stem[:-1] + "i" if stem[-1] == "y" else stem)
    soft = stem[:-1] + "ç" if stem[-1] == "c" else stem + "e" if stem[-1] == "g" else stem
    stems = (strong, strong, soft, stem, strong)
    future = infinitive if infinitive == "espérer" else strong + "er"
    return tuple(a + b for a, b in zip(stems, _ER, strict=True)), future, stem + "é"


@cache
def verb_form(infinitive: str, tense: str, person: int) -> str:
    """A finite form."""
    present, future, _ = _principal(infinitive)
    if tense == "present":
        return present[person]
    if tense == "future":
        return future + _FUTURE[person]
    if tense == "conditional":
        return future + _IMPERFECT[person]
    # nous commencions, mangions: the soft consonant needs no help before i
    weak = infinitive[:-2] if infinitive.endswith("er") else present[2].removesuffix("ons")
    if tense == "imperfect":
        soft = "ét" if infinitive == "être" else present[2].removesuffix("ons")
        return (weak if person in (2, 3) and soft != "ét" else soft) + _IMPERFECT[person]
    if tense != "subjunctive":
        raise KeyError(tense)
    if infinitive in _SUBJUNCTIVE:
        return _SUBJUNCTIVE[infinitive].split()[person]
    if person in (2, 3):
        return weak + ("ions" if person == 2 else "iez")
    return present[4].removesuffix("ent") + ("e" if person != 4 else "ent")


@cache
def participle(infinitive: str, gender: str = "m", plural: bool = False) -> str:
    """Past participle in agreement."""
    done = _principal(infinitive)[2]
    form = ("due" if done == "dû" else done + "e") if gender == "f" else done
    return form if not plural or form.endswith("s") else form + "s"


@cache
def agree(masculine: str, feminine: str, gender: str, plural: bool) -> str:
    """An adjective in agreement; phrases such as "bon marché" never change."""
    form = feminine if gender == "f" else masculine
    if not plural or " " in masculine or form[-1] in "sx":
        return form
    if form.endswith("al"):
        return form[:-1] + "ux"
    return form + ("x" if form.endswith("eau") else "s")


def starts_with_vowel(word: str) -> bool:
    """Whether a word makes the one before it elide: idée, hôtel, but not huit, Hambourg."""
    plain = word.lower().rstrip(",.?").partition("-")[0]
    if plain in _ASPIRATED:
        return False
    return plain[0] in VOWELS or plain[0] == "h"


def elided(word: str, following: str) -> str:
    """Both words as one where the first loses its vowel, else "": d'Anna, s'il."""
    lower = word.lower()
    if lower == "si" and following in ("il", "ils"):
        return word[:-1] + "'" + following
    if lower in ELIDED and starts_with_vowel(following):
        return word[:-1] + "'" + following
    return ""


def article(gender: str, plural: bool) -> str:
    """le, la, les."""
    return "les" if plural else "le" if gender == "m" else "la"


def contract(preposition: str, determiner: str, following: str) -> list[str]:
    """de + le -> du, à + les -> aux; not before a vowel, where the article elides."""
    if determiner == "les" or (determiner == "le" and not starts_with_vowel(following)):
        if preposition == "de":
            return ["du" if determiner == "le" else "des"]
        if preposition == "à":
            return ["au" if determiner == "le" else "aux"]
    return [preposition, determiner]
