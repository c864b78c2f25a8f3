"""Invented names, products and places that both languages can say, and nobody can guess.

A term is a few syllables. How it is written differs from term to term ("Kamilo", "Cahmeelo",
"卡米洛", "喀弥罗"), and a product's Chinese name has nothing to do with its English one, so that
only a glossary tells. A term belongs to one split for ever, by a hash of its syllables.

    kind      English           Chinese
    name      Kamilo            喀弥罗
    product   Verasto           星桥
    place     Temora Valley     特莫拉谷
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from earvoice.data.synth.grammar.words import Name

KINDS = ("name", "product", "place")
SPLITS = ("train", "dev", "test")
_SYLLABLES: dict[str, tuple[str, str]] = {
    # syllable -> spellings, characters of about this sound
    "ba": ("ba bah", "巴芭"), "bel": ("bel bell", "贝别"), "bo": ("bo boh", "博波"),
    "da": ("da dah", "达妲"), "den": ("den denn", "登邓"), "do": ("do doh", "多朵"),
    "fa": ("fa pha", "法珐"), "fen": ("fen phen", "芬丰"), "ga": ("ga gha", "加伽"),
    "go": ("go gho", "戈果"), "gri": ("gri gree", "格葛"), "ha": ("ha hah", "哈夏"),
    "hol": ("hol holl", "霍禾"), "ka": ("ka ca", "卡喀"), "ko": ("ko co", "科柯"),
    "kri": ("kri cri", "克客"), "la": ("la lah", "拉喇"), "len": ("len lenn", "伦仑"),
    "li": ("li lee", "丽力"), "lo": ("lo loh", "洛罗"), "lu": ("lu loo", "卢鲁"),
    "ma": ("ma mah", "马玛"), "mel": ("mel mell", "梅麦"), "mi": ("mi mee", "米弥"),
    "mo": ("mo moh", "莫摩"), "na": ("na nah", "纳娜"), "ni": ("ni nee", "尼妮"),
    "no": ("no noh", "诺挪"), "pa": ("pa pah", "帕葩"), "pe": ("pe peh", "佩培"),
    "ra": ("ra rah", "拉腊"), "ri": ("ri ree", "里莉"), "ro": ("ro roh", "若柔"),
    "sa": ("sa sah", "萨洒"), "sel": ("sel cell", "塞赛"), "si": ("si see", "西希"),
    "so": ("so soh", "索梭"), "ta": ("ta tah", "塔踏"), "te": ("te teh", "特忒"),
    "ti": ("ti tee", "蒂提"), "to": ("to toh", "托拓"), "va": ("va vah", "瓦娃"),
    "ve": ("ve veh", "维威"), "vi": ("vi vee", "韦薇"), "wen": ("wen wenn", "文温"),
    "ya": ("ya yah", "亚雅"), "yo": ("yo yoh", "约优"), "za": ("za zah", "扎咂"),
}  # fmt: skip
_BRANDS = ("星云海天月光飞腾金蓝长青新明远智优华", "桥石叶泉峰翼舟田林线图轮鼎源虹达汇维")
_PLACES = (
    ("{0} Bay", "{0}湾"), ("{0} Valley", "{0}谷"), ("Port {0}", "{0}港"), ("New {0}", "新{0}"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """An invented term. forms: (language, form) pairs; syllables tell terms apart."""

    kind: str
    syllables: tuple[str, ...]
    forms: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """Its name in manifests."""
        return f"{self.kind}:{'-'.join(self.syllables)}"

    def form(self, language: str) -> str:
        """How a language writes it. Raises: KeyError for a language without a form."""
        return dict(self.forms)[language]

    @property
    def grammar_name(self) -> Name:
        """The term as the grammar takes proper names."""
        kind = {"name": "name", "place": "city", "product": "product"}[self.kind]
        english = self.form("en")
        return Name(kind, english, english, english, _gender(self), self.forms)


def split_of_term(syllables: Sequence[str]) -> str:
    """The split of a term for ever: 70 % train, 10 % dev, 20 % test."""
    place = _hash("split", syllables) % 10
    return "train" if place < 7 else "dev" if place < 8 else "test"


def invent(rng: random.Random, kind: str, split: str) -> Term:
    """A random term of a kind and split.

    Raises: ValueError for another kind or split.
    """
    if kind not in KINDS or split not in SPLITS:
        raise ValueError(f"{kind!r} of {split!r}: legal are {KINDS} of {SPLITS}")
    while True:
        syllables = tuple(rng.choice(tuple(_SYLLABLES)) for _ in range(3))
        if len(set(syllables)) == 3 and split_of_term(syllables) == split:
            return term_of(kind, syllables)


def near_misses(rng: random.Random, term: Term, count: int) -> list[Term]:
    """Terms that sound like a term, of the same kind and split.

    They are one syllable apart; where a split has too few of these, others are two apart (`dev` has
    fourteen of a term on average, and of some terms fewer than nine).

    Raises: ValueError for more than there are.
    """
    split = split_of_term(term.syllables)
    found: list[tuple[str, ...]] = []
    for apart in (1, 2):
        if len(found) >= count:
            break
        others = [key for key in _apart(term.syllables, apart) if split_of_term(key) == split]
        found += rng.sample(others, min(count - len(found), len(others)))
    if len(found) < count:
        raise ValueError(f"{count} near misses of {term.id}: {split} has {len(found)}")
    return [term_of(term.kind, key) for key in found]


def _apart(syllables: tuple[str, ...], places: int) -> Iterator[tuple[str, ...]]:
    """All that differ in so many places, of three different syllables."""
    for changed in itertools.combinations(range(len(syllables)), places):
        for others in itertools.product(_SYLLABLES, repeat=places):
            key = list(syllables)
            for place, other in zip(changed, others, strict=True):
                key[place] = other
            differ = sum(old != new for old, new in zip(syllables, key, strict=True))
            if differ == places and len(set(key)) == len(key):
                yield tuple(key)


def term_of(kind: str, syllables: tuple[str, ...]) -> Term:
    """The term with these syllables: its spelling and characters follow from them by a hash."""
    return _written(kind, syllables, lambda purpose: _hash(purpose, syllables))


def respelled(rng: random.Random, term: Term, heard: str) -> Term:
    """A term that sounds the same in the language `heard`, written as any such could be.

    A product's two names have nothing to do with each other, so that the one that is not heard is
    any other.
    """
    new = _written(term.kind, term.syllables, lambda _purpose: rng.getrandbits(32))
    if term.kind != "product" or heard == "en":
        return new
    others = tuple(rng.sample(tuple(_SYLLABLES), len(term.syllables)))
    other = _written(term.kind, others, lambda _purpose: rng.getrandbits(32))
    return replace(new, forms=(("en", other.form("en")), ("zh", term.form("zh"))))


def _written(kind: str, syllables: tuple[str, ...], draw: Callable[[str], int]) -> Term:
    """A term in the spelling that `draw` chooses; a place is a bay or a valley for ever."""
    spelling = characters = ""
    for place, syllable in enumerate(syllables):
        spellings, choices = _SYLLABLES[syllable]
        options = spellings.split()
        spelling += options[draw(f"en{place}") % len(options)]
        characters += choices[draw(f"zh{place}") % len(choices)]
    english = re.sub(r"(.)\1\1+", r"\1\1", spelling).capitalize()
    if kind == "product":
        characters = "".join(
            part[draw(f"brand{place}") % len(part)]
            for place, part in enumerate((*_BRANDS, _BRANDS[0]))
        )
    if kind == "place":
        pattern = _PLACES[_hash("place", syllables) % len(_PLACES)]
        english, characters = pattern[0].format(english), pattern[1].format(characters)
    return Term(kind, syllables, (("en", english), ("zh", characters)))


def term_of_id(name: str) -> Term:
    """The term that a manifest names (`Term.id`)."""
    kind, _, syllables = name.partition(":")
    return term_of(kind, tuple(syllables.split("-")))


def _gender(term: Term) -> str:
    if term.kind != "name":
        return ""
    return "f" if _hash("gender", term.syllables) % 2 else "m"


def _hash(purpose: str, syllables: Sequence[str]) -> int:
    digest = hashlib.sha256(f"term/{purpose}/{'-'.join(syllables)}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
