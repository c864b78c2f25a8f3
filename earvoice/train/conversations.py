"""Batches of conversations for transducers: pieces of sound, and the serialised words of both.

`data/conversation_examples.py` cuts and writes; here is what a recipe says of it, and tensors.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from earvoice.config import Config, Positive
from earvoice.data.augment import Augment
from earvoice.data.conversation_examples import ConversationExample, ExampleMaker, Piece, draw
from earvoice.data.conversations import Conversation, Turn
from earvoice.data.draws import drawing
from earvoice.data.manifest import Target, TimedWord
from earvoice.data.serialise import Tagging
from earvoice.data.synth.conversation.dialogue import deal_languages, dialogue
from earvoice.errors import ConfigError
from earvoice.models.splice import IGNORED
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.conversation_corpora import Kind, read_corpora, snr_db
from earvoice.units import SAMPLE_RATE, Samples, Seconds

_PACE_S: Seconds = 0.35
"""About how long a word lasts, for text without sound."""
_MOST_BEFORE = 40
"""Utterances of a dialogue before a text begins, fewer than that: about two topics long, else most
texts would be greetings."""
_TRIES = 400
_LEAST_OF_AIM = 5 / 6
"""How much shorter than the length drawn for its batch a piece may be."""


class ConversationMixture(Config):
    """What a stage of JSTAR learns from.

    audio: pieces of the recipe's corpora, cut where nobody speaks; text: dialogues drawn from the
    grammar, without sound.
    """

    source: Literal["audio", "text"] = "audio"
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("conversations", "talks")
    """Which of the recipe's corpora: of conversations, of single talks, or both."""
    batch_s: Positive = 60.0
    """Seconds of sound in a batch, silence that pads it included; of text as if it were spoken."""
    piece_s: tuple[Positive, Positive] = (3.0, 15.0)
    """Shortest and longest piece."""
    tags: Tagging = "change"
    """Who speaks: told at each change, or before every word."""
    least_snr_db: float | None = None
    """Only recordings with no more noise than that; an encoder should learn on little first."""

    @field_validator("piece_s")
    @classmethod
    def _in_order(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] > ends[1]:
            raise ValueError("the least must not be more than the most")
        return ends


@dataclass(frozen=True)
class ConversationBatch:
    """What an objective gets.

    samples [B, C, W] at 16 kHz, zeros behind each end, W 0 for text; counts: how many of each are
    real; transcripts and translations: token ids with tags; ends: the frame in which each token of
    a transcript has been spoken; needs and turn_ends: the frames in which the last source word that
    a token of a translation depends on, and its whole turn, have been spoken; phones [B, T]: a
    label per frame, `IGNORED` where unknown.
    """

    samples: Tensor
    counts: tuple[int, ...]
    transcripts: tuple[tuple[int, ...], ...]
    ends: tuple[tuple[int, ...], ...]
    translations: tuple[tuple[int, ...], ...]
    needs: tuple[tuple[int, ...], ...]
    turn_ends: tuple[tuple[int, ...], ...]
    phones: Tensor
    seed: int
    audio_s: float
    tokens: int


class ConversationCollator:
    """Makes batches of examples."""

    def __init__(
        self, frame_samples: Samples, augment: Augment | None, phones: Mapping[str, int]
    ) -> None:
        self.frame_s = frame_samples / SAMPLE_RATE
        self.augment, self.phones = augment, phones

    def __call__(
        self, items: Sequence[ConversationExample], rng: random.Random
    ) -> ConversationBatch:
        """One batch. All randomness comes from the given generator."""
        counts = tuple(item.samples.shape[1] for item in items)
        channels = items[0].samples.shape[0]
        samples = np.zeros((len(items), channels, max(counts)), dtype=np.float32)
        for row, item in zip(samples, items, strict=True):
            row[:, : item.samples.shape[1]] = self._augmented(item.samples, rng)
        frames = int(max(counts) / SAMPLE_RATE / self.frame_s)
        return ConversationBatch(
            samples=torch.from_numpy(samples),
            counts=counts,
            transcripts=tuple(item.asr_tokens for item in items),
            ends=tuple(self._frames(item.asr_end_s) for item in items),
            translations=tuple(item.st_tokens for item in items),
            needs=tuple(self._frames(item.st_need_s) for item in items),
            turn_ends=tuple(self._frames(item.st_end_s) for item in items),
            phones=torch.from_numpy(np.stack([self._phones(item, frames) for item in items])),
            seed=rng.getrandbits(63),
            audio_s=sum(counts) / SAMPLE_RATE,
            tokens=sum(len(item.asr_tokens) + len(item.st_tokens) for item in items),
        )

    def _augmented(self, samples: np.ndarray, rng: random.Random) -> np.ndarray:
        """Of one microphone; what several hear together must stay as it is."""
        if self.augment is None or len(samples) > 1 or not samples.size:
            return samples
        return self.augment(samples[0], samples.shape[1], rng)[None]

    def _frames(self, times_s: Sequence[Seconds]) -> tuple[int, ...]:
        return tuple(max(0, int(time_s / self.frame_s)) for time_s in times_s)

    def _phones(self, item: ConversationExample, frames: int) -> np.ndarray:
        """Frame labels: the phoneme in the frame's middle, 0 for silence, `IGNORED` elsewhere.

        Of people who talk at once, the later one.
        """
        row = np.full(frames, IGNORED)
        if not self.phones or not any(item.phones):
            return row
        row[: int(item.duration_s / self.frame_s)] = 0
        middles_s = (np.arange(frames) + 0.5) * self.frame_s
        for phone in itertools.chain.from_iterable(item.phones):
            inside = (middles_s >= phone.start_s) & (middles_s < phone.end_s)
            row[inside] = self.phones.get(phone.symbol, IGNORED)
        return row


class ConversationExamples:
    """Draws pieces and collates them; a batch is a function of (seed, stage, step)."""

    def __init__(
        self,
        mixture: ConversationMixture,
        collator: ConversationCollator,
        maker: ExampleMaker,
        recordings: Sequence[Conversation],
        *,
        seed: int,
        stage: str,
    ) -> None:
        if mixture.source == "audio" and not recordings:
            raise ConfigError(
                f"stage {stage!r} trains on audio: name a corpus of {' or '.join(mixture.kinds)}, "
                "e.g. corpus=[corpora/train]"
            )
        self.mixture, self.collator, self.maker = mixture, collator, maker
        self.recordings, self.seed, self.stage = recordings, seed, stage
        self._weights = list(itertools.accumulate(item.duration_s for item in recordings))

    def batch(self, step: int) -> ConversationBatch:
        """The batch of a step (accumulation counts as further steps).

        Its pieces are about as long as each other, so that little of a batch is padding: none is
        longer than the length drawn for the batch, none shorter by more than a sixth.
        """
        rng = drawing(self.seed, self.stage, step)
        least_s, most_s = self.mixture.piece_s
        aim_s = rng.uniform(least_s, most_s)
        # A small corpus may have none of this length.
        pieces = self._alike(rng, max(least_s, _LEAST_OF_AIM * aim_s), aim_s) or self._alike(
            rng, least_s, most_s
        )
        if not pieces:
            raise ConfigError(
                f"stage {self.stage!r}: no piece of {least_s} to {most_s} s found in {_TRIES} "
                "tries; the recordings have too few quiet places for `piece_s`"
            )
        return self.collator([self.maker(piece) for piece in pieces], rng)

    def _alike(self, rng: random.Random, least_s: Seconds, most_s: Seconds) -> list[Piece]:
        """As many pieces of such a length as a batch has room for; none if none is found."""
        pieces: list[Piece] = []
        for _ in range(_TRIES):
            more = self._drawn(rng, least_s, most_s)
            if more is None:
                continue
            longest_s = max(piece.end_s - piece.start_s for piece in (*pieces, more))
            if pieces and (len(pieces) + 1) * longest_s > self.mixture.batch_s:
                break
            pieces.append(more)
        return pieces

    def _drawn(self, rng: random.Random, least_s: Seconds, most_s: Seconds) -> Piece | None:
        if self.mixture.source == "text":
            return said_in_text(rng, most_s)
        recording = rng.choices(self.recordings, cum_weights=self._weights)[0]
        return draw(recording, rng, least_s, most_s)


def dialogue_texts(rng: random.Random) -> Iterator[str]:
    """Sentences of dialogues and their translations, without end."""
    for said in dialogue(rng, deal_languages(rng), "train"):
        yield " ".join(said.sentence.source)
        for side in said.sentence.targets.values():
            yield " ".join(side)


def said_in_text(rng: random.Random, aim_s: Seconds) -> Piece:
    """A dialogue without sound that would last about `aim_s`."""
    turns: list[Turn] = []
    now_s = 0.0
    languages = deal_languages(rng)
    begin = rng.randrange(_MOST_BEFORE)
    for said in itertools.islice(dialogue(rng, languages, "train"), begin, None):
        ((into, side),) = said.sentence.targets.items()
        words = tuple(
            TimedWord(text, now_s + place * _PACE_S, now_s + (place + 1) * _PACE_S)
            for place, text in enumerate(said.sentence.source)
        )
        start_s, now_s = now_s, now_s + len(words) * _PACE_S
        language = languages[said.speaker]
        target = Target(" ".join(side), said.sentence.needs[into])
        turns.append(Turn(said.speaker, language, start_s, now_s, words, into, target, said.kind))
        if now_s >= aim_s:
            break
    return Piece(Conversation("text", None, 1, SAMPLE_RATE, 0, tuple(turns)), 0.0, now_s, (*turns,))


def conversation_examples(
    mixture: ConversationMixture,
    system: Any,
    tokenizer: Tokenizer,
    folders: Sequence[str],
    augment: Augment | None,
    phones: Mapping[str, int],
    *,
    seed: int,
    stage: str,
    translated: bool = False,
    read: Callable[[Sequence[Path], Sequence[str], str], list[Conversation]] = read_corpora,
) -> ConversationExamples:
    """The examples of a stage. A system of one microphone takes the first of a recording.

    translated: the stage learns from translations, so that all that is said must have one.
    read: gives the recordings of folders.
    Raises: ConfigError for recordings that have fewer or more microphones than the system, and
        for turns without word times or, where needed, without a translation.
    """
    recordings: list[Conversation] = []
    if mixture.source == "audio":
        into = system.config.tgt_lang
        recordings = [
            item
            for item in read([Path(name) for name in folders], mixture.kinds, into)
            if mixture.least_snr_db is None or snr_db(item) >= mixture.least_snr_db
        ]
    for item in recordings:
        if item.channels != system.microphones and system.microphones > 1:
            raise ConfigError(
                f"stage {stage!r}: {item.id} has {item.channels} channels, the system has "
                f"{system.microphones} microphones"
            )
    for item in recordings:
        _check_turns(item, stage, translated=translated)
    channels = (0,) if system.microphones == 1 else ()
    maker = ExampleMaker(tokenizer, mixture.tags, mixture.tags, channels)
    collator = ConversationCollator(system.rate.stride, augment, phones)
    return ConversationExamples(mixture, collator, maker, recordings, seed=seed, stage=stage)


def _check_turns(item: Conversation, stage: str, *, translated: bool) -> None:
    """Transcripts are made of timed words, and silence must not be learnt as a translation.

    Raises: ConfigError naming the first turn that lacks them.
    """
    for turn in item.turns:
        if not turn.words:
            what, cure = "no word times", "align the corpus, or leave it out"
        elif translated and not turn.target.text:
            what, cure = f"no {turn.into!r} side", "leave it out, or train `asr_transducer` on it"
        else:
            continue
        raise ConfigError(
            f"stage {stage!r}: {item.id!r}: what is said at {turn.start_s} s has {what}; {cure}"
        )
