"""Which conversations a corpus has: a pure function of its arguments."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from earvoice.audio.arrays import ARRAYS
from earvoice.data.synth.conversation.dialogue import Speaker, deal_languages
from earvoice.data.synth.conversation.lines import PAIR
from earvoice.data.synth.voices import ACCENTS_OF, VoiceSplit, espeak_variants
from earvoice.errors import UsageError
from earvoice.units import Seconds

Split = Literal["train", "dev", "test", "test-unseen-voices"]
SPLITS: dict[str, tuple[str, tuple[VoiceSplit, ...]]] = {
    "train": ("train", ("train",)),
    "dev": ("dev", ("train", "dev")),
    "test": ("test", ("train",)),
    "test-unseen-voices": ("test", ("unseen",)),
}
"""Split -> whose sentences, which voices."""

_PLANNING = 0xFFFF_FFFF
CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class ConversationSpec:
    """The arguments of a corpus of conversations.

    array: which microphones (`audio.arrays`). snrs: dB of the partner's speech over the diffuse
    noise, drawn per conversation; "clean" is no noise. overlap: share of the changes of speaker
    in which the next one starts early; 0 is strictly one after the other. bystander: share of
    the conversations in which a third person talks. rooms: how many different rooms.
    """

    split: Split
    hours: float
    seed: int
    pair: str = "en-es"
    minutes: tuple[float, float] = (1.0, 4.0)
    array: str = "glasses"
    snrs: tuple[str, ...] = (CLEAN, "30", "25", "20", "15", "10")
    overlap: float = 0.25
    bystander: float = 0.2
    rooms: int = 200

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UsageError(f"split is {self.split!r}, it must be one of {', '.join(SPLITS)}")
        if sorted(self.pair.split("-")) != sorted(PAIR):
            raise UsageError(f"pair is {self.pair!r}, it must be {'-'.join(PAIR)}")
        if not 0 < self.hours <= 100_000:
            raise UsageError(f"hours is {self.hours}, it must be more than 0, at most 100000")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}, it must be 0 or more")
        low, high = self.minutes
        if not 0.1 <= low <= high <= 120:
            raise UsageError(f"minutes are {low} to {high}, they must be in 0.1 .. 120, ordered")
        if self.array not in ARRAYS:
            raise UsageError(f"array is {self.array!r}, it must be one of {', '.join(ARRAYS)}")
        for name in ("overlap", "bystander"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} is {getattr(self, name)}, it must be in 0 .. 1")
        if self.rooms < 1:
            raise UsageError(f"rooms is {self.rooms}, it must be at least 1")
        if not self.snrs:
            raise UsageError("snrs are none; name one, such as 20 or clean")
        for snr in self.snrs:
            if snr != CLEAN and not _is_level(snr):
                raise UsageError(f"an SNR is {snr!r}, it must be clean or a number in -20 .. 60")

    def as_dict(self) -> dict[str, Any]:
        """The arguments as JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


def _is_level(text: str) -> bool:
    try:
        return -20.0 <= float(text) <= 60.0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class ConversationPlan:
    """Everything that decides how conversation `index` of a corpus sounds."""

    seed: int
    index: int
    split: Split
    duration_s: Seconds
    languages: tuple[str, str]
    voices: tuple[str, str]
    bystander: str
    room: int
    snr: str
    array: str
    overlap: float

    @property
    def id(self) -> str:
        """Its name, unique in the corpus."""
        return f"{self.split}-{self.index:05d}"

    def generator(self, purpose: int) -> np.random.Generator:
        """Independent random numbers for each purpose."""
        return np.random.default_rng(
            [self.seed, list(SPLITS).index(self.split), self.index, purpose]
        )

    def language_of(self, speaker: Speaker) -> str:
        """What `self` or `other` speaks."""
        return self.languages[0 if speaker == "self" else 1]


def plan_conversations(spec: ConversationSpec) -> list[ConversationPlan]:
    """The conversations in order: lengths log-uniform, the last one cut to the hours."""
    rng = np.random.default_rng([spec.seed, list(SPLITS).index(spec.split), _PLANNING])
    low_s, high_s = (60.0 * minutes for minutes in spec.minutes)
    left_s = spec.hours * 3600.0
    plans: list[ConversationPlan] = []
    while left_s > 1e-6:
        drawn_s = float(np.exp(rng.uniform(np.log(low_s), np.log(high_s))))
        duration_s = max(min(drawn_s, left_s), low_s)
        plans.append(_plan(spec, len(plans), duration_s, rng))
        left_s -= duration_s
    return plans


def _plan(
    spec: ConversationSpec, index: int, duration_s: Seconds, rng: np.random.Generator
) -> ConversationPlan:
    languages = deal_languages(random.Random(int(rng.integers(2**62))))
    variants = [v.name for split in SPLITS[spec.split][1] for v in espeak_variants(split)]
    three = [str(name) for name in rng.choice(variants, size=3, replace=False)]
    spoken = (languages["self"], languages["other"], str(rng.choice(list(PAIR))))
    voices = [f"{_accent(rng, lang)}+{name}" for lang, name in zip(spoken, three, strict=True)]
    return ConversationPlan(
        seed=spec.seed,
        index=index,
        split=spec.split,
        duration_s=duration_s,
        languages=(spoken[0], spoken[1]),
        voices=(voices[0], voices[1]),
        bystander=voices[2] if rng.random() < spec.bystander else "",
        room=int(rng.integers(spec.rooms)),
        snr=str(rng.choice(list(spec.snrs))),
        array=spec.array,
        overlap=spec.overlap,
    )


def _accent(rng: np.random.Generator, language: str) -> str:
    accents = ACCENTS_OF[language]
    return str(rng.choice(list(accents), p=list(accents.values())))
