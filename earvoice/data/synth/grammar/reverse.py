"""Which derivations can be translated back: whose words have one English translation.

English tells apart what other languages do not ("I sent" and "I have sent" are both "ich habe
geschickt"). Where another language is the source, only one of such readings is said, so that a
sentence has one translation and belongs to one split. Each rule names what it keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from earvoice.data.synth.grammar.adverbials import PERFECT
from earvoice.data.synth.grammar.chinese_phrases import is_person
from earvoice.data.synth.grammar.sentence import Derivation, Statement
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import HE, NP, SHE, Clause

_PERFECT_TIMES = frozenset(tuple(english.split()) for english, *_ in PERFECT)


def has_one_english(item: Derivation, language: str, known: bool = False) -> bool:
    """Whether the derivation's sentence in `language` has only this English translation.

    known: who "he" and "she" are was said before.
    """
    if language == "zh" and not all(map(_counts_itself, noun_phrases(item))):
        return False
    if isinstance(item, Template):
        return True
    found = list(_clauses(item))
    if language == "zh":
        named = known or _names_its_persons(found)
        return named and not any(map(_is_moved, found))
    if language == "es":
        return _names_its_persons(found)
    if any(_is_plain_perfect(one, language) for one in found):
        return False
    return language != "de" or not _says_when(item)


def noun_phrases(item: Derivation) -> Iterator[NP]:
    """Every noun phrase of a sentence, with those inside others."""
    waiting: list[NP | None] = []
    if isinstance(item, Template):
        waiting += [slot for slot in item.slots if isinstance(slot, NP)]
    for clause in _clauses(item):
        times = (*clause.adverbials, *((clause.front,) if clause.front else ()))
        waiting += [clause.subject, *(np for _, np in clause.args)]
        waiting += [extra.np for extra in times]
        waiting.append(clause.predicate.than if clause.predicate else None)
    while waiting:
        np = waiting.pop()
        if np is not None:
            yield np
            waiting.append(np.of)


def _clauses(item: Derivation) -> Iterator[Clause]:
    """Every clause of a sentence, with those inside noun phrases."""
    if isinstance(item, Template):
        return
    waiting: list[Clause | None] = [item.clause]
    if isinstance(item, Statement):
        waiting += [item.second, item.leading.clause if item.leading else None]
    while waiting:
        clause = waiting.pop()
        if clause is None:
            continue
        yield clause
        waiting.append(clause.sub.clause if clause.sub else None)
        for np in (clause.subject, *(np for _, np in clause.args)):
            waiting.append(np.relative.clause if np.relative else None)


def _counts_itself(np: NP) -> bool:
    """Chinese nouns have no article and, but for people, no number: what a bare noun means.

    Alone it is definite and one; food and drink in general are themselves.
    """
    if np.noun is None:
        return True
    if np.plural:
        return is_person(np.noun) or np.det not in ("def", "poss", "bare")
    if "drink" in np.noun.classes:
        return np.det != "def"
    return np.det != "bare"


def _is_moved(clause: Clause) -> bool:
    """Chinese has one order for "we call when ..." and "when ..., we call": the second stays.

    A promise is made in the past.
    """
    after = clause.sub.kind if clause.sub else ""
    promised = clause.tense == "P" and clause.verb is not None and clause.verb.en == "promise"
    return promised or after in ("when", "as soon as", "before", "if")


def _is_plain_perfect(clause: Clause, language: str) -> bool:
    """German and French say past and perfect alike: the perfect stays where its time tells it.

    The German passive tells them apart by itself.
    """
    if clause.tense != "R" or (clause.passive and language == "de"):
        return False
    times = (*clause.adverbials, *((clause.front,) if clause.front else ()))
    return not any(extra.kind == "time" and extra.en in _PERFECT_TIMES for extra in times)


def _says_when(item: Derivation) -> bool:
    """German says "wenn" for "when" and "if": "if" stays."""
    subs = [clause.sub for clause in _clauses(item)]
    if isinstance(item, Statement):
        subs.append(item.leading)
    return any(sub is not None and sub.kind == "when" for sub in subs)


def _names_its_persons(clauses: list[Clause]) -> bool:
    """Spanish leaves out "he" and "she", Chinese says them alike: those named may stay."""
    named = {one.subject.name.gender for one in clauses if one.subject.name}
    wanted = {one.subject.pronoun.es_gender for one in clauses if one.subject.pronoun in (HE, SHE)}
    return wanted <= named
