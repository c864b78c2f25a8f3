"""Numbers in a text as values: digits, and words of English, German, Spanish, Chinese, Japanese.

    "1.250 Menschen, dreiundzwanzig Städte und 3,5 Millionen"   ->   1250  23  3500000

Words that are more often something else ("one", "ein", "un", a single Chinese numeral) are found
only where asked for: they may fulfil a number of the reference, and are none themselves. Ordinals
and years read in pairs ("nineteen eighty-four") are not known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from earvoice.text.languages import primary

LONGEST = 40
"""Digits or numerals in a row; what is longer is no number but a model that repeats itself."""
_LONGEST_WORD = 80
"""Letters of a German numeral: the longest up to 999,999 has 54."""

_DIGITS = re.compile(r"\d+(?:[.,'’]\d+)*")
_THIN = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
"""A space that parts thousands and no words; NFKC would make it one like any other."""
_WORD = re.compile(rf"{_DIGITS.pattern}|[^\W\d_]+|[,.;:!?]")
_NUMERALS = re.compile(r"[零〇一二两兩三四五六七八九十百千万萬亿億]+")
_CJK_DIGITS = MappingProxyType({c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0})
_CJK_PLACES = MappingProxyType({"十": 10, "百": 100, "千": 1000})
_CJK_SCALES = MappingProxyType({"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8})
_DECIMAL_COMMA = frozenset({"de", "es", "fr", "it", "pt", "nl", "cs", "pl", "ru", "uk", "sv", "da"})
_CJK = frozenset({"zh", "yue", "ja"})


@dataclass(frozen=True)
class _Words:
    """Number words of a language. link: may stand inside a number ("and", "y")."""

    values: Mapping[str, int]
    scales: Mapping[str, int]
    ambiguous: frozenset[str] = frozenset()
    link: str = ""


def numbers_in(text: str, language: str, *, ambiguous: bool = False) -> list[Fraction]:
    """The values of all numbers, in order. ambiguous: also words that may be something else."""
    told = "".join(" " if _is_raised(sign) else sign for sign in _THIN.sub("'", text))
    folded = unicodedata.normalize("NFKC", told).casefold()
    code = primary(language)
    if code in _CJK:
        return _cjk(folded, ambiguous=ambiguous)
    words = _LANGUAGES.get(code, _Words({}, {}))
    return _Reader(words, code in _DECIMAL_COMMA, ambiguous).read(_WORD.findall(folded))


def _is_raised(sign: str) -> bool:
    """A superscript, subscript or fraction: NFKC makes m² an m2, and of ½ a 1 and a 2."""
    return unicodedata.decomposition(sign).startswith(("<super>", "<sub>", "<fraction>"))


def _of_digits(token: str, *, decimal_comma: bool) -> list[Fraction]:
    """`1.000,5` where a comma is the decimal sign, `1,000.5` elsewhere; a date is its parts."""
    if len(token) > LONGEST:
        return []
    group, point = (".", ",") if decimal_comma else (",", ".")
    grouped = rf"\d{{1,3}}(?:[{group}'’]\d{{3}})+"
    if re.fullmatch(rf"(?:{grouped}|\d+)(?:[{point}]\d+)?", token):
        whole, _, rest = token.partition(point)
        return [Fraction(re.sub(r"\D", "", whole) + (f".{rest}" if rest else ""))]
    parts = re.split(r"\D", token)
    if len(parts) == 2:  # the other sign, and no thousands after it: a decimal all the same
        return [Fraction(".".join(parts))]
    return [Fraction(part) for part in parts]


class _Reader:
    """Adds words up to numbers: `two hundred and five thousand` = (2 * 100 + 5) * 1000."""

    def __init__(self, words: _Words, decimal_comma: bool, ambiguous: bool) -> None:
        self.words, self.decimal_comma, self.ambiguous = words, decimal_comma, ambiguous
        self.found: list[Fraction] = []
        self._clear()

    def _clear(self) -> None:
        self.total, self.group = Fraction(0), Fraction(0)
        self.room: int | None = None  # what is added next must be less; None: no number is open
        self.scale: int | None = None  # the last one; the next must be less
        self.parts: list[str] = []

    def _close(self) -> None:
        alone = len(self.parts) == 1 and self.parts[0] in self.words.ambiguous
        if self.room is not None and (self.ambiguous or not alone):
            self.found.append(self.total + self.group)
        self._clear()

    def read(self, tokens: list[str]) -> list[Fraction]:
        """The numbers of a list of words."""
        for index, token in enumerate(tokens):
            if token[0].isdecimal():
                self._digits(token)
            elif token in self.words.scales:
                self._multiply(token, self.words.scales[token])
            elif (value := self._value(token)) is not None:
                self._add(token, value)
            elif token != self.words.link or not self._links(tokens[index + 1 : index + 2]):
                self._close()
        self._close()
        return self.found

    def _digits(self, token: str) -> None:
        self._close()
        values = _of_digits(token, decimal_comma=self.decimal_comma)
        if not values:
            return
        *before, last = values
        self.found += before
        self.group, self.room, self.parts = last, 0, [token]

    def _value(self, token: str) -> int | None:
        if self.words is _LANGUAGES["de"]:
            return _german(token)
        return self.words.values.get(token)

    def _add(self, token: str, value: int) -> None:
        if self.room is None or value >= self.room:
            self._close()
        self.group += value
        zeros = next((place for place in (1000, 100, 10) if value and value % place == 0), 0)
        self.room = zeros if value >= 20 else 0
        self.parts.append(token)

    def _multiply(self, token: str, scale: int) -> None:
        if scale == 100:  # "hundred" stays in its group of three
            if self.room is None or not 0 < self.group < 100:
                self._close()
            self.group = (self.group or Fraction(1)) * 100
            self.room = 100
        else:
            if self.scale is not None and scale >= self.scale:
                self._close()
            self.total += (self.group or Fraction(1)) * scale
            self.group, self.room, self.scale = Fraction(0), scale, scale
        self.parts.append(token)

    def _links(self, following: list[str]) -> bool:
        """Whether the number goes on after the link."""
        if not following or self.room is None:
            return False
        value = self._value(following[0])
        return value is not None and value < self.room


def _german(token: str) -> int | None:
    """`zweihundertdreiundvierzig`: one word up to 999 999."""
    if len(token) > _LONGEST_WORD:
        return None
    if token in _DE_ONES:
        return _DE_ONES[token]
    for name, scale, limit in (("tausend", 1000, 1000), ("hundert", 100, 10)):
        before, found, after = token.partition(name)
        if not found:
            continue
        count = _german(before) if before else 1
        rest = _german(after.removeprefix("und")) if after else 0
        if count is None or rest is None or not 0 < count < limit or rest >= scale:
            return None
        return count * scale + rest
    return None


def _cjk(text: str, *, ambiguous: bool) -> list[Fraction]:
    found: list[tuple[int, Fraction]] = []
    for match in _DIGITS.finditer(text):
        values = _of_digits(match.group(), decimal_comma=False)
        if not values:
            continue
        scale = 1
        for letter in text[match.end() : match.end() + 2]:
            if letter not in _CJK_SCALES and letter not in _CJK_PLACES:
                break
            scale *= _CJK_SCALES.get(letter) or _CJK_PLACES[letter]
        found += [(match.start(), value) for value in [*values[:-1], values[-1] * scale]]
    for match in _NUMERALS.finditer(text):
        numeral = match.group()
        after_digit = match.start() > 0 and text[match.start() - 1].isdecimal()
        if not after_digit and (ambiguous or len(numeral) > 1) and len(numeral) <= LONGEST:
            found.append((match.start(), Fraction(_numeral(numeral))))
    return [value for _, value in sorted(found)]


def _numeral(numeral: str) -> int:
    """`三万二千零五` = 32005; `二零二四`, read out, = 2024."""
    numeral = numeral.replace("两", "二").replace("兩", "二")
    if all(letter in _CJK_DIGITS for letter in numeral):
        return int("".join(str(_CJK_DIGITS[letter]) for letter in numeral))
    total = group = digit = 0
    for letter in numeral:
        if letter in _CJK_DIGITS:
            digit = _CJK_DIGITS[letter]
        elif letter in _CJK_PLACES:
            group += (digit or 1) * _CJK_PLACES[letter]
            digit = 0
        else:
            total += ((group + digit) or 1) * _CJK_SCALES[letter]
            group = digit = 0
    return total + group + digit


def _numbered(names: str, start: int = 0, step: int = 1) -> dict[str, int]:
    return {name: start + step * index for index, name in enumerate(names.split())}


def _german_ones() -> dict[str, int]:
    """0 to 99; `ein` is one inside of words."""
    ones = _numbered(
        "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
        "fünfzehn sechzehn siebzehn achtzehn neunzehn"
    )
    tens = _numbered("zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig", 20, 10)
    both = {
        f"{one}und{ten}": high + low
        for one, low in ones.items()
        for ten, high in tens.items()
        if 0 < low < 10
    }
    return {**ones, **tens, **both, "eins": 1, "eine": 1, "einen": 1, "einer": 1}


_DE_ONES: Mapping[str, int] = MappingProxyType(_german_ones())
_LANGUAGES: Mapping[str, _Words] = MappingProxyType(
    {
        "en": _Words(
            _numbered(
                "zero one two three four five six seven eight nine ten eleven twelve thirteen "
                "fourteen fifteen sixteen seventeen eighteen nineteen"
            )
            | _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
            {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9},
            frozenset({"one"}),
            "and",
        ),
        "de": _Words(
            _DE_ONES,
            {"million": 10**6, "millionen": 10**6, "milliarde": 10**9, "milliarden": 10**9},
            frozenset({"ein", "eine", "einen", "einer"}),
        ),
        "es": _Words(
            _numbered(
                "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece "
                "catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno "
                "veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
                "veintiocho veintinueve"
            )
            | _numbered("treinta cuarenta cincuenta sesenta setenta ochenta noventa", 30, 10)
            | _numbered(
                "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
                "ochocientos novecientos",
                100,
                100,
            )
            | {"cien": 100, "un": 1, "una": 1, "veintiún": 21, "doscientas": 200},
            {"mil": 1000, "millón": 10**6, "millones": 10**6},
            frozenset({"uno", "un", "una"}),
            "y",
        ),
    }
)
