"""Passages that refer back: what a later sentence means was said once, earlier in the talk.

    zh-en   这是来自柏林的安娜。 ... 她 (tā, as 他) 检查了报告。        She, because Anna was named
    en-zh   Our guests are Anna and Maria. ... They checked ...   她们, because both are women
    en-zh   The automatic translation system is called ATS. ...   自译系, not 先交服

A sentence that depends on an earlier one says so in its notes: the target word that shows whether
it was understood, what it would be otherwise, and how many sentences ago the answer was given.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from earvoice.data.synth.grammar import clauses
from earvoice.data.synth.grammar.reverse import noun_phrases
from earvoice.data.synth.grammar.sentence import Derivation, Sentence, Statement
from earvoice.data.synth.grammar.talks import checked
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import HE, NP, SHE, THEY, THEY_WOMEN, Clause, Pronoun
from earvoice.data.synth.grammar.words import Name, Verb, names, verbs
from earvoice.data.synth.interpreted.terms import invent

LANGUAGES = ("en", "zh")
_MARKS = ",.?，。？"
_FIRST = (
    ("automatic", "自动", "自"), ("advanced", "先进", "先"), ("digital", "数字", "数"),
    ("domestic", "国内", "国"), ("regional", "地区", "区"), ("rural", "农村", "农"),
    ("mobile", "移动", "移"), ("modern", "现代", "现"), ("national", "全国", "全"),
    ("natural", "天然", "天"), ("public", "公共", "公"), ("private", "私人", "私"),
    ("central", "中央", "中"), ("civil", "民用", "民"),
)  # fmt: skip
_SECOND = (
    ("translation", "翻译", "译"), ("traffic", "交通", "交"), ("training", "培训", "培"),
    ("payment", "支付", "付"), ("planning", "规划", "规"), ("health", "健康", "健"),
    ("housing", "住房", "房"), ("energy", "能源", "能"), ("education", "教育", "育"),
    ("safety", "安全", "安"), ("storage", "存储", "存"), ("water", "供水", "水"),
    ("weather", "气象", "象"), ("waste", "垃圾", "垃"), ("finance", "金融", "金"),
    ("forestry", "林业", "林"),
)  # fmt: skip
_THIRD = (
    ("system", "系统", "系"), ("service", "服务", "服"), ("software", "软件", "软"),
    ("platform", "平台", "台"), ("program", "方案", "案"), ("project", "工程", "程"),
    ("network", "网络", "网"),
)  # fmt: skip
_FEWEST, _MOST = 2, 4


def episode(
    rng: random.Random, topic: str, split: str, language: str, *, decisive: bool = False
) -> list[Sentence]:
    """An introduction and some sentences that refer to it, in a language of English and Chinese.

    decisive: only references that nothing in their own sentence resolves.
    """
    if language == "zh":
        return _person(rng, topic, split, language)
    kinds = [_pair, _abbreviation] if decisive else [_pair, _abbreviation, _person]
    return rng.choice(kinds)(rng, topic, split, language)


def _person(rng: random.Random, topic: str, split: str, language: str) -> list[Sentence]:
    """One person, named once, then he or she."""
    gender = rng.choice("fm")
    intro = _sentence(topic, partial(_introduction, rng, split, gender, 1), split, language)
    pronoun = SHE if gender == "f" else HE
    right, wrong = ("she", "he") if gender == "f" else ("he", "she")
    if language != "zh":
        right, wrong = ("她", "他") if gender == "f" else ("他", "她")
    follow = partial(_taken_up, rng, topic, pronoun)
    said = _followed(rng, topic, follow, split, language)
    marked = [_marked(s, right, wrong, back) for back, s in said]
    return [_introduces(intro), *(marked if language == "zh" else (s for _, s in said))]


def _pair(rng: random.Random, topic: str, split: str, language: str) -> list[Sentence]:
    """Two people of one sex, then they: 她们 or 他们."""
    gender = rng.choice("fm")
    intro = _sentence(topic, partial(_introduction, rng, split, gender, 2), split, language)
    pronoun = THEY_WOMEN if gender == "f" else THEY
    right, wrong = ("她们", "他们") if gender == "f" else ("他们", "她们")
    follow = partial(_taken_up, rng, topic, pronoun)
    said = _followed(rng, topic, follow, split, language)
    return [_introduces(intro), *(_marked(s, right, wrong, back) for back, s in said)]


def _abbreviation(rng: random.Random, topic: str, split: str, language: str) -> list[Sentence]:
    """A long name with its abbreviation, then the abbreviation alone."""
    parts = [rng.choice(_FIRST), rng.choice(_SECOND), rng.choice(_THIRD)]

    def make() -> Derivation:
        parts[:] = [rng.choice(_FIRST), rng.choice(_SECOND), rng.choice(_THIRD)]
        full, short = _full(parts), _short(parts)
        return Template(
            "{0}|is called|{1}|for short", "", "", (NP(name=full), NP(name=_bare(short)))
        )

    intro = _sentence(topic, make, split, language)
    short = _short(parts)
    follow = partial(_about, rng, topic, NP(name=short))
    said = _followed(rng, topic, follow, split, language)
    right = dict(short.others)["zh"]
    others = [_other(rng, parts) for _ in range(20)]
    wrong = next((other for other in others if other != right), "")
    return [
        _introduces(intro),
        *(_marked(s, right, wrong, back) if wrong else s for back, s in said),
    ]


def _bare(short: Name) -> Name:
    """The abbreviation as a bare name: ATS for "the ATS"."""
    return replace(short, en=short.en.removeprefix("the "))


def _full(parts: list[tuple[str, str, str]]) -> Name:
    english = "The " + " ".join(part[0] for part in parts)
    return Name("product", english, "", "", "", (("zh", "".join(part[1] for part in parts)),))


def _short(parts: list[tuple[str, str, str]]) -> Name:
    letters = "".join(part[0][0].upper() for part in parts)
    return Name(
        "product", f"the {letters}", "", "", "", (("zh", "".join(part[2] for part in parts)),)
    )


def _other(rng: random.Random, parts: list[tuple[str, str, str]]) -> str:
    """Another Chinese abbreviation with the same English letters."""
    choices = [
        [item for item in group if item[0][0] == part[0][0]]
        for group, part in zip((_FIRST, _SECOND, _THIRD), parts, strict=True)
    ]
    return "".join(rng.choice(options)[2] for options in choices)


def _introduction(rng: random.Random, split: str, gender: str, count: int) -> Derivation:
    """This is Anna from Berlin. Our guests today are Ms Kamilo and Ms Ratiso."""
    people = [_named(rng, split, gender)]
    while len(people) < count:
        other = _named(rng, split, gender)
        if other != people[0]:
            people.append(other)
    slots = tuple(NP(name=person) for person in people)
    if count == 2:
        lead = rng.choice(("Our guests today are", "I would like to introduce"))
        return Template(f"{lead}|{{0}}|and|{{1}}", "", "", slots)
    if rng.random() < 0.3:
        return Template("Our guest today is|{0}", "", "", slots)
    town = NP(name=rng.choice(names("city")))
    return Template("This is|{0}|from|{1}", "", "", (*slots, town))


def _named(rng: random.Random, split: str, gender: str) -> Name:
    """A person whose sex is known: by a common first name, or by a title."""
    if rng.random() < 0.5:
        return rng.choice([name for name in names("name") if name.gender == gender])
    term = invent(rng, "name", split)
    title, suffix = ("Ms", "女士") if gender == "f" else ("Mr", "先生")
    chinese = term.form("zh") + suffix
    return Name("name", f"{title} {term.form('en')}", "", "", gender, (("zh", chinese),))


def _taken_up(rng: random.Random, topic: str, pronoun: Pronoun) -> Derivation:
    """A statement about the person or people; nobody else with a sex is in it."""
    while True:
        who = NP(pronoun=pronoun)
        item = Statement(clauses.sample(rng, topic, tenses="SRFM", who=who))
        if not any(_is_somebody(np) for np in noun_phrases(item) if np is not who):
            return item


def _is_somebody(np: NP) -> bool:
    """A named person or a third person's pronoun, also as an owner."""
    owners = (np.owner,) if np.owner else ()
    named = bool(np.name and np.name.kind == "name") or any(isinstance(o, Name) for o in owners)
    return named or np.pronoun in (HE, SHE, THEY) or any(o in (HE, SHE, THEY) for o in owners)


def _about(rng: random.Random, topic: str, thing: NP) -> Derivation:
    """A statement whose object is the thing."""
    while True:
        item = clauses.sample(rng, topic, tenses="SRFM", verb=rng.choice(_software_frames()))
        made = Statement(_with_object(item, thing))
        if not says_they(made):
            return made


def says_they(item: Derivation) -> bool:
    """Whether it says they or their: unclear once women have been introduced."""
    return any(np.pronoun is THEY or np.owner is THEY for np in noun_phrases(item))


def _with_object(item: Clause, thing: NP) -> Clause:
    slot, _ = item.args[0]
    return replace(item, args=((slot, NP(name=thing.name)),))


@cache
def _software_frames() -> tuple[Verb, ...]:
    return tuple(
        verb
        for verb in verbs()
        if len(verb.slots) == 1
        and "soft" in verb.slots[0].classes
        and not verb.slots[0].en
        and "S" in verb.tenses
    )


def _followed(
    rng: random.Random, topic: str, follow: Callable[[], Derivation], split: str, language: str
) -> list[tuple[int, Sentence]]:
    """The sentences that refer back, each with how many sentences ago the answer was given."""
    count = rng.randint(_FEWEST, _MOST)
    return [(back, _sentence(topic, follow, split, language)) for back in range(1, count + 1)]


def _sentence(topic: str, make: Callable[[], Derivation], split: str, language: str) -> Sentence:
    return checked(topic, make, split, language, known=True, languages=LANGUAGES)[1]


def _introduces(sentence: Sentence) -> Sentence:
    return replace(sentence, notes={"introduces": True})


def _marked(sentence: Sentence, right: str, wrong: str, back: int) -> Sentence:
    """The sentence with the target word that shows whether the reference was understood."""
    target = "en" if sentence.language == "zh" else "zh"
    words = [word.strip(_MARKS).lower() for word in sentence.targets[target]]
    if right not in words:
        return sentence
    note = {
        "language": target,
        "word": words.index(right),
        "right": right,
        "wrong": wrong,
        "back": back,
    }
    return replace(sentence, notes=dict(sentence.notes) | {"reference": note})
