"""Chinese: golden sentences, numbers and times, words kept apart, one translation each way."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from earvoice.data.manifest import PAUSE
from earvoice.data.synth.espeak import EspeakSynthesizer
from earvoice.data.synth.grammar import chinese_numbers, sample_sentence, words
from earvoice.data.synth.grammar.adverbials import time
from earvoice.data.synth.grammar.chinese_adverbials import fixed
from earvoice.data.synth.grammar.sentence import (
    Derivation,
    Question,
    Request,
    Statement,
    english_words,
    finish,
    source_words,
)
from earvoice.data.synth.grammar.tree import (
    IT,
    SHE,
    THEY,
    WE,
    YOU,
    Adverbial,
    Clause,
    I,
    Predicate,
    Relative,
    Sub,
)
from earvoice.data.synth.phones import PHONES, from_espeak
from earvoice.data.synth.speech import Prosody
from earvoice.errors import AudioError
from earvoice.text.spacing import joined
from tests.data.synth.made_clauses import HABIT, TOMORROW, TRAIN, YESTERDAY, at, c, city, n, name
from tests.data.synth.made_clauses import opener as opener_of
from tests.data.synth.made_clauses import p as pro

LAST_WEEK = at("last week", "letzte Woche", "la semana pasada")
GOLDENS: list[tuple[str, Derivation]] = [
    ("我们上周在柏林和安娜一起讨论了预算。",
     Statement(c(pro(WE), "discuss", "S", n("budget"),
                 adverbials=(LAST_WEEK, city("Berlin"),
                             Adverbial("manner", ("with",), ("mit",), ("con",), name("Anna")))))),
    ("我们给主任寄的报告很重要。",
     Statement(Clause(n("report", relative=Relative(
         c(pro(WE), "send", "S", n("report"), n("director"), gap="object"), "object")),
         None, "P", predicate=Predicate(words.adjective("important"))))),
    ("我们昨天寄的报告很重要。",  # to nobody in particular
     Statement(Clause(n("report", relative=Relative(
         Clause(pro(WE), words.verb("send"), "S", ((words.verb("send").slots[0], n("report")),),
                (YESTERDAY,), gap="object"), "object")),
         None, "P", predicate=Predicate(words.adjective("important"))))),
    ("安娜已经把这份报告寄给了客户。",
     Statement(c(name("Anna"), "send", "R", n("report", "this"), n("customer")))),
    ("我给经理寄了两封信。",
     Statement(c(pro(I), "send", "S", n("letter", "number", plural=True, number=2), n("manager")))),
    ("他们没有把窗户打开。", Statement(c(pro(THEY), "open", "S", n("window"), negative=True))),
    ("火车比公交车快。",
     Statement(Clause(n("train"), None, "P",
                      predicate=Predicate(words.adjective("fast"), n("bus"))))),
    ("我姐姐和我的公司一样有名。",
     Statement(Clause(n("sister", "poss", owner=I), None, "P", predicate=Predicate(
         words.adjective("famous"), n("company", "poss", owner=I), equal=True)))),
    ("她每天坐火车去巴黎旅行。",
     Statement(c(pro(SHE), "travel", "P", name("Paris", "city"), adverbials=(TRAIN, HABIT)))),
    ("您昨天检查了这份报告吗？",
     Question(c(pro(YOU), "check", "S", n("report", "this"), adverbials=(YESTERDAY,),
                gap="question"))),
    ("安娜为什么取消了考试？",
     Question(c(name("Anna"), "cancel", "S", n("exam"), gap="question"), "why")),
    ("请明天把这个房间打扫干净。",
     Request(c(pro(YOU), "clean", "P", n("room", "this"), adverbials=(TOMORROW,)))),
    ("保罗一到达罗马，我们就会给我们的老师打电话。",
     Statement(c(pro(WE), "call", "F", n("teacher", "poss", owner=WE)),
               leading=Sub("as soon as", c(name("Paul"), "arrive", "P", name("Rome", "city"))))),
    ("为了下载程序，我们需要一台新电脑。",
     Statement(c(pro(WE), "need", "P", n("computer", "indef", adjective="new"),
                 sub=Sub("in order to", c(pro(WE), "download", "F", n("program")))))),
    ("因此，我们不知道会议是否会开始。",
     Statement(c(pro(WE), "know", "P", negative=True,
                 sub=Sub("whether", c(n("meeting"), "begin", "F"))),
               opener=opener_of("Therefore,"))),
    ("重要的是我们要签署合同。",
     Statement(Clause(pro(IT), None, "P", predicate=Predicate(words.adjective("important")),
                      sub=Sub("that subj", c(pro(WE), "sign", "P", n("contract")))))),
    ("如果我有更多时间，我们就会参观博物馆。",
     Statement(c(pro(WE), "visit", "would", n("museum")),
               leading=Sub("if", Clause(pro(I), words.verb("have"), "had", adverbials=(
                   at("more time", "mehr Zeit", "más tiempo", "manner"),))))),
    ("团队目前正在柏林组织一场展览。",
     Statement(c(n("team"), "organize", "G", n("exhibition", "indef"),
                 adverbials=(city("Berlin"),)))),
    ("我们重要的项目必须得到支持。",
     Statement(c(n("project", "poss", owner=WE, adjective="important"), "support", "must",
                 passive=True))),
]  # fmt: skip


@pytest.mark.parametrize(("chinese", "item"), GOLDENS, ids=[chinese for chinese, _ in GOLDENS])
def test_golden_sentences(chinese: str, item: Derivation) -> None:
    sentence = finish(item, "test", english_words(item))
    assert joined(sentence.targets["zh"]) == chinese
    back = finish(item, "test", source_words(item, "zh"), "zh")
    assert back.targets["en"] == sentence.source


def test_how_often_stands_behind_the_verb() -> None:
    often = at("twice a month", "zweimal pro Monat", "dos veces al mes")
    item = Statement(c(pro(WE), "check", "P", n("server"), adverbials=(often,)))
    assert (
        joined(finish(item, "", english_words(item)).targets["zh"]) == "我们每个月检查两次服务器。"
    )


def test_needs_wait_for_what_english_says_late() -> None:
    """昨天 needs the last English word; what stands before it in Chinese does not."""
    item = Statement(c(pro(WE), "check", "S", n("contract"), adverbials=(YESTERDAY,)))
    sentence = finish(item, "", english_words(item))
    assert sentence.targets["zh"] == ("我们", "昨天", "检查", "了", "合同。")
    assert sentence.source == ("We", "checked", "the", "contract", "yesterday.")
    assert sentence.needs["zh"] == (0, 4, 4, 4, 4)
    back = finish(item, "", source_words(item, "zh"), "zh")
    assert back.needs["en"] == (0, 3, 4, 4, 4)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2, "二"), (10, "十"), (12, "十二"), (20, "二十"), (105, "一百零五"), (110, "一百一十"),
        (222, "两百二十二"), (1005, "一千零五"), (2020, "两千零二十"), (9999, "九千九百九十九"),
        (10_000, "一万"), (20_300, "两万零三百"), (120_000, "十二万"), (1_000_001, "一百万零一"),
    ],
)  # fmt: skip
def test_numbers(value: int, said: str) -> None:
    assert chinese_numbers.number(value) == said


def test_counting_and_limits() -> None:
    assert chinese_numbers.counting(2) == "两"
    assert chinese_numbers.year(1998) == "一九九八年"
    with pytest.raises(ValueError, match=r"value is 0, it must be 1 \.\. 99,999,999"):
        chinese_numbers.number(0)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("at half past eight", "八点半"), ("at quarter past two", "两点一刻"),
        ("at quarter to one", "差一刻 一点"), ("at five past three", "三点零五分"),
        ("at ten in the evening", "晚上 十点"), ("on the twenty-first of August", "八月二十一号"),
        ("on Sunday morning", "周日 早上"), ("every Tuesday", "每周二"), ("in March", "三月"),
        ("in two thousand and five", "二零零五年"), ("for two weeks", "| 两 个 星期"),
        ("by twelve percent", "| 百分之十二"), ("next Friday at half past one", "下周五 一点半"),
        ("once a week", "每周 | 一次"),
    ],
)  # fmt: skip
def test_adverbials(english: str, chinese: str) -> None:
    assert fixed(tuple(english.split())) == chinese


def test_every_time_has_chinese() -> None:
    rng = random.Random(2)
    for kind in ("past", "future", "perfect", "habit", "clock", "next clock"):
        for _ in range(300):
            item = time(rng, kind)
            assert item.np or fixed(item.en)
    with pytest.raises(KeyError, match="no Chinese for the adverbial 'in a while'"):
        fixed(("in", "a", "while"))


_WORD = re.compile(r"[\u4e00-\u9fff]+[，。？]?")


def test_mandarin_labels_come_after_all_others() -> None:
    """A model's phone head counts labels: what was there keeps its place."""
    assert PHONES[40:56] == (
        PAUSE, *"an bh en eu gh hy ly ny oe on pf rr ts ue x".split(),
    )  # fmt: skip
    assert PHONES[56:] == tuple("cy dz eo ia ie iu jy ong ua ui uo wai ye".split())


def test_mandarin_is_spoken_with_times() -> None:
    """Every word has its time; the same sound in two words keeps its label."""
    words_said = ("我们", "昨天", "检查", "了", "三", "份", "报告。")
    said = EspeakSynthesizer(1).speak_one(words_said, "cmn+f3", Prosody())
    assert all(end > start for start, end in said.words)
    assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(said.words))
    symbols = [phone.symbol for phone in said.phones if phone.symbol != PAUSE]
    assert " ".join(symbols).startswith("w ao m ax n dz uo t ie n jy ie n")
    assert from_espeak("ts.h", "zh") == "ch"
    assert from_espeak("yE35", "zh") == "ye"
    with pytest.raises(AudioError, match="not one of its zh phonemes"):
        from_espeak("q!", "zh")


def test_sampled_chinese_is_clean() -> None:
    rng = random.Random(4)
    for _ in range(3000):
        chinese = sample_sentence(rng).targets["zh"]
        assert all(_WORD.fullmatch(word) for word in chinese), chinese
        text = joined(chinese)
        assert text[-1] in "。？"
        assert text.count("，") <= 3
        assert not re.search("的的|了了|在在|[^十百]二[份位张]|[决打]定会", text), text
