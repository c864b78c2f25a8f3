"""Which talks a corpus has: a pure function of its arguments, so it can be resumed and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earvoice.data.synth.engines import is_installed, usable_voices
from earvoice.data.synth.grammar import LANGUAGES
from earvoice.data.synth.interpreted.talks import FOCUSES, Focus
from earvoice.data.synth.render import RULES, Split, Style, TalkSpec
from earvoice.data.synth.voices import ACCENTS_OF, Voice
from earvoice.errors import UsageError
from earvoice.units import Seconds

_LEAST_MINUTES = 0.05
_MOST_MINUTES = 1440
_PLANNING = 0xFFFF_FFFF
"""The "talk index" of the random numbers that plan a corpus."""


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """The arguments of a corpus.

    `directions` are pairs such as "en-de"; the hours are divided equally among the languages
    spoken. `engines` limits the split's synthesizers; empty: all of them that are installed.
    `flite_share` is the share of talks that flite speaks where espeak speaks the others. `style`
    and `focus`: see `TalkSpec`.
    """

    split: Split
    directions: tuple[str, ...]
    hours: float
    seed: int
    minutes: tuple[float, float] = (1.0, 10.0)
    engines: tuple[str, ...] = ()
    flite_share: float = 0.18
    style: Style = "plain"
    focus: Focus = ""

    def __post_init__(self) -> None:
        if self.split not in RULES:
            raise UsageError(f"split is {self.split!r}, it must be one of {', '.join(RULES)}")
        if not self.directions:
            raise UsageError("directions are none; name one, such as en-de")
        for direction in self.directions:
            source, _, target = direction.partition("-")
            if source == target or source not in LANGUAGES or target not in LANGUAGES:
                raise UsageError(
                    f"the direction is {direction!r}; it must be two languages of "
                    f"{', '.join(LANGUAGES)}, such as en-de"
                )
        self._check_style()
        if not 0 < self.hours <= 100_000:
            raise UsageError(f"hours is {self.hours}, it must be more than 0, at most 100000")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}, it must be 0 or more")
        low, high = self.minutes
        if not _LEAST_MINUTES <= low <= high <= _MOST_MINUTES:
            raise UsageError(
                f"minutes are {low} to {high}, they must be in {_LEAST_MINUTES} .. "
                f"{_MOST_MINUTES}, ordered"
            )
        if not 0.0 <= self.flite_share <= 1.0:
            raise UsageError(f"flite_share is {self.flite_share}, it must be in 0 .. 1")
        foreign = [engine for engine in self.engines if engine not in RULES[self.split].engines]
        if foreign:
            raise UsageError(
                f"the split {self.split} is never spoken by {', '.join(foreign)}, "
                f"only by {', '.join(RULES[self.split].engines)}"
            )

    def _check_style(self) -> None:
        known = self.style in ("plain", "interpreted")
        if not known or self.focus not in FOCUSES:
            raise UsageError(
                f"style is {self.style!r} with focus {self.focus!r}; it must be plain or "
                "interpreted, the focus of the latter terms, list or reference"
            )
        if self.style == "plain" and self.focus:
            raise UsageError(f"focus is {self.focus!r}: only --style interpreted has one")
        foreign = [pair for pair in self.directions if pair not in ("en-zh", "zh-en")]
        if self.style == "interpreted" and foreign:
            raise UsageError(
                f"the direction is {foreign[0]!r}; interpreted talks are in en-zh and zh-en"
            )

    def resolved_engines(self) -> tuple[str, ...]:
        """The engines to use here. Raises `UsageError` if none of the split's is installed."""
        allowed = RULES[self.split].engines
        engines = self.engines or tuple(engine for engine in allowed if is_installed(engine))
        if not engines:
            raise UsageError(
                f"the split {self.split} needs one of {', '.join(allowed)}, and none is installed"
            )
        return engines

    def targets_of(self) -> dict[str, tuple[str, ...]]:
        """Each language spoken, in the order named, with the languages it is translated into."""
        found: dict[str, tuple[str, ...]] = {}
        for direction in self.directions:
            source, _, target = direction.partition("-")
            if target not in found.setdefault(source, ()):
                found[source] += (target,)
        return found

    def as_dict(self) -> dict[str, Any]:
        """The arguments as JSON values. A corpus in English only names its target languages."""
        named = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        if self.style == "plain":
            del named["style"], named["focus"]
        targets = self.targets_of()
        if list(targets) != ["en"]:
            return named
        del named["directions"]
        return {"split": named.pop("split"), "languages": list(targets["en"]), **named}


def plan_talks(spec: CorpusSpec) -> list[TalkSpec]:
    """The talks, in order: durations log-uniform, languages and voices dealt out evenly.

    The last talk is shortened so that the hours come out, but not below the least duration.
    """
    rng = np.random.default_rng([spec.seed, list(RULES).index(spec.split), _PLANNING])
    durations = _durations(spec, rng)
    engines = spec.resolved_engines()
    sources = _sources(spec, durations)
    chosen = _voices(spec, engines, sources, rng)
    targets = spec.targets_of()
    return [
        TalkSpec(
            seed=spec.seed,
            index=index,
            split=spec.split,
            voice=voice,
            duration_s=duration_s,
            languages=targets[source],
            source=source,
            style=spec.style,
            focus=spec.focus,
        )
        for index, (voice, duration_s, source) in enumerate(
            zip(chosen, durations, sources, strict=True)
        )
    ]


def _sources(spec: CorpusSpec, durations: Sequence[Seconds]) -> list[str]:
    """The language of each talk: the one that has been spoken least so far."""
    spoken_s = dict.fromkeys(spec.targets_of(), 0.0)
    sources = []
    for duration_s in durations:
        source = min(spoken_s, key=lambda language: spoken_s[language])
        spoken_s[source] += duration_s
        sources.append(source)
    return sources


def _durations(spec: CorpusSpec, rng: np.random.Generator) -> list[Seconds]:
    low_s, high_s = (60.0 * minutes for minutes in spec.minutes)
    left_s = spec.hours * 3600.0
    durations: list[Seconds] = []
    while left_s > 1e-6:
        drawn_s = float(np.exp(rng.uniform(np.log(low_s), np.log(high_s))))
        duration_s = max(min(drawn_s, left_s), low_s)
        durations.append(duration_s)
        left_s -= duration_s
    return durations


def _voices(
    spec: CorpusSpec, engines: Sequence[str], sources: Sequence[str], rng: np.random.Generator
) -> list[Voice]:
    """One voice per talk. Every voice has spoken n times before any speaks n+1 times.

    Only espeak-ng speaks other languages than English. Raises `UsageError` where it must and may
    not.
    """
    rule = RULES[spec.split]
    decks = {engine: _Deck(usable_voices(engine, rule.voices), rng) for engine in engines}
    if any(not deck.cards for deck in decks.values()):
        empty = ", ".join(engine for engine, deck in decks.items() if not deck.cards)
        raise UsageError(f"{empty} has no voice for the split {spec.split} on this machine")
    foreign = [source for source in sources if source != "en"]
    if foreign and "espeak" not in decks:
        raise UsageError(f"only espeak speaks {foreign[0]}, not {', '.join(engines)}")
    if "espeak" not in decks:
        everything = _Deck([card for deck in decks.values() for card in deck.cards], rng)
        return [everything.deal() for _ in sources]
    others = [engine for engine in engines if engine != "espeak"]
    chosen = []
    for source in sources:
        other = source == "en" and others and rng.random() < spec.flite_share
        chosen.append(decks[others[0] if other else "espeak"].deal(source))
    return chosen


class _Deck:
    """Voices dealt in random order, each round anew; espeak-ng variants with a drawn accent."""

    def __init__(self, cards: Sequence[Voice], rng: np.random.Generator) -> None:
        variants: dict[str, Voice] = {}
        for voice in cards:
            variants.setdefault(f"{voice.engine} {voice.name.rpartition('+')[2]}", voice)
        self.cards = list(variants.values())
        self._rng = rng
        self._round: list[Voice] = []

    def deal(self, language: str = "en") -> Voice:
        """The next voice, in an accent of the language."""
        if not self._round:
            self._round = [self.cards[int(n)] for n in self._rng.permutation(len(self.cards))]
        voice = self._round.pop()
        if voice.engine != "espeak":
            return voice
        accents = ACCENTS_OF[language]
        accent = str(self._rng.choice(list(accents), p=list(accents.values())))
        name = f"{accent}+{voice.name.rpartition('+')[2]}"
        return Voice(voice.engine, name, voice.split, voice.sex)
