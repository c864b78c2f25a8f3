"""French linearisation: clauses, relative clauses, infinitives where the subjects are the same."""

from __future__ import annotations

from earvoice.data.synth.grammar.french_forms import agree
from earvoice.data.synth.grammar.french_phrases import (
    adverbial,
    comparative,
    gender,
    head,
    is_plural,
)
from earvoice.data.synth.grammar.french_verbs import beside_verb, infinitive, verb_group, verb_of
from earvoice.data.synth.grammar.french_words import french_adjective
from earvoice.data.synth.grammar.tree import (
    COMMA,
    HE,
    NP,
    SHE,
    Clause,
    Mark,
    Sub,
    Token,
    words,
)

_CONJUNCTIONS = {
    "because": ("parce que", ""),
    "although": ("bien que", "subj"),
    "if": ("si", ""),
    "when": ("quand", "future"),
    "as soon as": ("dès que", "future"),
    "before": ("avant que", "subj"),
    "so that": ("pour que", "subj"),
    "that": ("que", ""),
    "that subj": ("que", "subj"),
    "want": ("que", "subj"),
    "whether": ("si", ""),
    "why": ("pourquoi", ""),
    "when?": ("quand", ""),
}
_OPENERS = {
    "However,": "Cependant,",
    "Therefore,": "Par conséquent,",
    "First,": "D'abord,",
    "After that,": "Après cela,",
    "Then": "Ensuite,",
    "Finally,": "Enfin,",
    "Unfortunately,": "Malheureusement,",
    "Fortunately,": "Heureusement,",
    "Of course,": "Bien sûr,",
    "In addition,": "De plus,",
    "For example,": "Par exemple,",
    "Perhaps": "Peut-être que",
}


def opener(english: tuple[str, ...], mark: Mark) -> list[Token]:
    """A sentence opener."""
    return words(_OPENERS[" ".join(english)].split(), mark)


def noun_phrase(np: NP, preposition: str = "", negative: bool = False) -> list[Token]:
    """Words of a noun phrase, its "of" phrase and its relative clause."""
    out = words(head(np, preposition, negative), np)
    if np.of:
        out += noun_phrase(np.of, "de")
    if np.relative is None:
        return out
    inner = np.relative.clause
    joint = "qui"
    if np.relative.gap == "object":
        which = "auquel" if gender(np) == "m" else "à laquelle"  # of one thing or group
        joint = {"de": "dont", "à": which}.get(verb_of(inner, np).slots[0], "que")
    return [*out, *words(joint.split(), np.relative), *clause(inner, antecedent=np)]


def clause(item: Clause, mood: str = "", antecedent: NP | None = None) -> list[Token]:
    """`mood`: "" indicative, "subj", "future" (present for future), "inf" (no subject).

    `antecedent`: the noun phrase that the clause is a relative clause of.
    """
    out = [*adverbial(item.front), COMMA] if item.front else []
    if mood == "inf":
        return [*infinitive(item), *after_verb(item)]
    if item.gap != "subject":
        out += noun_phrase(item.subject)
    return out + verb_group(item, mood, antecedent) + after_verb(item)


def after_verb(item: Clause) -> list[Token]:
    """Complements, predicate, adverbials and the trailing clause."""
    out: list[Token] = []
    slots = verb_of(item).slots if item.verb else ()
    for index, (kind, (_, np)) in enumerate(zip(slots, item.args, strict=False)):
        if (item.gap == "object" and index == 0) or (np.pronoun and kind in ("-", "IO")):
            continue
        preposition = {"-": "", "IO": "à"}.get(kind, kind)
        negated = item.negative and not preposition
        out += noun_phrase(np, preposition, negated)
    if item.predicate:
        out += _predicate(item)
    for kind in ("manner", "place", "time"):
        for extra in item.adverbials:
            if extra.kind == kind and extra is not beside_verb(item):
                out += adverbial(extra)
    return out + sub(item.sub, item) if item.sub else out


def _predicate(item: Clause) -> list[Token]:
    predicate = item.predicate
    assert predicate is not None
    own, plural = gender(item.subject), is_plural(item.subject)
    classes = item.subject.noun.classes if item.subject.noun else frozenset()
    found = french_adjective(predicate.adjective, classes, predicate=True)
    marks = (predicate, item.subject)
    form = agree(found.text, found.feminine, own, plural).split()
    if predicate.than is None:
        return words(form, *marks)
    texts = ["aussi", *form] if predicate.equal else comparative(found, own, plural)
    return words([*texts, "que"], *marks) + noun_phrase(predicate.than)


def sub(item: Sub, main: Clause, leading: bool = False) -> list[Token]:
    """A subordinate clause of `main`; an infinitive where the subjects are the same."""
    inner = item.clause
    if item.kind in ("to", "in order to", "without"):
        lead = {"in order to": "pour", "without": "sans"}.get(item.kind, _before_infinitive(main))
        out = words(lead.split(), item) + clause(inner, "inf")
    elif item.kind == "before" and inner.gap == "same":
        out = words(["avant", "de"], item) + clause(inner, "inf")
    elif item.kind == "so that" and _is_same(main.subject, inner.subject):
        out = words(["pour"], item) + words(["pouvoir"], inner.finite)
        out += clause(inner, "inf")
    else:
        conjunction, mood = _CONJUNCTIONS[item.kind]
        if item.kind == "that subj" and main.verb is not None:
            mood = ""  # espérer que
        out = words(conjunction.split(), item) + clause(inner, mood)
        if item.kind == "although" and not leading:
            out = [COMMA, *out]
    return [*out, COMMA] if leading else out


def _before_infinitive(main: Clause) -> str:
    """de after "décider" and "il est important"."""
    return verb_of(main).before_infinitive if main.verb else "de"


def _is_same(main: NP, inner: NP) -> bool:
    """Whether a pronoun takes up the subject of the main clause."""
    if inner.pronoun is None:
        return False
    return inner.pronoun is main.pronoun or (bool(main.name) and inner.pronoun in (HE, SHE))
