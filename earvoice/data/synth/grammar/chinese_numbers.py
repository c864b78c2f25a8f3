"""Chinese number words: 1 to 99,999,999, counting forms with 两, years digit by digit."""

from __future__ import annotations

_DIGITS = "零一二三四五六七八九"
_UNITS = ((1000, "千"), (100, "百"), (10, "十"))


def number(value: int) -> str:
    """As it is said alone: 二百四十五, 两千零五, 一万二千.

    两 for 2 before 百, 千 and 万. Raises: ValueError outside 1..99,999,999.
    """
    if not 0 < value < 10**8:
        raise ValueError(f"value is {value}, it must be 1 .. 99,999,999")
    head, rest = divmod(value, 10_000)
    if not head:
        text = _below_ten_thousand(rest)
    else:
        text = ("两" if head == 2 else _below_ten_thousand(head)) + "万"
        if rest:
            text += ("零" if rest < 1000 else "") + _below_ten_thousand(rest)
    return text.removeprefix("一") if text.startswith("一十") else text


def counting(value: int) -> str:
    """Before a measure word: 两份, but 十二份."""
    return "两" if value == 2 else number(value)


def ordinal_day(value: int) -> str:
    """A day of the month: 二号, 二十一号."""
    return number(value) + "号"


def year(value: int) -> str:
    """一九九八年."""
    return "".join(_DIGITS[int(digit)] for digit in str(value)) + "年"


def _below_ten_thousand(value: int) -> str:
    text = ""
    skipped = False
    for size, unit in _UNITS:
        digit, value = divmod(value, size)
        if not digit:
            skipped = bool(text)
            continue
        lead = "两" if digit == 2 and size > 10 else _DIGITS[digit]
        text += ("零" if skipped else "") + lead + unit
        skipped = False
    if value:
        text += ("零" if skipped else "") + _DIGITS[value]
    return text
