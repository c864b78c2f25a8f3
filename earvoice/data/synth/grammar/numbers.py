"""Number words in English, German, Spanish and French: 1 to 9999 as a native writes them out."""

from __future__ import annotations

_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_EN_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
_DE = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
).split()
_DE_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_ES = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés "
    "veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
).split()
_ES_TENS = "- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_ES_HUNDREDS = (
    "- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
    "ochocientos novecientos"
).split()
_FR = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
    "seize dix-sept dix-huit dix-neuf"
).split()
_FR_TENS = "- - vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()
_EN_ORDINALS = (
    "- first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
    "twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth "
    "twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
).split()


def english(number: int) -> list[str]:
    """Words of 1..9999: 245 -> two hundred and forty-five."""
    if number < 20:
        return [_EN[number]]
    if number < 100:
        ten, one = divmod(number, 10)
        return [_EN_TENS[ten] + (f"-{_EN[one]}" if one else "")]
    unit, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = divmod(number, unit)
    words = [*english(head), name]
    if not rest:
        return words
    return words + (["and"] if rest < 100 else []) + english(rest)


def german(number: int) -> str:
    """One word: 245 -> zweihundertfünfundvierzig; 1 -> ein (counting form before a noun)."""
    if number < 20:
        return _DE[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return (f"{_DE[one]}und" if one else "") + _DE_TENS[ten]
    unit, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    head, rest = divmod(number, unit)
    tail = german(rest) if rest else ""
    if number >= 1000 and 100 <= rest < 200:  # fünftausendeinhundert, but plain hundertzwanzig
        tail = "ein" + tail
    return ("" if head == 1 else german(head)) + name + tail


def spanish(number: int, gender: str = "") -> list[str]:
    """Words of 1..9999. gender "m"/"f": before a noun (veintiún, veintiuna); "": alone."""
    if number >= 1000:
        head, rest = divmod(number, 1000)
        lead = [] if head == 1 else spanish(head, "m")
        return [*lead, "mil", *(spanish(rest, gender) if rest else [])]
    if number == 100:
        return ["cien"]
    if number > 100:
        head, rest = divmod(number, 100)
        hundred = _ES_HUNDREDS[head]
        if gender == "f" and head > 1:
            hundred = hundred[:-2] + "as"
        return [hundred, *(spanish(rest, gender) if rest else [])]
    if number < 30:
        return [_spanish_one(_ES[number], number, gender)]
    ten, one = divmod(number, 10)
    words = [_ES_TENS[ten]]
    return words + (["y", _spanish_one(_ES[one], one, gender)] if one else [])


def _spanish_one(word: str, number: int, gender: str) -> str:
    if number not in (1, 21) or not gender:
        return word
    if gender == "f":
        return word[:-1] + "a"
    return "un" if number == 1 else "veintiún"


def french(number: int, gender: str = "m") -> list[str]:
    """Words of 1..9999 in the spelling before 1990: vingt et une, quatre-vingts, deux cents."""
    if number >= 1000:
        head, rest = divmod(number, 1000)
        lead = [] if head == 1 else french(head)
        return [*lead, "mille", *(french(rest, gender) if rest else [])]
    if number >= 100:
        head, rest = divmod(number, 100)
        hundred = "cent" if rest or head == 1 else "cents"
        return [*([] if head == 1 else [_FR[head]]), hundred] + (
            french(rest, gender) if rest else []
        )
    if number < 20:
        return ["une" if number == 1 and gender == "f" else _FR[number]]
    ten, one = divmod(number, 10)
    rest = number % 20 if ten in (7, 9) else one
    if number == 80:
        return ["quatre-vingts"]
    if not rest:
        return [_FR_TENS[ten]]
    unit = "une" if rest == 1 and gender == "f" else _FR[rest]
    if rest in (1, 11) and number < 80:
        return [_FR_TENS[ten], "et", unit]
    return [f"{_FR_TENS[ten]}-{unit}"]


def english_ordinal(number: int) -> str:
    """1..31: third, twenty-first."""
    return _EN_ORDINALS[number]


def german_ordinal(number: int) -> str:
    """1..31 with the weak dative ending of dates: am dritten, am einundzwanzigsten."""
    irregular = {1: "ersten", 3: "dritten", 7: "siebten", 8: "achten"}
    return irregular.get(number) or german(number) + ("ten" if number < 20 else "sten")


def english_year(year: int) -> list[str]:
    """1998 -> nineteen ninety-eight; 2005 -> two thousand and five; 2014 -> twenty fourteen."""
    if 2000 <= year < 2010:
        return ["two", "thousand", *(["and", _EN[year - 2000]] if year > 2000 else [])]
    head, rest = divmod(year, 100)
    return english(head) + english(rest)


def german_year(year: int) -> str:
    """1998 -> neunzehnhundertachtundneunzig; 2005 -> zweitausendfünf."""
    if year < 2000:
        return german(year // 100) + "hundert" + german(year % 100)
    return german(year) + ("s" if year % 100 == 1 else "")
