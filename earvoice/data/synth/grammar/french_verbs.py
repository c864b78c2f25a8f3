"""French verb groups: compound past, clitics, negation, moods, agreement of participles."""

from __future__ import annotations

from earvoice.data.synth.grammar.french_forms import participle, verb_form
from earvoice.data.synth.grammar.french_phrases import (
    adverbial,
    gender,
    is_plural,
    person,
    pronoun,
)
from earvoice.data.synth.grammar.french_words import FrenchVerb, french_verb
from earvoice.data.synth.grammar.tree import NP, Adverbial, Clause, Mark, Token, words

_MODALS = {
    "can": ("pouvoir", "present"),
    "could": ("pouvoir", "conditional"),
    "must": ("devoir", "present"),
    "should": ("devoir", "conditional"),
    "had to": ("devoir", "past"),
    "want": ("vouloir", "present"),
    "wanted": ("vouloir", "imperfect"),
    "would like": ("vouloir", "conditional"),
}
_SHORT = frozenset((("soon",), ("recently",), ("quickly",), ("carefully",)))
_TENSES = {
    "P": "present",
    "G": "present",
    "S": "past",
    "R": "past",
    "F": "future",
    "would": "conditional",
    "had": "imperfect",
}


def verb_of(item: Clause, antecedent: NP | None = None) -> FrenchVerb:
    """The verb of a clause, which depends on what it is done to.

    `antecedent`: the noun phrase that the clause is a relative clause of.
    """
    assert item.verb is not None
    classes: frozenset[str] = frozenset()
    thing = item.subject if item.passive else item.args[0][1] if item.args else None
    if item.gap == "object":
        thing = antecedent
    if thing is not None:
        classes = thing.noun.classes if thing.noun else frozenset()
        classes |= {"human"} if thing.is_human else frozenset()
    return french_verb(item.verb, classes)


def _tense(item: Clause, mood: str) -> str:
    tense = _MODALS[item.tense][1] if item.tense in _MODALS else _TENSES[item.tense]
    if mood == "future" and tense == "present":
        return "future"
    if mood == "subj" and tense in ("present", "future"):
        return "subjunctive"
    if mood == "subj" and tense in ("past", "imperfect"):
        return "past subjunctive"
    return tense


def verb_group(item: Clause, mood: str, antecedent: NP | None) -> list[Token]:
    """Negation, clitics, finite verb, pas, and the infinitive or participle after it.

    `mood`: "", "subj" or "future" (a present that French says in the future).
    """
    who = person(item.subject)
    both: tuple[Mark, ...] = (item.subject, item.finite)
    tense = _tense(item, mood)
    ne = words(["ne"], item.negation) if item.negative else []
    pas = words(["pas"], item.negation) if item.negative else []
    if item.tense in _MODALS:
        modal = _MODALS[item.tense][0]
        first, second = _conjugated(modal, tense, who, False)
        done = [participle(modal)] if second else []
        return [*ne, *words([first], *both), *pas, *words(done, *both), *infinitive(item)]
    if item.verb is None or item.passive:
        return _be(item, tense, ne, pas)
    verb = verb_of(item, antecedent)
    clitic = _clitic(item, verb)
    etre = verb.reflexive or verb.etre
    first, second = _conjugated(verb.infinitive, tense, who, etre)
    full = (*both, item.main)
    out = [*ne, *clitic, *words([first], *full), *pas]
    if item.tense == "G":
        out += words(["actuellement"], item.main)
    out += _short_adverbs(item)
    if second:
        form = participle(verb.infinitive, *_agreement(item, verb, antecedent))
        out += words([form], item.main, *([item.subject] if etre else []))
    return out + words(verb.tail, item.main)


def _short_adverbs(item: Clause) -> list[Token]:
    """The adverb of one word that stands beside the verb: a soigneusement vérifié."""
    moved = beside_verb(item)
    return adverbial(moved) if moved else []


def beside_verb(item: Clause) -> Adverbial | None:
    """The adverbial that stands beside the verb instead of behind its objects."""
    short = [extra for extra in item.adverbials if extra.en in _SHORT]
    return short[0] if short and item.verb else None


def _conjugated(infinitive: str, tense: str, who: int, etre: bool) -> tuple[str, bool]:
    """The finite word and whether a participle follows it."""
    auxiliary = "être" if etre else "avoir"
    if tense == "past":
        return verb_form(auxiliary, "present", who), True
    if tense == "past subjunctive":
        return verb_form(auxiliary, "subjunctive", who), True
    return verb_form(infinitive, tense, who), False


def _agreement(item: Clause, verb: FrenchVerb, antecedent: NP | None) -> tuple[str, bool]:
    """What the participle agrees with: the subject with être, an object before it with avoir."""
    if verb.reflexive or verb.etre:
        return gender(item.subject), is_plural(item.subject)
    if item.gap == "object" and antecedent is not None and verb.slots[0] == "-":
        return gender(antecedent), is_plural(antecedent)
    for kind, (_, np) in zip(verb.slots, item.args, strict=False):
        if kind == "-" and np.pronoun:
            return gender(np), is_plural(np)
    return "m", False


def _clitic(item: Clause, verb: FrenchVerb) -> list[Token]:
    """The reflexive pronoun or the object pronoun before the verb."""
    if verb.reflexive:
        return words([_reflexive(item.subject)], item.subject, item.main)
    for kind, (_, np) in zip(verb.slots, item.args, strict=False):
        if np.pronoun and kind in ("-", "IO"):
            mine = pronoun(np)
            return words([mine.direct if kind == "-" else mine.indirect], np, item.main)
    return []


def _reflexive(np: NP) -> str:
    return pronoun(np).reflexive if np.pronoun else "se"


def _be(item: Clause, tense: str, ne: list[Token], pas: list[Token]) -> list[Token]:
    """être with an adjective, or with the participle of a passive."""
    who = person(item.subject)
    both = (item.subject, item.finite)
    if not item.passive:
        tense = "imperfect" if tense == "past" else tense
        return [*ne, *words([verb_form("être", tense, who)], *both), *pas]
    first, second = _conjugated("être", tense, who, False)
    out = [*ne, *words([first], *both), *pas, *words(["été"] if second else [], *both)]
    out += _short_adverbs(item)
    return out + words([_passive_participle(item)], item.main, item.subject)


def _passive_participle(item: Clause) -> str:
    return participle(verb_of(item).infinitive, gender(item.subject), is_plural(item.subject))


def infinitive(item: Clause) -> list[Token]:
    """The infinitive with its clitic: s'inscrire, être vérifié, avoir besoin."""
    if item.verb is None:
        return words(["être"], item.main)
    if item.passive:
        done = words([_passive_participle(item)], item.main, item.subject)
        return [*words(["être"], item.main), *done, *_short_adverbs(item)]
    verb = verb_of(item)
    out = [*_clitic(item, verb), *words([verb.infinitive, *verb.tail], item.main)]
    return out + _short_adverbs(item)
