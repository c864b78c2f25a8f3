"""Batches of a stage: a pure function of (seed, stage, step), so a resumed run sees the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

from earvoice.data.collate import Batch, Collator
from earvoice.data.draws import drawing
from earvoice.data.manifest import Talk
from earvoice.data.synth.silent import silent_talk
from earvoice.data.windows import Cut, Window, cut_fresh, cut_slid, cut_utterances, flushed
from earvoice.errors import ConfigError
from earvoice.policies.schedule import OFFLINE_K
from earvoice.train.singles import Singles
from earvoice.train.stage import MixtureConfig

_TRIES = 200


class Examples:
    """Draws windows and collates them.

    any_side: the translation does not matter (phonemes, words), so talks without `language` serve
    too.
    """

    def __init__(
        self,
        mixture: MixtureConfig,
        collator: Collator,
        talks: Sequence[Talk],
        language: str,
        segment_s: float,
        *,
        hold: bool,
        seed: int,
        stage: str,
        any_side: bool = False,
    ) -> None:
        talks = [talk for talk in talks if talk.sentences]
        if mixture.clean:
            talks = [talk for talk in talks if not talk.condition]
        if mixture.source == "audio" and not talks:
            raise ConfigError(
                f"stage {stage!r} trains on audio: name a corpus, e.g. corpus=[corpora/train]"
            )
        if mixture.source == "audio" and not any_side:
            check_target(talks, language)
        self.mixture, self.collator, self.talks = mixture, collator, talks
        self.language, self.segment_s, self.hold = language, segment_s, hold
        self.seed, self.stage = seed, stage
        self._weights = _cumulative(talks, mixture, stage)
        self._singles: Singles | None = None
        if mixture.single:
            self._singles = Singles(
                talks, segment_s, mixture.segments, mixture.least_s, mixture.batch_s, stage
            )

    def batch(self, step: int) -> Batch:
        """The batch of a step (accumulation counts as further steps)."""
        rng = drawing(self.seed, self.stage, step)
        if self._singles is not None:
            return self.collator(self._single_windows(rng, self._singles), rng, audio=True)
        low, high = self.mixture.segments
        segments = rng.randint(low, high)
        size = max(1, round(self.mixture.batch_s / (segments * self.segment_s)))
        if self.mixture.source == "text":
            talks: Sequence[Talk] = [silent_talk(rng, 20, "train") for _ in range(1 + size // 6)]
        else:
            talks = self.talks
        windows = [self._window(rng, talks, segments) for _ in range(size)]
        return self.collator(windows, rng, audio=self.mixture.source == "audio")

    def _window(self, rng: random.Random, talks: Sequence[Talk], segments: int) -> Window:
        mixture = self.mixture
        for _ in range(_TRIES):
            talk = self._draw(rng, talks)
            k = rng.choice(mixture.ks)
            n = rng.choice(mixture.ns)
            missed = _missed(rng, segments) if rng.random() < mixture.missed else frozenset()
            speed = rng.uniform(*mixture.speed) if mixture.speed != (1.0, 1.0) else 1.0
            cut = Cut(segments, self.segment_s * speed, k, n, self.hold, missed)
            weights = (mixture.utterance, mixture.fresh, mixture.slid)
            kind = rng.choices(("utterance", "fresh", "slid"), weights)[0]
            first = rng.randrange(len(talk.sentences))
            language = self._side(talk)
            window = None
            if kind == "utterance" or k >= OFFLINE_K:  # offline means whole utterances
                window = cut_utterances(talk, language, cut, rng, first)
            elif kind == "fresh":
                window = cut_fresh(talk, language, cut, rng, first)
            else:
                window = cut_slid(talk, language, cut, rng)
            if window is not None:
                return window.at_speed(speed)
        raise ConfigError(
            f"stage {self.stage!r}: no window of {segments} segments found in {_TRIES} tries; "
            "the talks are too short, or their sentences too long, for `segments`"
        )

    def _single_windows(self, rng: random.Random, singles: Singles) -> list[Window]:
        """One utterance each, as many as a batch has."""
        need, chosen = singles.draw(rng)
        k, n = rng.choice(self.mixture.ks), rng.choice(self.mixture.ns)
        segments = need + flushed(k, hold=self.hold)
        cut = Cut(segments, self.segment_s, k, n, self.hold)
        windows = [
            cut_utterances(talk, self._side(talk), cut, rng, first, most=1)
            for talk, first in chosen
        ]
        return [window for window in windows if window is not None]

    def _side(self, talk: Talk) -> str:
        """The translation to take; where it does not matter, any."""
        sides = talk.sentences[0].targets
        return self.language if self.language in sides else next(iter(sides), "")

    def _draw(self, rng: random.Random, talks: Sequence[Talk]) -> Talk:
        if self._weights is None or talks is not self.talks:
            return rng.choice(talks)
        return rng.choices(talks, cum_weights=self._weights)[0]


def check_target(talks: Sequence[Talk], language: str) -> None:
    """Raises: ConfigError naming the first talk without a translation into `language`."""
    for talk in talks:
        if any(language not in sentence.targets for sentence in talk.sentences):
            raise ConfigError(f"corpus: talk {talk.id!r} has no {language!r} side")


def check_times(talks: Sequence[Talk], stage: str, objective: str) -> None:
    """Some objectives learn from when words or phonemes are spoken.

    Raises: ConfigError naming the first sentence that does not say.
    """
    for talk in talks:
        for sentence in talk.sentences:
            if (sentence.phones if objective == "phones" else sentence.words) or not sentence.text:
                continue
            raise ConfigError(
                f"stage {stage!r}: talk {talk.id!r}: the sentence at {sentence.start_s} s has no "
                f"{'phoneme' if objective == 'phones' else 'word'} times, which {objective!r} "
                "learns from; align the corpus, or leave the stage out"
            )


def _cumulative(talks: Sequence[Talk], mixture: MixtureConfig, stage: str) -> list[float] | None:
    """Weights of the talks by synthesizer, summed up; None when all weigh the same.

    Raises: ConfigError for a synthesizer that speaks none of them.
    """
    engines = mixture.engines
    if not engines:
        return None
    where = f"stage {stage!r}: data.engines"
    if mixture.source == "text":
        raise ConfigError(f"{where} is {engines}, with `source: text` nobody speaks: leave it out")
    known = sorted({talk.engine for talk in talks})
    for engine in engines:
        if engine not in known:
            spoken = ", ".join(map(repr, known))
            raise ConfigError(f"{where} names {engine!r}, the talks it draws from are by {spoken}")
    return list(accumulate(engines.get(talk.engine, 1.0) for talk in talks))


def _missed(rng: random.Random, segments: int) -> frozenset[int]:
    """One to four steps in a row before the last."""
    first = rng.randrange(1, max(2, segments))
    return frozenset(range(first, min(first + rng.randint(1, 4), segments)))
