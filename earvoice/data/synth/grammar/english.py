"""English linearisation of a constituent tree: the source side, which defines word positions."""

from __future__ import annotations

from functools import cache

from earvoice.data.synth.grammar import numbers
from earvoice.data.synth.grammar.connectives import CONJUNCTIONS
from earvoice.data.synth.grammar.tree import (
    COMMA,
    NP,
    Adverbial,
    Clause,
    Pronoun,
    Sub,
    Token,
    words,
)

_BE = {"P": ("am", "is", "are", "are"), "S": ("was", "was", "were", "were")}
_HAVE = ("have", "has", "have", "have")
_DOUBLED = {"begin": "beginning", "forget": "forgetting", "plan": "planning"}
_MODALS = {
    "can": ("can",),
    "must": ("must",),
    "should": ("should",),
    "could": ("could",),
    "would like": ("would", "like", "to"),
    "had to": ("had", "to"),
    "wanted": ("wanted", "to"),
    "would": ("would",),
    "F": ("will",),
}


def person(np: NP) -> int:
    """0 = I, 1 = he/she/a singular noun, 2 = everything else."""
    return np.pronoun.en_person if np.pronoun else 3 if np.plural else 1


@cache
def third(base: str) -> str:
    """Third person singular: takes part, studies, teaches."""
    head, _, rest = base.partition(" ")
    if head == "have":
        form = "has"
    elif head.endswith(("s", "x", "ch", "sh", "o")):
        form = head + "es"
    elif head.endswith("y") and head[-2] not in "aeiou":
        form = head[:-1] + "ies"
    else:
        form = head + "s"
    return f"{form} {rest}" if rest else form


@cache
def gerund(base: str) -> str:
    """-ing form."""
    head, _, rest = base.partition(" ")
    if head in _DOUBLED:
        form = _DOUBLED[head]
    else:
        form = (head[:-1] if head.endswith("e") and not head.endswith("ee") else head) + "ing"
    return f"{form} {rest}" if rest else form


def noun_phrase(np: NP, is_object: bool = True) -> list[Token]:
    """Words of a noun phrase, its "of" phrase and its relative clause."""
    if np.pronoun:
        return [(np.pronoun.en_object if is_object else np.pronoun.en, (np,))]
    if np.name:
        return words(np.name.en.split(), np)
    assert np.noun is not None
    texts = _modifiers(np) + [np.noun.en_plural if np.plural else np.noun.en]
    if np.det == "indef":
        texts.insert(0, "an" if _vowel_sound(texts[0]) else "a")
    out = words(texts, np)
    if np.of:
        out += [("of", (np.of,)), *noun_phrase(np.of)]
    if np.relative:
        gap_subject = np.relative.gap == "subject"
        out.append(("who" if gap_subject and np.is_human else "that", (np.relative,)))
        out += clause(np.relative.clause)
    return out


def _modifiers(np: NP) -> list[str]:
    out: list[str] = []
    if np.det == "poss":
        owner = np.owner
        out.append(owner.en_possessive if isinstance(owner, Pronoun) else f"{owner.en}'s")  # type: ignore[union-attr]
    elif np.det == "number":
        out += numbers.english(np.number)
    elif np.det in ("def", "this", "some", "many"):
        plain = {"def": "the", "this": "these" if np.plural else "this"}
        out.append(plain.get(np.det, np.det))
    if np.adjective:
        out += (np.adjective.en_superlative if np.superlative else np.adjective.en).split()
    return out


def _vowel_sound(word: str) -> bool:
    return word[0].lower() in "aeiou" and not word.startswith(("uni", "use"))


def adverbial(item: Adverbial) -> list[Token]:
    """Words of an adverbial."""
    out = words(item.en, item)
    if item.np is None:
        return out
    return noun_phrase(item.np) + out if item.en == ("ago",) else out + noun_phrase(item.np)


def verb_group(item: Clause) -> tuple[list[Token], list[Token]]:
    """(the word that inverts in questions, the rest), negation included."""
    who = person(item.subject)
    fin, main = item.finite, item.main
    auxiliaries, form = _auxiliaries(item, who)
    if not auxiliaries:
        return [], words(form.split(), main, fin)
    first, rest = words(auxiliaries[:1], fin), words(auxiliaries[1:], fin)
    if item.negative:
        if auxiliaries[0] == "can":
            first = [("cannot", (fin, item.negation))]
        else:
            rest.insert(0, ("not", (item.negation,)))
    if item.tense == "G":
        rest.append(("currently", (main,)))
    return first, rest + (words(form.split(), main) if form else [])


def _auxiliaries(item: Clause, who: int) -> tuple[list[str], str]:
    """Auxiliary words and the form of the main verb ("" for the copula itself)."""
    tense, verb = item.tense, item.verb
    passive = item.passive or verb is None
    base = "be" if passive else verb.en  # type: ignore[union-attr]
    tail = verb.participle if item.passive and verb else ""
    if tense in ("P", "S") and passive:
        return [_BE[tense][who]], tail
    assert verb is not None or tense not in ("G",)
    if tense == "G":
        return [_BE["P"][who]], gerund(base)
    if tense == "R":
        done = f"been {tail}".strip() if passive else verb.participle  # type: ignore[union-attr]
        return [_HAVE[who]], done
    if tense in ("P", "S"):
        if item.negative or item.gap == "question":
            return ["did" if tense == "S" else ("does" if who == 1 else "do")], base
        if tense == "S":
            return [], verb.past  # type: ignore[union-attr]
        return [], third(base) if who == 1 else base
    if tense == "want":
        if item.negative or item.gap == "question":
            return ["does" if who == 1 else "do", "want", "to"], f"{base} {tail}".strip()
        return ["wants" if who == 1 else "want", "to"], f"{base} {tail}".strip()
    if tense == "had":
        return [], "had"
    return list(_MODALS[tense]), f"{base} {tail}".strip()


def clause(item: Clause, order: str = "plain") -> list[Token]:
    """`order`: "plain", "question" (auxiliary first) or "bare" (no subject, base verb)."""
    out: list[Token] = adverbial(item.front) if item.front else []
    if order == "bare":
        assert item.verb is not None
        out += words(item.verb.en.split(), item.main, item.finite)
    else:
        subject = [] if item.gap == "subject" else noun_phrase(item.subject, is_object=False)
        first, rest = verb_group(item)
        out += first + subject + rest if order == "question" else subject + first + rest
    return out + after_verb(item)


def after_verb(item: Clause) -> list[Token]:
    """Complements, predicate, adverbials and the trailing clause."""
    out: list[Token] = []
    indirect = [np for slot, np in item.args if slot.es == "IO" and np.pronoun]
    for np in indirect:
        out += noun_phrase(np)
    for index, (slot, np) in enumerate(item.args):
        if np in indirect or (item.gap == "object" and index == 0):
            continue
        out += [(word, (np,)) for word in slot.en.split()] + noun_phrase(np)
    if item.predicate:
        out += _predicate(item)
    for kind in ("manner", "place", "time"):
        for extra in item.adverbials:
            if extra.kind == kind:
                out += adverbial(extra)
    return out + sub(item.sub) if item.sub else out


def _predicate(item: Clause) -> list[Token]:
    predicate = item.predicate
    assert predicate is not None
    adjective = predicate.adjective
    if predicate.than is None:
        return words(adjective.en.split(), predicate)
    if predicate.equal:
        texts = ["as", adjective.en, "as"]
    else:
        texts = [*adjective.en_comparative.split(), "than"]
    return words(texts, predicate) + noun_phrase(predicate.than)


def sub(item: Sub, leading: bool = False) -> list[Token]:
    """A subordinate clause or infinitive; `leading`: it opens the sentence."""
    inner = item.clause
    if item.kind in ("to", "in order to"):
        out = words(item.kind.split(), item) + clause(inner, "bare")
    elif item.kind == "without":
        assert inner.verb is not None
        out = words(["without"], item)
        out += words(gerund(inner.verb.en).split(), inner.main, inner.finite) + after_verb(inner)
    elif item.kind == "want":
        out = noun_phrase(inner.subject)
        out += [("to", (item,)), *clause_without_subject(inner)]
    else:
        out = words(CONJUNCTIONS[item.kind].en, item) + clause(inner)
    return [*out, COMMA] if leading else out


def clause_without_subject(item: Clause) -> list[Token]:
    """Base verb and what follows it: "the team to finish the report"."""
    assert item.verb is not None
    return words(item.verb.en.split(), item.main, item.finite) + after_verb(item)
