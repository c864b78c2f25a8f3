"""Which derivations can be translated back: whose German, Spanish or French has one English.

English tells apart what other languages do not ("I sent" and "I have sent" are both "ich habe
geschickt"). Where another language is the source, only one of such readings is said, so that a
sentence has one translation and belongs to one split. Each rule names what it keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from earvoice.data.synth.grammar.adverbials import PERFECT
from earvoice.data.synth.grammar.sentence import Derivation, Statement
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import HE, SHE, Clause

_PERFECT_TIMES = frozenset(tuple(english.split()) for english, *_ in PERFECT)


def has_one_english(item: Derivation, language: str) -> bool:
    """Whether the derivation's sentence in `language` has only this English translation."""
    if isinstance(item, Template):
        return True
    found = list(_clauses(item))
    if language == "es":
        return _names_its_persons(found)
    if any(_is_plain_perfect(one, language) for one in found):
        return False
    return language != "de" or not _says_when(item)


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
    """Spanish leaves out "he" and "she": they stay where the sentence names the person."""
    named = {one.subject.name.gender for one in clauses if one.subject.name}
    wanted = {one.subject.pronoun.es_gender for one in clauses if one.subject.pronoun in (HE, SHE)}
    return wanted <= named
