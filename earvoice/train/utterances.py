"""Batches of whole utterances in many languages, with their prompts and answers in token ids.

What LLaST trains on (2407.15415): `data/utterances.py` says which utterances and in what order.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from earvoice.config import Config, Count, Share
from earvoice.data.augment import Augment
from earvoice.data.manifest import Talk, load_talks
from earvoice.data.utterances import Direction, Epochs, Utterance, asr_augmented
from earvoice.errors import ConfigError
from earvoice.models.splice import Answer
from earvoice.text.chat import ChatTemplate
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE


class UtteranceMixture(Config):
    """What a stage of whole utterances learns from.

    corpora: direction -> corpus folder; a direction that is not named takes the recipe's `corpus`.
    """

    batch: Count = 16
    transcripts: bool = True
    """Also write down what is said: 1 : 1 into English, 1 : 3 out of it with three directions."""
    corpora: dict[str, str] = Field(default_factory=dict)
    max_tokens: Count = 2048
    """Longer answers are cut, as in the published code."""
    margin_s: Share = 0.1
    """Sound around an utterance that is left on, where a recording has some."""


@dataclass(frozen=True)
class UtteranceBatch:
    """What an objective gets.

    samples [B, W] at 16 kHz, zeros behind each end; counts: how many of each are real; prompts and
    answers in token ids; seed: for everything random in the network.
    """

    samples: Tensor
    counts: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    answers: tuple[Answer, ...]
    seed: int
    audio_s: float
    tokens: int


class UtteranceCollator:
    """Makes batches: reads the sound and encodes the text."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        chat: ChatTemplate,
        mixture: UtteranceMixture,
        most_samples: int,
        augment: Augment | None,
    ) -> None:
        self.tokenizer, self.chat, self.mixture = tokenizer, chat, mixture
        self.most_samples, self.augment = most_samples, augment

    def __call__(self, utterances: Sequence[Utterance], rng: random.Random) -> UtteranceBatch:
        """One batch. All randomness comes from the given generator."""
        sounds = [self._samples(utterance, rng) for utterance in utterances]
        samples = np.zeros((len(sounds), max(map(len, sounds))), dtype=np.float32)
        for row, sound in enumerate(sounds):
            samples[row, : len(sound)] = sound
        answers = tuple(self._answer(utterance.text) for utterance in utterances)
        return UtteranceBatch(
            samples=torch.from_numpy(samples),
            counts=tuple(len(sound) for sound in sounds),
            prompts=tuple(
                self.chat.encode(self.tokenizer, one.task, one.src_lang, one.tgt_lang)
                for one in utterances
            ),
            answers=answers,
            seed=rng.getrandbits(63),
            audio_s=sum(map(len, sounds)) / SAMPLE_RATE,
            tokens=sum(answer.learnt for answer in answers),
        )

    def _samples(self, utterance: Utterance, rng: random.Random) -> np.ndarray:
        sound = utterance.read_samples(self.mixture.margin_s)[: self.most_samples]
        if self.augment is None:
            return sound
        return self.augment(sound, len(sound), rng)

    def _answer(self, text: str) -> Answer:
        ids, learnt = self.chat.encode_answer(self.tokenizer, text)
        most = self.mixture.max_tokens
        return Answer(ids[:most], min(learnt, most))


class UtteranceExamples:
    """The batches of a stage: a function of (seed, stage, step), so a resumed run sees the same."""

    def __init__(
        self,
        mixture: UtteranceMixture,
        collator: UtteranceCollator,
        utterances: Sequence[Utterance],
        *,
        seed: int,
        stage: str,
    ) -> None:
        self.mixture, self.collator = mixture, collator
        self.seed, self.stage = seed, stage
        self._epochs = Epochs(utterances, seed, stage)

    def batch(self, step: int) -> UtteranceBatch:
        """The batch of a step (accumulation counts as further steps)."""
        digest = hashlib.sha256(f"{self.seed}/{self.stage}/{step}".encode()).digest()
        first = step * self.mixture.batch
        chosen = [self._epochs[first + place] for place in range(self.mixture.batch)]
        return self.collator(chosen, random.Random(digest))


def utterance_examples(
    mixture: UtteranceMixture,
    system: Any,
    tokenizer: Tokenizer,
    talks: Sequence[Talk],
    augment: Augment | None,
    *,
    seed: int,
    stage: str,
) -> UtteranceExamples:
    """The batches of a stage for a system with a chat template and directions (`Llast`).

    Raises: ConfigError for a system that has none, or a direction without a corpus.
    """
    chat, pairs = getattr(system, "chat", None), getattr(system.config, "pairs", None)
    if chat is None or pairs is None:
        raise ConfigError(
            f"stage {stage!r}: utterances are for systems with directions, such as 'llast'; "
            f"{system.config.kind!r} takes `data`"
        )
    most = system.config.encoder.window_samples
    collator = UtteranceCollator(tokenizer, chat, mixture, most, augment)
    found = utterances_of(mixture, pairs, talks, stage)
    return UtteranceExamples(mixture, collator, found, seed=seed, stage=stage)


def utterances_of(
    mixture: UtteranceMixture, directions: Sequence[Direction], talks: Sequence[Talk], stage: str
) -> list[Utterance]:
    """The utterances of a stage.

    talks: those of the recipe's `corpus`, for directions without a corpus of their own.
    Raises: ConfigError for a corpus of a direction the system does not have, or for none at all.
    """
    named = {f"{src}-{tgt}": (src, tgt) for src, tgt in directions}
    unknown = sorted(mixture.corpora.keys() - named.keys())
    if unknown:
        raise ConfigError(
            f"stage {stage!r}: corpora: {unknown[0]!r} is not among system.directions, "
            f"{', '.join(named)}"
        )
    found: dict[Direction, Sequence[Talk]] = {}
    for name, direction in named.items():
        folder = mixture.corpora.get(name)
        found[direction] = talks if folder is None else list(load_talks(Path(folder)))
        if not found[direction]:
            raise ConfigError(
                f"stage {stage!r}: direction {name!r} has no corpus: name one, e.g. "
                f"corpora: {{{name}: corpora/{name}}}"
            )
    return asr_augmented(found, transcripts=mixture.transcripts)
