"""The languages we know by their BCP-47 primary subtag."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from earvoice.errors import UsageError


@dataclass(frozen=True)
class Language:
    """`code`: primary subtag; `name`: English; `spaced`: words are separated by spaces.

    Where they are not, a "word" of a policy or of a metric is a character.
    """

    code: str
    name: str
    spaced: bool = True


_UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo", "dz"})

_NAMES = """
af Afrikaans|am Amharic|ar Arabic|az Azerbaijani|be Belarusian|bg Bulgarian|bn Bengali|bo Tibetan
bs Bosnian|ca Catalan|cs Czech|cy Welsh|da Danish|de German|dz Dzongkha|el Greek|en English
es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fil Filipino|fr French|ga Irish|gl Galician
gu Gujarati|ha Hausa|he Hebrew|hi Hindi|hr Croatian|hu Hungarian|hy Armenian|id Indonesian
ig Igbo|is Icelandic|it Italian|ja Japanese|jv Javanese|ka Georgian|kk Kazakh|km Khmer|kn Kannada
ko Korean|ky Kyrgyz|lb Luxembourgish|lo Lao|lt Lithuanian|lv Latvian|mi Maori|mk Macedonian
ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|nb Norwegian Bokmål|ne Nepali
nl Dutch|nn Norwegian Nynorsk|no Norwegian|or Odia|pa Punjabi|pl Polish|ps Pashto|pt Portuguese
ro Romanian|ru Russian|sd Sindhi|sk Slovak|sl Slovenian|sn Shona|so Somali|sq Albanian|sr Serbian
sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik|th Thai|tl Tagalog|tr Turkish|uk Ukrainian
ur Urdu|uz Uzbek|vi Vietnamese|wo Wolof|xh Xhosa|yo Yoruba|yue Cantonese|zh Chinese|zu Zulu
"""


def _table() -> MappingProxyType[str, Language]:
    entries = (entry.partition(" ") for line in _NAMES.split("\n") for entry in line.split("|"))
    return MappingProxyType(
        {code: Language(code, name, code not in _UNSPACED) for code, _, name in entries if code}
    )


LANGUAGES = _table()

_THREE_LETTERS = MappingProxyType(
    dict(
        pair.split(":")
        for pair in (
            "ara:ar arb:ar ces:cs cze:cs chi:zh cmn:zh zho:zh dan:da deu:de ger:de dut:nl nld:nl "
            "ell:el gre:el eng:en fin:fi fra:fr fre:fr heb:he hin:hi hun:hu ind:id ita:it jpn:ja "
            "khm:km kor:ko lao:lo mya:my bur:my nor:no pol:pl por:pt ron:ro rum:ro rus:ru spa:es "
            "swe:sv tha:th tur:tr ukr:uk vie:vi"
        ).split()
    )
)
"""ISO 639-3 and 639-2 codes of languages that have a shorter one; corpora use them (FLEURS)."""


def primary(code: str) -> str:
    """The primary subtag of a BCP-47 tag in its usual form: `ZH`, `zh_CN` and `cmn` are `zh`."""
    subtag = code.strip().replace("_", "-").partition("-")[0].lower()
    return _THREE_LETTERS.get(subtag, subtag)


def language(code: str) -> Language:
    """The language of a BCP-47 code; region and script do not matter (`pt-BR` is `pt`).

    Errors: `UsageError` with the nearest code, also for a language's name (`German` -> `de`).
    """
    subtag = primary(code)
    if subtag in LANGUAGES:
        return LANGUAGES[subtag]
    by_name = {entry.name.lower(): entry.code for entry in LANGUAGES.values()}
    near_names = difflib.get_close_matches(subtag, by_name, n=1, cutoff=0.8)
    near = [by_name[near_names[0]]] if near_names else []
    near = near or difflib.get_close_matches(subtag, LANGUAGES, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
    raise UsageError(f"{code!r} is not a language code we know{hint}")


def direction_pairs(directions: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Source and target of directions such as "de-en".

    Errors: `UsageError` for one that is not two known languages.
    """
    pairs = []
    for direction in directions:
        src, dash, tgt = direction.partition("-")
        if not dash:
            raise UsageError(f"{direction!r} must be two language codes such as 'de-en'")
        language(src), language(tgt)
        pairs.append((src, tgt))
    return tuple(pairs)


def _known_pairs(directions: tuple[str, ...]) -> tuple[str, ...]:
    try:
        direction_pairs(directions)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return directions


Directions: TypeAlias = Annotated[
    tuple[str, ...], Field(min_length=1), AfterValidator(_known_pairs)
]
"""A field of a configuration: directions such as "de-en", at least one."""
