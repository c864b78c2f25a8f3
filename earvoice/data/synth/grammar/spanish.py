"""Spanish linearisation: pro-drop, clitics, personal a, moods, agreement."""

from __future__ import annotations

from earvoice.data.synth.grammar import numbers
from earvoice.data.synth.grammar.connectives import CONJUNCTIONS
from earvoice.data.synth.grammar.spanish_forms import (
    agree,
    gerund,
    modal_form,
    participle,
    verb_form,
)
from earvoice.data.synth.grammar.tree import (
    COMMA,
    NP,
    Adverbial,
    Clause,
    I,
    Mark,
    Pronoun,
    Sub,
    Token,
    words,
)

_MODALS = {
    "can": ("poder", "present", ""),
    "could": ("poder", "conditional", ""),
    "must": ("tener", "present", "que"),
    "had to": ("tener", "preterite", "que"),
    "should": ("deber", "conditional", ""),
    "want": ("querer", "present", ""),
    "wanted": ("querer", "imperfect", ""),
}
_TENSES = {
    "P": "present",
    "S": "preterite",
    "F": "future",
    "would": "conditional",
    "had": "past_subjunctive",
}
_REFLEXIVE = ("me", "se", "nos", "se")


def person(np: NP) -> int:
    """0 = yo, 1 = él/ella/usted, 2 = nosotros, 3 = ellos."""
    return np.pronoun.es_person if np.pronoun else 3 if np.plural else 1


def noun_phrase(np: NP, preposition: str = "", negative: bool = False) -> list[Token]:
    """Words of a noun phrase; `negative` turns un into ningún."""
    lead = preposition.split()
    if np.pronoun:
        return words([*lead, np.pronoun.es] if np.pronoun.es else lead, np)
    if np.name:
        return words([*lead, *np.name.es.split()], np)
    noun = np.noun
    assert noun is not None
    texts = lead + _determiner(np, noun.es_gender, negative)
    head = noun.es_plural if np.plural else noun.es
    adjective = np.adjective
    if adjective is None:
        texts.append(head)
    elif np.superlative:
        form = agree(adjective.es, noun.es_gender, np.plural)
        best = "mejores" if np.plural else "mejor"
        texts += [best, head] if adjective.es == "bueno" else [head, "más", form]
    elif adjective.before:
        texts += [_short(adjective.es, noun.es_gender, np.plural), head]
    else:
        texts += [head, agree(adjective.es, noun.es_gender, np.plural)]
    if np.det == "poss" and not isinstance(np.owner, Pronoun):
        assert np.owner is not None
        texts += ["de", np.owner.es]
    out = words(texts, np)
    if np.of:
        out += noun_phrase(np.of, "de")
    if np.relative:
        out += [("que", (np.relative,)), *clause(np.relative.clause)]
    return out


def _short(adjective: str, gender: str, plural: bool) -> str:
    if adjective == "bueno" and gender == "m" and not plural:
        return "buen"
    return agree(adjective, gender, plural)


def article(gender: str, plural: bool) -> str:
    """el, la, los, las."""
    return ("los" if plural else "el") if gender == "m" else ("las" if plural else "la")


def _determiner(np: NP, gender: str, negative: bool) -> list[str]:
    plural, det = np.plural, np.det
    if det == "indef":
        if negative:
            return ["ningún" if gender == "m" else "ninguna"]
        return ["un" if gender == "m" else "una"]
    if det == "this":
        return [{"m": "estos" if plural else "este", "f": "estas" if plural else "esta"}[gender]]
    if det == "poss" and isinstance(np.owner, Pronoun):
        form = np.owner.es_possessive
        form = agree(form, gender, plural) if form == "nuestro" else form + ("s" if plural else "")
        return [form]
    if det in ("def", "poss"):
        return [article(gender, plural)]
    if det == "number":
        return numbers.spanish(np.number, gender)
    if det in ("some", "many"):
        return [agree("alguno" if det == "some" else "mucho", gender, True)]
    return []


def adverbial(item: Adverbial) -> list[Token]:
    """Words of an adverbial."""
    if item.np is None:
        return words(item.es, item)
    return words(item.es, item, item.np) + noun_phrase(item.np)


def verb_group(item: Clause, mood: str) -> list[Token]:
    """Negation, clitic, finite verb and the infinitive or participle after it."""
    who, verb, tense = person(item.subject), item.verb, item.tense
    both: tuple[Mark, ...] = (item.subject, item.finite)
    full = (*both, item.main)
    negation = words(["no"], item.negation) if item.negative else []
    if verb is None or item.passive:
        return negation + _be(item, who, mood)
    clitic, clitic_marks = _clitic(item)
    before = [(clitic, (*clitic_marks, item.main))] if clitic else []
    if tense == "would like":
        return [
            *words([item.subject.pronoun.es_object[1], "gustaría"], *both),  # type: ignore[union-attr]
            (verb.es + clitic, (item.main, *clitic_marks)),
        ]
    if tense in _MODALS:
        infinitive, form, joint = _MODALS[tense]
        form = "subjunctive" if mood == "subj" else form
        texts = [modal_form(infinitive, form, who), *joint.split()]
        return negation + words(texts, *both) + [(verb.es + clitic, (item.main, *clitic_marks))]
    if tense == "G":
        texts = [
            modal_form("estar", "subjunctive" if mood == "subj" else "present", who),
            gerund(verb),
        ]
        return [*negation, *before, *words(texts, *full)]
    if tense == "R":
        texts = [modal_form("haber", "subjunctive" if mood == "subj" else "present", who)]
        return [*negation, *before, *words(texts, *both), (participle(verb), (item.main,))]
    form = "subjunctive" if mood == "subj" else _TENSES[tense]
    return [*negation, *before, (verb_form(verb, form, who), full)]


def _clitic(item: Clause) -> tuple[str, tuple[Mark, ...]]:
    """The clitic pronoun of the clause, if any (a clause has at most one) and its marks."""
    assert item.verb is not None
    if item.verb.es_reflexive:
        return _REFLEXIVE[person(item.subject)], (item.subject,)
    for slot, np in item.args:
        if slot.es == "IO":
            if np.pronoun:
                return np.pronoun.es_object[1], (np,)
            return ("les" if np.plural else "le"), (np,)
        if np.pronoun and not slot.es:
            return np.pronoun.es_object[0], (np,)
    return "", ()


def _be(item: Clause, who: int, mood: str) -> list[Token]:
    """ser with a participle (passive), ser or estar with an adjective."""
    predicate, tense = item.predicate, item.tense
    stative = bool(predicate and predicate.adjective.estar)
    infinitive = "estar" if stative else "ser"
    marks: tuple[Mark, ...] = (
        (item.subject, item.finite) if item.passive else (item.subject, item.finite, predicate)
    )
    done = []
    if item.passive:
        assert item.verb is not None
        form = agree(participle(item.verb), item.subject.es_gender, item.subject.is_plural)
        done = words([form], item.main, item.subject)
    if tense in _MODALS:
        modal, form, joint = _MODALS[tense]
        form = "subjunctive" if mood == "subj" else form
        return words([modal_form(modal, form, who), *joint.split(), infinitive], *marks) + done
    if tense == "R":
        form = modal_form("haber", "subjunctive" if mood == "subj" else "present", who)
        return words([form, "sido"], *marks) + done
    form = "subjunctive" if mood == "subj" else _TENSES[tense]
    if tense == "S" and not item.passive and not _is_event(item.subject):
        form = "imperfect"  # a description in the past; events are told in the preterite
    return words([modal_form(infinitive, form, who)], *marks) + done


def _is_event(np: NP) -> bool:
    return bool(
        np.noun and not np.noun.classes.isdisjoint(("event", "trip", "flight", "exam", "trial"))
    )


def _needs_yo(item: Clause, mood: str, context: NP | None) -> bool:
    """Whether yo must tell first and third person apart: same form, another subject before."""
    if item.subject.pronoun is not I or context is None or context.pronoun is I:
        return False
    return mood == "subj" or item.tense in ("should", "could", "wanted", "would", "had")


def clause(
    item: Clause, mood: str = "ind", order: str = "plain", context: NP | None = None
) -> list[Token]:
    """`mood`: "ind", "subj" or "inf" (no subject); `order` "question" puts the subject after.

    `context`: the subject of the clause this one goes with.
    """
    out = adverbial(item.front) if item.front else []
    if mood == "inf":
        assert item.verb is not None
        clitic, marks = _clitic(item)
        return [(item.verb.es + clitic, (item.main, *marks)), *after_verb(item)]
    subject = [] if item.gap == "subject" else noun_phrase(item.subject)
    if _needs_yo(item, mood, context):
        subject = words(["yo"], item.subject)
    group = verb_group(item, mood)
    if order == "question":
        cut = _question_cut(item, group)
        return out + group[:cut] + subject + group[cut:] + after_verb(item)
    if item.tense == "would like":
        subject = []
    return out + subject + group + after_verb(item)


def _question_cut(item: Clause, group: list[Token]) -> int:
    """The subject of a question stands before the infinitive of a modal, else after the verb."""
    if item.tense not in _MODALS or item.passive or not item.verb:
        return len(group)
    joint = _MODALS[item.tense][2]  # "que" of "tener que" stays with the infinitive
    return len(group) - (2 if joint else 1)


def after_verb(item: Clause) -> list[Token]:
    """Complements, predicate, adverbials and the trailing clause."""
    out: list[Token] = []
    for index, (slot, np) in enumerate(item.args):
        if (item.gap == "object" and index == 0) or (np.pronoun and slot.es in ("", "IO")):
            continue
        preposition = "a" if slot.es == "IO" or (not slot.es and np.is_human) else slot.es
        negated = item.negative and np.det == "indef"
        out += noun_phrase(np, preposition, negated)
    if item.predicate:
        out += _predicate(item)
    for kind in ("manner", "place", "time"):
        for extra in item.adverbials:
            if extra.kind == kind:
                out += adverbial(extra)
    if item.tense == "G":
        out += words(["en", "este", "momento"], item.main)
    return out + sub(item.sub, item.subject) if item.sub else out


def _predicate(item: Clause) -> list[Token]:
    predicate = item.predicate
    assert predicate is not None
    form = agree(predicate.adjective.es, item.subject.es_gender, item.subject.is_plural)
    marks = (predicate, item.subject)
    if predicate.than is None:
        return words([form], *marks)
    if predicate.equal:
        return words(["tan", form, "como"], *marks) + noun_phrase(predicate.than)
    better = predicate.adjective.es == "bueno"
    texts = ["mejores" if item.subject.is_plural else "mejor"] if better else ["más", form]
    return words([*texts, "que"], *marks) + noun_phrase(predicate.than)


def sub(item: Sub, context: NP, leading: bool = False) -> list[Token]:
    """A subordinate clause; infinitive where English has one. `context`: the main subject."""
    inner = item.clause
    if item.kind in ("to", "in order to", "without"):
        lead = {"to": [], "in order to": ["para"], "without": ["sin"]}[item.kind]
        out = words(lead, item) + clause(inner, "inf")
    elif item.kind == "want":
        out = words(["que"], item) + clause(inner, "subj", context=context)
    elif item.kind == "before" and inner.subject.pronoun and inner.gap == "same":
        out = words(["antes", "de"], item) + clause(inner, "inf")
    else:
        conjunction = CONJUNCTIONS[item.kind]
        order = "question" if item.kind in ("when?", "why") else "plain"
        out = words(conjunction.es, item) + clause(inner, conjunction.mood, order, context)
    return [*out, COMMA] if leading else out
