"""Talks without audio: grammar sentences with invented timings, for text pre-training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from earvoice.data.manifest import SpokenSentence, Talk, Target, TimedWord
from earvoice.data.synth.grammar import sample_talk
from earvoice.data.synth.interpreted.talks import interpreted_talk
from earvoice.text.spacing import is_spaceless, joined
from earvoice.units import SAMPLE_RATE, Seconds

_LETTERS_OF_A_SYLLABLE = 3
"""A Chinese character is said in about the time of three letters."""


def silent_talk(
    rng: random.Random,
    sentences: int,
    split: str,
    language: str = "en",
    *,
    interpreted: bool = False,
    focus: str = "",
) -> Talk:
    """A talk in a language; its words last about as long as a speaker of a random pace takes.

    interpreted: one with slips, rare terms and references back (English and Chinese only), or
    with what `focus` names of these (`interpreted.talks`).
    """
    sample = partial(interpreted_talk, focus=focus) if interpreted else sample_talk
    pace = rng.uniform(0.75, 1.35)
    spoken = []
    now_s = rng.uniform(0.0, 0.5)
    for sentence in sample(rng, sentences, split=split, language=language):
        words, end_s = _said(sentence.source, now_s, pace, rng)
        targets = {
            lang: Target.of_words(side, sentence.needs[lang])
            for lang, side in sentence.targets.items()
        }
        spoken.append(
            SpokenSentence(
                start_s=now_s,
                end_s=end_s,
                words=words,
                phones=(),
                text=joined(sentence.source),
                targets=targets,
                notes=sentence.notes,
            )
        )
        now_s = end_s + rng.uniform(0.15, 1.2)
    return Talk(
        id="silent",
        path=None,
        sample_rate=SAMPLE_RATE,
        samples=round(now_s * SAMPLE_RATE),
        voice="none",
        engine="none",
        sentences=tuple(spoken),
        language=language,
    )


def _said(
    texts: Sequence[str], now_s: Seconds, pace: float, rng: random.Random
) -> tuple[tuple[TimedWord, ...], Seconds]:
    """Words said one after the other from `now_s` on, and when the last one ends."""
    words = []
    for text in texts:
        letters = sum(_LETTERS_OF_A_SYLLABLE if is_spaceless(one) else 1 for one in text)
        length_s = (0.09 + 0.055 * letters) * pace * rng.uniform(0.85, 1.15)
        words.append(TimedWord(text, now_s, now_s + length_s))
        now_s += length_s + (0.15 if text.endswith((",", "，")) else 0.0)
    return tuple(words), now_s
