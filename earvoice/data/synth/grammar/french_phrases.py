"""French noun phrases and adverbials: articles, partitives, agreement, place of adjectives."""

from __future__ import annotations

from dataclasses import dataclass

from earvoice.data.synth.grammar import french_adverbials, numbers
from earvoice.data.synth.grammar.french_forms import (
    agree,
    article,
    contract,
    starts_with_vowel,
)
from earvoice.data.synth.grammar.french_words import (
    FrenchAdjective,
    french_adjective,
    french_name,
    french_noun,
)
from earvoice.data.synth.grammar.tree import NP, Adverbial, Pronoun, Token, words
from earvoice.data.synth.grammar.words import Name


@dataclass(frozen=True, slots=True)
class _Pronoun:
    """Subject, direct and indirect object clitics, stressed form, reflexive, possessives.

    `mine`: masculine, feminine, plural.
    """

    subject: str
    direct: str
    indirect: str
    stressed: str
    reflexive: str
    mine: tuple[str, str, str]
    person: int
    gender: str = "m"
    plural: bool = False


_PRONOUNS = {
    "I": _Pronoun("je", "me", "me", "moi", "me", ("mon", "ma", "mes"), 0),
    "we": _Pronoun(
        "nous", "nous", "nous", "nous", "nous", ("notre", "notre", "nos"), 2, plural=True
    ),
    "you": _Pronoun("vous", "vous", "vous", "vous", "vous", ("votre", "votre", "vos"), 3),
    "they": _Pronoun("ils", "les", "leur", "eux", "se", ("leur", "leur", "leurs"), 4, plural=True),
    "he": _Pronoun("il", "le", "lui", "lui", "se", ("son", "sa", "ses"), 1),
    "she": _Pronoun("elle", "la", "lui", "elle", "se", ("son", "sa", "ses"), 1, "f"),
    "it": _Pronoun("il", "le", "lui", "lui", "se", ("son", "sa", "ses"), 1),
    "who": _Pronoun("qui", "", "", "", "se", ("son", "sa", "ses"), 1),
}


def pronoun(np: NP) -> _Pronoun:
    """The forms of a pronoun."""
    assert np.pronoun is not None
    return _PRONOUNS[np.pronoun.en]


def gender(np: NP) -> str:
    """Gender of the head: "m" or "f"."""
    if np.noun:
        return french_noun(np.noun).gender
    if np.name:
        return np.name.gender or "m"
    return pronoun(np).gender


def is_plural(np: NP) -> bool:
    """Number of the head."""
    return pronoun(np).plural if np.pronoun else np.plural


def person(np: NP) -> int:
    """0 = je, 1 = il/elle, 2 = nous, 3 = vous, 4 = ils/elles."""
    return pronoun(np).person if np.pronoun else 4 if np.plural else 1


def head(np: NP, preposition: str = "", negative: bool = False) -> list[str]:
    """Words of a noun phrase without its "of" phrase; `negative`: no article but "de"."""
    lead = preposition.split()
    if np.pronoun:
        mine = pronoun(np)
        return [*lead, mine.stressed] if lead else [mine.subject]
    if np.name:
        return _name(np, preposition)
    assert np.noun is not None
    noun = french_noun(np.noun)
    core = (noun.plural if np.plural else noun.text).split()
    before, after = _adjectives(np, noun.gender)
    texts = [*before, *core]
    own = _determiner(np, noun.gender, texts[0], bool(before), negative)
    if preposition == "de" and np.det == "bare":
        own = []  # de + des: besoin d'ordinateurs
    if lead and own and own[0] in ("le", "la", "les"):
        lead = [*lead[:-1], *contract(lead[-1], own[0], [*own[1:], *texts][0])]
        own = own[1:]
    if np.det == "poss" and isinstance(np.owner, Name):
        after = [*after, "de", np.owner.en]
    return [*lead, *own, *texts, *after]


def _name(np: NP, preposition: str) -> list[str]:
    """A proper name: cities without article, countries and languages with theirs."""
    assert np.name is not None
    text, of = french_name(np.name)
    feminine = of == "f" or starts_with_vowel(text)
    if np.name.kind == "country":
        if preposition == "to":
            return ["en", text] if feminine else ["au", text]
        if preposition == "de" and feminine:
            return ["de", text]
    if preposition == "to":
        return ["à", text]
    if np.name.kind not in ("country", "language"):
        return [*preposition.split(), text]
    own = article(of, False)
    return [*(contract(preposition, own, text) if preposition else [own]), text]


def _adjectives(np: NP, own: str) -> tuple[list[str], list[str]]:
    """What stands before and after the noun."""
    if np.adjective is None:
        return [], []
    assert np.noun is not None
    found = french_adjective(np.adjective, np.noun.classes)
    form = agree(found.text, found.feminine, own, np.plural)
    vowel = own == "m" and not np.plural and starts_with_vowel(french_noun(np.noun).text)
    if np.superlative:
        more = comparative(found, own, np.plural)
        if found.before and found.text != "nouveau":
            return [*more[:-1], found.before_vowel] if vowel and len(more) > 1 else more, []
        return [], [article(own, np.plural), *more]
    if not found.before:
        return [], form.split()
    return [found.before_vowel if vowel else form], []


def comparative(found: FrenchAdjective, own: str, plural: bool) -> list[str]:
    """plus grand, meilleure, moins cher, plus récent."""
    if found.text == "nouveau":
        return ["plus", agree("récent", "récente", own, plural)]
    if found.text == "bon":
        return [agree("meilleur", "meilleure", own, plural)]
    if found.text == "bon marché":
        return ["moins", agree("cher", "chère", own, plural)]
    return ["plus", *agree(found.text, found.feminine, own, plural).split()]


def _determiner(np: NP, own: str, first: str, adjective_first: bool, negative: bool) -> list[str]:
    """The determiner; `first` is the word after it."""
    det, plural = np.det, np.plural
    if det in ("indef", "bare") and negative:
        return ["de"]
    if det == "indef":
        return ["un" if own == "m" else "une"]
    if det == "bare" and plural:
        return ["de"] if adjective_first else ["des"]
    if det == "bare":
        return contract("de", article(own, False), first)
    if det == "this":
        if plural:
            return ["ces"]
        return ["cette" if own == "f" else "cet" if starts_with_vowel(first) else "ce"]
    if det == "poss" and isinstance(np.owner, Pronoun):
        masculine, feminine, many = _PRONOUNS[np.owner.en].mine
        if plural:
            return [many]
        return [feminine if own == "f" and not starts_with_vowel(first) else masculine]
    if det in ("def", "poss"):
        return [article(own, plural)]
    if det == "number":
        return numbers.french(np.number, own)
    return ["quelques"] if det == "some" else ["beaucoup", "de"]


def adverbial(item: Adverbial) -> list[Token]:
    """Words of an adverbial with its marks."""
    if item.np is None:
        return words(french_adverbials.fixed(item.en), item)
    return words(_with_phrase(item), item, item.np)


def _with_phrase(item: Adverbial) -> list[str]:
    np = item.np
    assert np is not None
    if item.en == ("ago",):
        return ["il", "y", "a", *head(np)]
    if item.en == ("with",):
        return head(np, "avec")
    if item.kind == "time":
        return head(np, "dans")
    return head(np, "to" if np.name else "à")
