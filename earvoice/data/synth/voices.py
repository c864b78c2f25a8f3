"""The voices, and which split each belongs to for ever.

espeak-ng crosses accents ("en-us") with voice variants ("+f3"). A variant belongs to one split in
every accent, so an unseen variant is never heard in training; variants made from one another (same
formants) form a family that stays together. The rule is a hash of the family name: no list to
forget when a variant is added.

    train   training, and the plain test (new sentences, known voices)
    dev     heard only in development
    unseen  heard only in test-unseen-voices
    other   other engines and speakers: heard only in test-other-synth; all of festival, two of
            flite's voices

Left out: whispers (no voicing: whisper, whisperf, caleb), characters that can hardly be followed
(Demonic, kaukovalta, travis, zac, boris), `fast` (a speed, not a voice), and what only one of
espeak-ng 1.51 and 1.52 has (Reed, ian, mike2). festival's kal_diphone is left out because flite's
kal and kal16, which are in training, are made from the same recordings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

VoiceSplit = Literal["train", "dev", "unseen", "other"]
Sex = Literal["f", "m"]

ACCENTS = {
    "en-us": 0.35,
    "en": 0.2,
    "en-gb-x-rp": 0.13,
    "en-us-nyc": 0.1,
    "en-gb-scotland": 0.07,
    "en-gb-x-gbclan": 0.05,
    "en-gb-x-gbcwmd": 0.05,
    "en-029": 0.05,
}
"""espeak-ng's accents of English and how often each is drawn."""

ACCENTS_OF: dict[str, dict[str, float]] = {
    "en": ACCENTS,
    "de": {"de": 1.0},
    "es": {"es": 0.5, "es-419": 0.5},
    "fr": {"fr": 0.6, "fr-be": 0.2, "fr-ch": 0.2},
    "zh": {"cmn": 1.0},
}
"""Language spoken -> its accents. flite and festival speak English only."""

_FAMILIES: dict[Sex, tuple[str, ...]] = {
    "f": (
        "f1", "f2 f5", "f3", "f4 aunty belinda linda", "Alicia", "Andrea", "Annie",
        "anika anikaRobot", "grandma shelby", "steph steph2 steph3",
    ),
    "m": (
        "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Alex", "Andy AnxiousAndy Lee",
        "Denis", "Diogo Henrique Hugo michel miguel", "Gene Gene2", "Jacky", "Marco",
        "Mario Michael gustave", "Mike", "Nguyen", "max RicishayMax RicishayMax2 RicishayMax3",
        "Storm victor", "Tweaky", "UniRobot", "adam benjamin david", "announcer", "antonio pedro",
        "croak", "ed", "edward edward2", "iven iven2 iven3 iven4", "john", "klatt", "klatt2",
        "klatt3", "klatt4", "klatt5", "klatt6", "marcelo", "norbert", "pablo", "paul", "quincy",
        "rob robert", "sandro", "grandpa",
        "robosoft robosoft2 robosoft3 robosoft4 robosoft5 robosoft6 robosoft7 robosoft8",
    ),
}  # fmt: skip

_FLITE: dict[str, tuple[Sex, VoiceSplit]] = {
    "kal": ("m", "train"),
    "kal16": ("m", "train"),
    "rms": ("m", "train"),
    "slt": ("f", "other"),
    "awb": ("m", "other"),
}
_FESTIVAL: dict[str, Sex] = {
    "ked_diphone": "m",
    "cmu_us_slt_arctic_hts": "f",
    "cmu_us_bdl_arctic_hts": "m",
    "cmu_us_clb_arctic_hts": "f",
    "rab_diphone": "m",
    "don_diphone": "m",
}

# The number was picked once, so that nine voices of both sexes and both of espeak-ng's methods
# (formants, Klatt) are unseen. Changing it would move voices between splits.
_RULE = "voices-969:"
_UNSEEN, _DEV = 0.14, 0.20


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine. `name` is what the engine calls it: "en-us+f3", "rms"."""

    engine: str
    name: str
    split: VoiceSplit
    sex: Sex


def family_split(family: str) -> VoiceSplit:
    """The split of an espeak-ng family, named by its first variant."""
    digest = hashlib.sha256((_RULE + family).encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    if share < _UNSEEN:
        return "unseen"
    return "dev" if share < _DEV else "train"


def espeak_variants(split: VoiceSplit) -> list[Voice]:
    """espeak-ng's voices of a split without accent: `name` is the bare variant ("f3")."""
    return [
        Voice("espeak", variant, split, sex)
        for sex, families in _FAMILIES.items()
        for family in families
        if family_split(family.split()[0]) == split
        for variant in family.split()
    ]


def spoken_language(voice: str) -> str:
    """The language of a voice by its name: `es-419+f3` speaks "es"; a name without accent, "en"."""
    language = voice.partition("+")[0].partition("-")[0]
    if language == "cmn":
        return "zh"
    return language if language in ACCENTS_OF else "en"


def voices(engine: str, split: VoiceSplit, language: str = "en") -> list[Voice]:
    """Every voice of an engine in a split that speaks a language; espeak-ng's in every accent."""
    if engine == "espeak":
        return [
            Voice("espeak", f"{accent}+{variant.name}", split, variant.sex)
            for variant in espeak_variants(split)
            for accent in ACCENTS_OF[language]
        ]
    if language != "en":
        return []
    if engine == "flite":
        return [Voice("flite", name, s, sex) for name, (sex, s) in _FLITE.items() if s == split]
    if engine == "festival" and split == "other":
        return [Voice("festival", name, "other", sex) for name, sex in _FESTIVAL.items()]
    return []
