"""One phone inventory for every synthesizer: the 40 phones of ARPAbet in lower case, plus `pau`.

Speech models trained on several engines need one set of labels. espeak-ng writes vowels with the
colour of the accent ("oU", "0", "A@"); flite and festival write ARPAbet with allophones ("ax",
"el", "dx"). Both are folded here. Folding is one to one: a rhotic vowel ("A@" in "start") is its
vowel, because accents differ in whether the r is heard.
"""

from __future__ import annotations

from earvoice.data.manifest import PAUSE
from earvoice.errors import AudioError

ENGLISH_VOWELS = frozenset("aa ae ah ao aw ax ay eh er ey ih iy ow oy uh uw".split())
ENGLISH_CONSONANTS = frozenset("b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh".split())
FOREIGN_VOWELS = frozenset("an en eu oe on ue".split())
FOREIGN_CONSONANTS = frozenset("bh gh hy ly ny pf rr ts x".split())
MANDARIN_VOWELS = frozenset("eo ia ie iu ong ua ui uo wai ye".split())
MANDARIN_CONSONANTS = frozenset("cy dz jy".split())
VOWELS = ENGLISH_VOWELS | FOREIGN_VOWELS | MANDARIN_VOWELS
CONSONANTS = ENGLISH_CONSONANTS | FOREIGN_CONSONANTS | MANDARIN_CONSONANTS
PHONES = (
    *sorted(ENGLISH_VOWELS | ENGLISH_CONSONANTS),
    PAUSE,
    *sorted(FOREIGN_VOWELS | FOREIGN_CONSONANTS),
    *sorted(MANDARIN_VOWELS | MANDARIN_CONSONANTS),
)
"""Every label a phone alignment can have, in a fixed order: those of English come first, later
languages add theirs at the end."""

_ESPEAK = {
    # vowels, named by a word of each class
    "a": "ae", "aa": "ae", "a#": "ax", "A:": "aa", "A@": "aa", "A": "aa", "0": "aa", "0#": "ax",
    "V": "ah", "VR": "er", "IR": "er", "3": "er", "3:": "er", "E": "eh", "e@": "eh", "E2": "eh",
    "I": "ih", "I2": "ih", "I#": "ih", "i": "iy", "i:": "iy", "i@": "iy", "i@3": "iy",
    "@": "ax", "@2": "ax", "@5": "ax", "@-": "ax", "@L": "l", "O": "ao", "O:": "ao", "O2": "ao",
    "O@": "ao", "o@": "ao", "U": "uh", "U@": "uh", "u": "uw", "u:": "uw", "eI": "ey",
    "aI": "ay", "aI2": "ay", "aI3": "ay", "aI@": "ay", "aU": "aw", "aU@": "aw", "OI": "oy",
    "oU": "ow", "o:": "ow", "e:": "ey",
    # consonants
    "b": "b", "tS": "ch", "d": "d", "D": "dh", "f": "f", "g": "g", "h": "hh", "dZ": "jh",
    "k": "k", "x": "k", "l": "l", "l#": "l", "m": "m", "m-": "m", "n": "n", "n-": "n", "N": "ng",
    "p": "p", "r": "r", "r-": "r", "s": "s", "S": "sh", "t": "t", "t#": "t", "t2": "t", "?": "t",
    "t[": "t", "d[": "d", "T": "th", "v": "v", "w": "w", "w#": "w", "j": "y", "z": "z", "Z": "zh",
}  # fmt: skip
_EUROPEAN = {
    "a": "aa", "e": "ey", "o": "ow", "y": "ue", "y:": "ue", "W": "oe", "Y": "oe", "Y:": "oe",
    "A~": "an", "E~": "en", "W~": "en", "O~": "on", "n^": "ny",
}  # fmt: skip
_ESPEAK_OF: dict[str, dict[str, str]] = {
    "de": _EUROPEAN | {
        "3": "ah", "C": "hy", "x": "x", "E:": "eh", "UR": "uh", "R": "r", "OY": "oy", "ts": "ts",
        "pF": "pf",
    },
    "es": _EUROPEAN | {
        "**": "r", "*": "r", "R2": "rr", "B": "bh", "Q": "gh", "x": "x", "l^": "ly", "J^": "y",
        "oI": "oy", "eU": "eu", "p:": "p",
    },
    "fr": _EUROPEAN | {"a:": "aa", "a-": "aa", "e-": "ey", "y-": "ue", "z2": "z"},
    "zh": {
        # b p, d t, g k, z c, zh ch, j q: without and with breath
        "p": "b", "ph": "p", "t": "d", "th": "t", "k": "g", "kh": "k", "ts": "dz", "tsh": "ts",
        "ts.": "jh", "ts.h": "ch", "tS;": "jy", "tS;h": "cy", "S;": "hy", "s.": "sh", "z.": "zh",
        "X": "x", "a": "aa", "A": "aa", "@": "ax", "@r": "er", "o": "ao", "o-": "eo", "i.": "ih",
        "i[": "ih", "y": "ue", "y@": "ue", "y&": "ye", "yE": "ye", "u@": "uw", "ai": "ay",
        "Au": "aw", "ei": "ey", "ou": "ow", "iA": "ia", "iAu": "ia", "iE": "ie", "iou": "iu",
        "ong": "ong", "iong": "ong", "N-": "ng", "ua": "ua", "uA": "ua", "uai": "wai",
        "uei": "ui", "uo": "uo",
    },
}  # fmt: skip
_ESPEAK_MARKS = frozenset(["_|", "_!", "|", "!", "(en)", "(de)", "(es)", "(fr)", "(cmn)"])
"""Glottal stops before vowels, and changes of language within a sentence."""
_ESPEAK_SILENT = frozenset(["", ";", ":", "|", "||"])
_ESPEAK_STRESS = "',%="
_TONES = "0123456789"
_ARPABET = {
    "axr": "er", "el": "l", "em": "m", "en": "n", "eng": "ng", "dx": "t", "nx": "n", "hv": "hh",
    "ix": "ih", "ux": "uw", "q": "t", "h#": PAUSE, "brth": PAUSE, "sil": PAUSE, "ssil": PAUSE,
    "#": PAUSE,
}  # fmt: skip


def from_espeak(mnemonic: str, language: str = "en") -> str | None:
    """The phone an espeak-ng mnemonic stands for; None for marks without a sound of their own.

    language: of the voice ("de"). It may lend words from English, with English phonemes.
    """
    bare = mnemonic.lstrip(_ESPEAK_STRESS)
    if language == "zh":
        bare = bare.rstrip(_TONES)
    if language != "en" and bare in _ESPEAK_MARKS:
        return None
    if bare.startswith("_"):
        return PAUSE
    if bare in _ESPEAK_SILENT:
        return None
    own = _ESPEAK_OF.get(language, {})
    phone = own.get(bare) or _ESPEAK.get(bare)
    if phone is None:
        raise AudioError(
            f"the espeak-ng phoneme {mnemonic!r} is not one of its {language} phonemes"
        )
    return phone


def from_arpabet(symbol: str) -> str:
    """The phone of a flite or festival segment name."""
    bare = symbol.lower().rstrip("012")
    phone = _ARPABET.get(bare, bare)
    if phone not in PHONES[: PHONES.index(PAUSE) + 1]:
        raise AudioError(f"the segment {symbol!r} is not an English phone of flite or festival")
    return phone
