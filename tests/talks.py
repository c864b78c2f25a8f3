"""Talks made by hand, for tests that need exact times and no synthesizer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earvoice.audio import Audio, write_wav
from earvoice.data.manifest import SpokenSentence, Talk, Target, TimedPhone, TimedWord
from earvoice.units import SAMPLE_RATE

PHONES = ("a", "e", "s", "t")


class FixedRandom(random.Random):
    """Draws `fraction` of the way through every interval."""

    def __init__(self, fraction: float) -> None:
        super().__init__(0)
        self.fraction = fraction

    def uniform(self, a: float, b: float) -> float:
        return a + self.fraction * (b - a)


def sentence(
    words: Sequence[tuple[str, float, float]],
    target: str,
    needs: Sequence[int],
    phones: Sequence[tuple[str, float, float]] | None = None,
) -> SpokenSentence:
    """A sentence from its first word's start to its last word's end; one phone a word if none."""
    if phones is None:
        phones = [(PHONES[i % len(PHONES)], a, b) for i, (_, a, b) in enumerate(words)]
    return SpokenSentence(
        start_s=words[0][1],
        end_s=words[-1][2],
        words=tuple(TimedWord(*word) for word in words),
        phones=tuple(TimedPhone(*phone) for phone in phones),
        text=" ".join(word for word, _, _ in words),
        targets={"de": Target(target, tuple(needs))},
    )


def talk_of(
    sentences: Sequence[SpokenSentence],
    duration_s: float,
    path: Path | None = None,
    samples: np.ndarray | None = None,
) -> Talk:
    """A talk; with `path`, its audio is written there (noise of -26 dB where none is given)."""
    count = round(duration_s * SAMPLE_RATE)
    if path is not None:
        if samples is None:
            samples = 0.05 * np.random.default_rng(0).standard_normal(count)
        write_wav(path, Audio.of(samples.astype(np.float32)))
    return Talk(
        id="talk",
        path=path,
        sample_rate=SAMPLE_RATE,
        samples=count,
        voice="v",
        engine="e",
        sentences=tuple(sentences),
    )


def three_sentences(path: Path | None = None) -> Talk:
    """The talk of the drawings in the tests of windows.

    seconds  0         1         2         3         4         5         6         7         8
             |    aaaa bbbb ccccccccc       ddddeeeeeeeeefffff         ggggggggghhhhhhhhh      |
                  0.5  1.0  1.5    2.4      3.2  3.7     4.6 5.1       6.0      6.9   7.8    8.5
    targets       A B C                     D E F G                    H I
    """
    return talk_of(
        [
            sentence([("a", 0.5, 0.9), ("b", 1.0, 1.4), ("c", 1.5, 2.4)], "A B C", (0, 1, 2)),
            sentence([("d", 3.2, 3.6), ("e", 3.7, 4.5), ("f", 4.6, 5.1)], "D E F G", (0, 2, 1, 2)),
            sentence([("g", 6.0, 6.8), ("h", 6.9, 7.8)], "H I", (1, 1)),
        ],
        8.5,
        path,
    )
