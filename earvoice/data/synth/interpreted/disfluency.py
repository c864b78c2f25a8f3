"""Slips of a speaker that an interpreter leaves out: fillers, repeated words, corrected words.

    We  um,  will meet  on  on  Monday, I mean,  Tuesday.
    我们 呃， 会      在周一，不对，周二见面。

Only the source changes; what a target word needs is the same word, a few places later.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from earvoice.data.synth.grammar.adverbials import MONTHS, WEEKDAYS
from earvoice.data.synth.grammar.sentence import Sentence
from earvoice.data.synth.grammar.words import adjectives, names

_FILLERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("um,", "uh,", "well,", "you know,", "I mean,", "er,"),
        "zh": ("嗯，", "呃，", "那个，", "这个 嘛，", "怎么 说 呢，", "就是 说，"),
    }
)
_CORRECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"en": ("no,", "sorry,", "no, sorry,", "I mean,"), "zh": ("不对，", "不是，", "对不起，")}
)
_MARKS = ",.?，。？"
_PARTICLES = frozenset(
    "了 的 吗 里 前 后 次 是 一次 两次 三次 干净 天 年 月 个 分钟 小时 星期 欧元 美元".split()
    + "位 份 封 本 篇 条 张 部 台 辆 列 艘 架 座 所 家 场 门 届 项 种".split()
    + "把 件 扇 块 间 栋 顿 杯 时候 之前 钱 面 歉".split()
)
"""What nobody says apart from the word before it."""
_ZH_DAYS = tuple("周" + day for day in "一二三四五六日")
_ZH_MONTHS = tuple(month + "月" for month in "一 二 三 四 五 六 七 八 九 十 十一 十二".split())


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a sentence has each kind of slip."""

    filler: float = 0.3
    repeat: float = 0.15
    correction: float = 0.12


def _exchangeable(language: str) -> tuple[tuple[str, ...], ...]:
    """Sets of words of which one is easily said for another."""
    people = names("name")
    if language == "zh":
        from earvoice.data.synth.grammar.chinese_words import chinese_name

        return (_ZH_DAYS, _ZH_MONTHS, tuple(chinese_name(name) for name in people))
    return (
        tuple(day[0] for day in WEEKDAYS),
        tuple(month[0] for month in MONTHS),
        tuple(name.en for name in people),
    )


def stumble(rng: random.Random, sentence: Sentence, rates: Rates | None = None) -> Sentence:
    """The sentence as a speaker without notes says it; its translations are unchanged."""
    rates = rates or Rates()
    words = sentence.source
    inserts: dict[int, list[str]] = {}
    if rng.random() < rates.correction:
        inserts |= _correction(rng, words, sentence.language)
    if rng.random() < rates.repeat:
        at = rng.randrange(1, max(2, len(words) - 1))
        said = words[at - 1]
        if at not in inserts and said[-1] not in _MARKS and said not in _PARTICLES:
            inserts[at] = [_inside(sentence, at - 1)]
    if rng.random() < rates.filler:
        at = rng.randrange(len(words))
        if words[at].strip(_MARKS) not in _PARTICLES:
            inserts.setdefault(at, rng.choice(_FILLERS[sentence.language]).split())
    return _with(sentence, inserts)


def _inside(sentence: Sentence, place: int) -> str:
    """A word as it is written where it does not begin its sentence."""
    word = sentence.source[place]
    if place or sentence.language == "zh":
        return word
    terms = [term["words"] for term in sentence.notes.get("terms", ())]
    if word.strip(_MARKS).removesuffix("'s") in _capitals() or any(0 in at for at in terms):
        return word
    return word[0].lower() + word[1:]


@cache
def _capitals() -> frozenset[str]:
    """English words that always have a capital."""
    listed = [name.en for kind in ("name", "city", "country", "language") for name in names(kind)]
    times = [name[0] for name in (*WEEKDAYS, *MONTHS)]
    return frozenset((*listed, *times, *(item.en for item in adjectives()), "I", "Ms", "Mr"))


def _correction(rng: random.Random, words: Sequence[str], language: str) -> dict[int, list[str]]:
    """A wrong word and its correction before one of the words, where there is one to confuse."""
    found = []
    for place, word in enumerate(words):
        for group in _exchangeable(language):
            if word.strip(_MARKS) in group:
                found.append((place, word.strip(_MARKS), group))
    if not found:
        return {}
    place, right, group = rng.choice(found)
    wrong = rng.choice([item for item in group if item != right])
    comma = "，" if language == "zh" else ","
    return {place: [wrong + comma, *rng.choice(_CORRECTIONS[language]).split()]}


def _with(sentence: Sentence, inserts: Mapping[int, Sequence[str]]) -> Sentence:
    """The sentence with words put in before its words; places of the rest move on."""
    if not inserts:
        return sentence
    said = {tuple(filler.split()) for filler in _FILLERS[sentence.language]}
    source: list[str] = []
    moved: list[int] = []
    extra: list[int] = []
    for place in range(len(sentence.source)):
        added = list(inserts.get(place, ()))
        if place == 0 and added:
            added[0] = added[0][0].upper() + added[0][1:]
        elif added and tuple(added) in said and source[-1][-1] not in _MARKS:
            source[-1] += added[-1][-1]
        extra += range(len(source), len(source) + len(added))
        source += added
        moved.append(len(source))
        source.append(_inside(sentence, 0) if added and not place else sentence.source[place])
    needs = {
        language: tuple(moved[place] for place in places)
        for language, places in sentence.needs.items()
    }
    notes: dict[str, Any] = dict(sentence.notes) | {"disfluent": extra}
    if "terms" in notes:
        notes["terms"] = [
            term | {"words": [moved[place] for place in term["words"]]} for term in notes["terms"]
        ]
    return replace(sentence, source=tuple(source), needs=needs, notes=notes)
