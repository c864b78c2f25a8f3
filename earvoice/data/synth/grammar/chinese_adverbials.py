"""Chinese for the adverbials of `adverbials`, which are closed sets: by table and by number words.

on the third of May -> 五月三号; at half past eight -> 八点半; once a week -> 每周 ... 一次.
Most stand before the verb; how long, how often and by how much stand after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from earvoice.data.synth.grammar import chinese_numbers, numbers
from earvoice.data.synth.grammar.chinese_phrases import plain_head
from earvoice.data.synth.grammar.chinese_words import chinese_noun
from earvoice.data.synth.grammar.tree import Adverbial, Token, words
from earvoice.data.synth.grammar.words import nouns

_WEEKDAYS = {
    "Monday": "一", "Tuesday": "二", "Wednesday": "三", "Thursday": "四", "Friday": "五",
    "Saturday": "六", "Sunday": "日",
}  # fmt: skip
MONTHS = {
    name: chinese_numbers.number(place) + "月"
    for place, name in enumerate(
        (
            "January February March April May June July August September October November December"
        ).split(),
        start=1,
    )
}
_PARTS = {"morning": "早上", "afternoon": "下午", "evening": "晚上"}
_FIXED = {
    "yesterday": "昨天",
    "last week": "上周",
    "last month": "上个月",
    "last year": "去年",
    "last summer": "去年夏天",
    "last winter": "去年冬天",
    "yesterday evening": "昨天 晚上",
    "yesterday morning": "昨天 早上",
    "tomorrow": "明天",
    "next week": "下周",
    "next month": "下个月",
    "next year": "明年",
    "soon": "很快",
    "tomorrow morning": "明天 早上",
    "tomorrow evening": "明天 晚上",
    "tomorrow afternoon": "明天 下午",
    "today": "今天",
    "this evening": "今天 晚上",
    "this afternoon": "今天 下午",
    "next summer": "明年夏天",
    "this week": "这周",
    "this month": "这个月",
    "this year": "今年",
    "recently": "最近",
    "every day": "每天",
    "every week": "每周",
    "every month": "每个月",
    "every year": "每年",
    "every morning": "每天 早上",
    "every evening": "每天 晚上",
    "once a week": "每周 | 一次",
    "twice a month": "每个月 | 两次",
    "three times a year": "每年 | 三次",
    "quickly": "迅速地",
    "carefully": "仔细地",
    "in detail": "详细地",
    "successfully": "成功地",
    "by train": "坐 火车",
    "by bus": "坐 公交车",
    "by car": "开车",
    "by ship": "坐 轮船",
    "more time": "| 更多 时间",
    "more money": "| 更多 钱",
    "more information": "| 更多 信息",
    "more experience": "| 更多 经验",
}
_CLOCK = re.compile(r"at (?:(half|quarter|\S+) (past|to) (\S+)|(\S+) in the (\w+))")
_DATE = re.compile(r"on the (\S+) of (\w+)")
_NUMBER = {numbers.english(value)[0]: value for value in range(1, 100)}
_ORDINAL = {numbers.english_ordinal(value): value for value in range(1, 32)}


@dataclass(frozen=True, slots=True)
class Placed:
    """An adverbial's words before the verb and after it."""

    before: tuple[Token, ...]
    after: tuple[Token, ...] = ()


def placed(item: Adverbial) -> Placed:
    """The words of an adverbial with its marks.

    Raises: KeyError for one that the grammar does not have.
    """
    if item.np is None:
        before, _, after = fixed(item.en).partition("|")
        return Placed(tuple(words(before.split(), item)), tuple(words(after.split(), item)))
    inner = plain_head(item.np)
    if item.en == ("ago",):
        return Placed((*inner, ("前", (item,))))
    if item.en == ("with",):
        return Placed((("和", (item,)), *inner, ("一起", (item,))))
    if item.kind == "time":
        return Placed((*inner, ("后", (item,))))
    inside = [("里", (item,))] if item.np.noun else []
    return Placed((("在", (item,)), *inner, *inside))


@cache
def fixed(english: tuple[str, ...]) -> str:
    """The Chinese of an adverbial with fixed words; "|" is where the verb stands."""
    text = " ".join(english)
    found = (
        _FIXED.get(text)
        or _weekday(english)
        or _clock(text)
        or _date(text)
        or _amount(english)
        or _month_or_year(english)
        or _day_and_clock(text)
    )
    if not found:
        raise KeyError(f"no Chinese for the adverbial {text!r}")
    return found


def _weekday(english: tuple[str, ...]) -> str:
    lead, *rest = english
    if not rest or rest[0] not in _WEEKDAYS:
        return ""
    day = {"on": "周", "last": "上周", "next": "下周", "every": "每周"}[lead] + _WEEKDAYS[rest[0]]
    return day if len(rest) == 1 else f"{day} {_PARTS[rest[1]]}" if rest[1] in _PARTS else ""


def _clock(text: str) -> str:
    match = _CLOCK.fullmatch(text)
    if not match:
        return ""
    minutes, side, hour, full, part = match.groups()
    if full:
        return f"{_PARTS[part]} {_hour(full)}" if part in _PARTS else ""
    if side == "to":
        return f"差一刻 {_hour(hour)}"
    if minutes in ("half", "quarter"):
        return _hour(hour) + {"half": "半", "quarter": "一刻"}[minutes]
    past = _NUMBER[minutes]
    return _hour(hour) + ("零" if past < 10 else "") + chinese_numbers.number(past) + "分"


def _hour(english: str) -> str:
    return chinese_numbers.counting(_NUMBER[english]) + "点"


def _date(text: str) -> str:
    match = _DATE.fullmatch(text)
    return MONTHS[match[2]] + chinese_numbers.ordinal_day(_ORDINAL[match[1]]) if match else ""


def _amount(english: tuple[str, ...]) -> str:
    """for two weeks, by twenty percent."""
    if english[0] == "for" and len(english) == 3:
        unit = chinese_noun(next(noun for noun in nouns() if noun.en_plural == english[2]))
        return f"| {chinese_numbers.counting(_NUMBER[english[1]])} {unit.measure} {unit.text}"
    if english[0] == "by" and english[-1] == "percent":
        return f"| 百分之{chinese_numbers.number(_NUMBER[english[1]])}"
    return ""


def _month_or_year(english: tuple[str, ...]) -> str:
    if english[0] != "in":
        return ""
    return MONTHS.get(english[1], "") or _years().get(english[1:], "")


@cache
def _years() -> dict[tuple[str, ...], str]:
    return {
        tuple(numbers.english_year(value)): chinese_numbers.year(value)
        for value in range(1900, 2100)
        if value % 100 or value == 2000
    }


def _day_and_clock(text: str) -> str:
    day, at, hour = text.partition(" at ")
    return f"{fixed(tuple(day.split()))} {_clock(at.strip() + ' ' + hour)}" if at else ""
