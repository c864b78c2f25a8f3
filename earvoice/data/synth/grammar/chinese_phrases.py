"""Chinese noun phrases: measure words, 的, numbers in characters."""

from __future__ import annotations

from earvoice.data.synth.grammar import chinese_numbers
from earvoice.data.synth.grammar.chinese_words import (
    chinese_adjective,
    chinese_name,
    chinese_noun,
)
from earvoice.data.synth.grammar.tree import NP, THEY_WOMEN, WE, Pronoun, Token, words
from earvoice.data.synth.grammar.words import Noun

_PRONOUNS = {
    "I": "我", "we": "我们", "you": "您", "they": "他们", "he": "他", "she": "她", "it": "它",
    "who": "谁",
}  # fmt: skip


def is_person(noun: Noun) -> bool:
    """Whether 们 marks its plural and 位 or 个 counts it."""
    return not noun.classes.isdisjoint(("person", "kin"))


def classes_of(np: NP) -> frozenset[str]:
    """The noun's classes; "human" for a person."""
    classes = np.noun.classes if np.noun else frozenset()
    return classes | {"human"} if np.is_human else classes


def plain_head(np: NP) -> list[Token]:
    """Words of a noun phrase without its relative clause."""
    if np.pronoun:
        women = np.pronoun is THEY_WOMEN
        return words(["她们" if women else _PRONOUNS[np.pronoun.en]], np)
    if np.name:
        return words([chinese_name(np.name)], np)
    assert np.noun is not None
    out = [*plain_head(np.of), ("的", (np.of,))] if np.of else []
    return out + words([*_owner(np), *_count(np), *_adjective(np), _noun(np)], np)


def _noun(np: NP) -> str:
    assert np.noun is not None
    many = np.plural and np.det in ("def", "poss") and is_person(np.noun)
    return chinese_noun(np.noun).text + ("们" if many else "")


def _owner(np: NP) -> list[str]:
    """我的, 安娜的; without 的 for one's family and company (我姐姐, 我们公司)."""
    if np.det != "poss" or np.noun is None or np.owner is None:
        return []
    if not isinstance(np.owner, Pronoun):
        return [chinese_name(np.owner)] if _has_de(np) else [chinese_name(np.owner), "的"]
    own = _PRONOUNS[np.owner.en]
    family = "kin" in np.noun.classes or ("org" in np.noun.classes and np.owner is WE)
    close = family and np.adjective is None and not np.plural
    return [own] if close or _has_de(np) else [own, "的"]


def _has_de(np: NP) -> bool:
    """Whether 的 stands after an adjective: one is enough (我们重要的项目)."""
    return _adjective(np)[-1:] != [] and _adjective(np)[-1].endswith("的")


def _count(np: NP) -> list[str]:
    """What stands with a measure word: 一份, 这份, 这些, 三份; 一些 and 很多 without."""
    assert np.noun is not None
    measure = chinese_noun(np.noun).measure
    if np.det == "indef":
        return ["一" + measure]
    if np.det == "this":
        return ["这些" if np.plural else "这" + measure]
    if np.det == "number":
        number = chinese_numbers.counting(np.number)
        return [number, measure] if measure else [number]
    return {"some": ["一些"], "many": ["很多"]}.get(np.det, [])


def _adjective(np: NP) -> list[str]:
    if np.adjective is None:
        return []
    found = chinese_adjective(np.adjective, classes_of(np))
    return ["最" + found.text + "的"] if np.superlative else [found.attribute]
