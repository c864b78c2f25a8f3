"""Batches of whole utterances in many languages, with their prompts and answers in token ids.

What LLaST trains on (2407.15415): `data/utterances.py` says which utterances and in what order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from earvoice.config import Config, Count, Share
from earvoice.data.augment import Augment
from earvoice.data.draws import drawing
from earvoice.data.manifest import Talk
from earvoice.data.synth.silent import silent_talk
from earvoice.data.utterances import Direction, Epochs, Utterance, asr_augmented
from earvoice.errors import ConfigError
from earvoice.models.splice import IGNORED, Answer
from earvoice.models.whisper import WhisperConfig
from earvoice.text.chat import ChatTemplate, Task
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer
from earvoice.train.corpus import talks_of
from earvoice.units import SAMPLE_RATE

ReadTalks: TypeAlias = Callable[[str, str], Sequence[Talk]]
"""Folder, and the key of the recipe that names it, to talks."""
_SENTENCES_A_TALK = 6
_TRANSCRIPTS = 0.25
"""Share of text tasks that only repeat the source."""


class UtteranceMixture(Config):
    """What a stage of whole utterances learns from.

    corpora: direction -> corpus folder; a direction that is not named takes the recipe's `corpus`.
    """

    source: Literal["audio", "text"] = "audio"
    """text: sentences of the grammar, without sound, for a language model to learn on first."""
    timed: bool = False
    """Of text: words lie as they would be spoken, with their length and pauses, not in a row."""
    batch: Count = 16
    joined: Count = 1
    """Up to so many neighbouring sentences make an utterance, as a pause may not come between."""
    bucket: Count = 1
    """So many batches are sorted by length together, which saves padding; 1 is the published
    code's order."""
    in_a_row: Count = 1
    """Of those sorted together, so many neighbours come one after the other: as many as a step has,
    so that processes that share it have as much to do."""
    transcripts: bool = True
    """Also write down what is said: 1 : 1 into English, 1 : 3 out of it with three directions."""
    corpora: dict[str, str] = Field(default_factory=dict)
    directions: tuple[str, ...] = ()
    """Only these of the system's; all when empty."""
    max_tokens: Count = 2048
    """Longer answers are cut, as in the published code."""
    margin_s: Share = 0.1
    """Sound around an utterance that is left on, where a recording has some."""

    @model_validator(mode="after")
    def _whole_rows(self) -> UtteranceMixture:
        if self.bucket % self.in_a_row:
            raise ValueError(f"in_a_row is {self.in_a_row}, it must divide bucket, {self.bucket}")
        return self


@dataclass(frozen=True)
class UtteranceBatch:
    """What an objective gets.

    samples [B, W] at 16 kHz, zeros behind each end, W 0 for text; counts: how many of each are
    real (of text in time, how many there would be); prompts and answers in token ids; sources:
    what is said in token ids; word_spans [M, 3]: item, first and last speech embedding of each
    word that is said, word_ids [M, P] and their mask; phones [B, T]: a label per frame, `IGNORED`
    where unknown; seed: for everything random in the network.
    """

    samples: Tensor
    counts: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    answers: tuple[Answer, ...]
    sources: tuple[tuple[int, ...], ...]
    word_spans: Tensor
    word_ids: Tensor
    word_ids_mask: Tensor
    phones: Tensor
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
        window: WhisperConfig,
        stack: int,
        augment: Augment | None,
        phones: Mapping[str, int],
    ) -> None:
        self.tokenizer, self.chat, self.mixture = tokenizer, chat, mixture
        self.window, self.augment, self.phones = window, augment, phones
        self.embedding_samples = stack * window.samples_per_frame

    def __call__(self, utterances: Sequence[Utterance], rng: random.Random) -> UtteranceBatch:
        """One batch. All randomness comes from the given generator."""
        sounds = [self._samples(utterance, rng) for utterance in utterances]
        samples = np.zeros((len(sounds), max(map(len, sounds))), dtype=np.float32)
        for row, sound in enumerate(sounds):
            samples[row, : len(sound)] = sound
        answers = tuple(self._answer(utterance.text) for utterance in utterances)
        counts = tuple(len(sound) for sound in sounds)
        if self.mixture.source == "text" and self.mixture.timed:
            counts = tuple(self._lasting(utterance) for utterance in utterances)
        spans, ids, mask = self._words(utterances, counts)
        return UtteranceBatch(
            samples=torch.from_numpy(samples),
            counts=counts,
            prompts=tuple(
                self.chat.encode(self.tokenizer, one.task, one.src_lang, one.tgt_lang)
                for one in utterances
            ),
            answers=answers,
            sources=tuple(tuple(self.tokenizer.encode(one.transcript)) for one in utterances),
            word_spans=spans,
            word_ids=ids,
            word_ids_mask=mask,
            phones=torch.from_numpy(self._phones(utterances, samples.shape[1])),
            seed=rng.getrandbits(63),
            audio_s=sum(map(len, sounds)) / SAMPLE_RATE,
            tokens=sum(answer.learnt for answer in answers),
        )

    def _samples(self, utterance: Utterance, rng: random.Random) -> np.ndarray:
        if self.mixture.source == "text":
            return np.zeros(0, dtype=np.float32)
        sound = utterance.read_samples(self.mixture.margin_s)[: self.window.window_samples]
        if self.augment is None:
            return sound
        return self.augment(sound, len(sound), rng)

    def _lasting(self, utterance: Utterance) -> int:
        """The samples it would have, were it spoken."""
        begin, rate = utterance.first_sample(self.mixture.margin_s), utterance.talk.sample_rate
        end = round((utterance.sentences[-1].end_s + self.mixture.margin_s) * rate)
        return min(end - begin, self.window.window_samples)

    def _words(
        self, utterances: Sequence[Utterance], counts: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Spans of all words that are heard, on the grid of speech embeddings, and their ids."""
        spans, ids = [], []
        for item, (one, count) in enumerate(zip(utterances, counts, strict=True)):
            begin_s = one.first_sample(self.mixture.margin_s) / one.talk.sample_rate
            slots = count // self.embedding_samples
            for word in (word for sentence in one.sentences for word in sentence.words):
                first = self._slot(word.start_s - begin_s)
                last = min(slots - 1, max(first, self._slot(word.end_s - begin_s)))
                pieces = self.tokenizer.encode_word(word.text)
                if pieces and last >= first:
                    spans.append([item, first, last])
                    ids.append(pieces)
        width = max(map(len, ids), default=1)
        padded = [row + [0] * (width - len(row)) for row in ids]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in ids]
        return (
            torch.tensor(spans, dtype=torch.long).reshape(-1, 3),
            torch.tensor(padded, dtype=torch.long).reshape(-1, width),
            torch.tensor(mask, dtype=torch.long).reshape(-1, width),
        )

    def _slot(self, time_s: float) -> int:
        return max(0, round(time_s * SAMPLE_RATE) // self.embedding_samples)

    def _phones(self, utterances: Sequence[Utterance], samples: int) -> np.ndarray:
        """Frame labels: the phoneme that is spoken, 0 for silence, `IGNORED` where unknown."""
        frame_s = self.window.samples_per_frame / SAMPLE_RATE
        labels = np.full((len(utterances), samples // self.window.samples_per_frame), IGNORED)
        for row, one in zip(labels, utterances, strict=True):
            if not self.phones or not all(sentence.phones for sentence in one.sentences):
                continue
            begin_s = one.first_sample(self.mixture.margin_s) / one.talk.sample_rate
            row[: round((one.sentences[-1].end_s - begin_s) / frame_s)] = 0
            for phone in (phone for sentence in one.sentences for phone in sentence.phones):
                first = max(0, round((phone.start_s - begin_s) / frame_s))
                last = max(0, round((phone.end_s - begin_s) / frame_s))
                row[first:last] = self.phones.get(phone.symbol, IGNORED)
        return labels

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
        return self.collator(self._chosen(step), self._random(str(step)))

    def _chosen(self, step: int) -> list[Utterance]:
        """The utterances of a step; those of `bucket` steps are sorted by length together."""
        size, bucket = self.mixture.batch, self.mixture.bucket
        group, place = divmod(step, bucket)
        first = group * bucket * size
        drawn = [self._drawn(first + number) for number in range(bucket * size)]
        if bucket == 1:
            return drawn
        drawn.sort(key=lambda utterance: utterance.duration_s)
        width = self.mixture.in_a_row
        rows = [range(bucket)[first : first + width] for first in range(0, bucket, width)]
        self._random(f"bucket/{group}").shuffle(rows)
        number = [number for row in rows for number in row][place]
        return drawn[number * size : (number + 1) * size]

    def _drawn(self, place: int) -> Utterance:
        utterance = self._epochs[place]
        if self.mixture.joined == 1:
            return utterance
        count = self._random(f"joined/{place}").randint(1, self.mixture.joined)
        most_s = self.collator.window.window_samples / SAMPLE_RATE - 2 * self.mixture.margin_s
        return utterance.joined(count, most_s)

    def _random(self, name: str) -> random.Random:
        return drawing(self.seed, self.stage, name)


class TextExamples:
    """The batches of a stage that learns from the grammar's sentences in all directions.

    Every batch has sentences of its own, so nothing is seen twice.
    """

    def __init__(
        self,
        mixture: UtteranceMixture,
        collator: UtteranceCollator,
        directions: Sequence[Direction],
        *,
        seed: int,
        stage: str,
    ) -> None:
        self.mixture, self.collator, self.directions = mixture, collator, directions
        self.seed, self.stage = seed, stage

    def batch(self, step: int) -> UtteranceBatch:
        """The batch of a step."""
        rng = drawing(self.seed, self.stage, step)
        joined = rng.randint(1, self.mixture.joined)  # for all of a batch, which saves padding
        found: list[Utterance] = []
        while len(found) < self.mixture.batch:
            found += self._of_talk(rng, joined)
        return self.collator(found[: self.mixture.batch], rng)

    def _of_talk(self, rng: random.Random, joined: int) -> list[Utterance]:
        """A talk in one direction, so many sentences at a time."""
        source, target = rng.choice(list(self.directions))
        talk = silent_talk(rng, _SENTENCES_A_TALK, "train", source)
        share = _TRANSCRIPTS if self.mixture.transcripts else 0.0
        found = []
        for number in range(0, len(talk.sentences), joined):
            task: Task = "transcribe" if rng.random() < share else "translate"
            into = source if task == "transcribe" else target
            whole = min(joined, len(talk.sentences) - number)
            found.append(Utterance(talk, number, task, source, into, whole))
        return found


def utterance_examples(
    mixture: UtteranceMixture,
    system: Any,
    tokenizer: Tokenizer,
    talks: Sequence[Talk],
    augment: Augment | None,
    phones: Mapping[str, int],
    *,
    seed: int,
    stage: str,
    read: ReadTalks = talks_of,
) -> UtteranceExamples | TextExamples:
    """The batches of a stage for a system with a chat template and directions (`Llast`).

    read: gives the talks of a folder.
    Raises: ConfigError for a system that has none, or a direction without a corpus.
    """
    chat, pairs = getattr(system, "chat", None), getattr(system.config, "pairs", None)
    if chat is None or pairs is None:
        raise ConfigError(
            f"stage {stage!r}: utterances are for systems with directions, such as 'llast'; "
            f"{system.config.kind!r} takes `data`"
        )
    window = system.config.encoder
    stack = system.config.stack
    collator = UtteranceCollator(tokenizer, chat, mixture, window, stack, augment, phones)
    if mixture.source == "text":
        return TextExamples(mixture, collator, pairs, seed=seed, stage=stage)
    found = utterances_of(mixture, pairs, talks, stage, read)
    return UtteranceExamples(mixture, collator, found, seed=seed, stage=stage)


def utterances_of(
    mixture: UtteranceMixture,
    directions: Sequence[Direction],
    talks: Sequence[Talk],
    stage: str,
    read: ReadTalks = talks_of,
) -> list[Utterance]:
    """The utterances of a stage.

    talks: those of the recipe's `corpus`; directions without a corpus of their own take what is
    spoken and translated in their languages.
    Raises: ConfigError for a corpus of a direction the system does not have, or for none at all.
    """
    named = {f"{src}-{tgt}": (src, tgt) for src, tgt in directions}
    unknown = sorted(mixture.corpora.keys() - named.keys())
    if unknown:
        raise ConfigError(
            f"stage {stage!r}: corpora: {unknown[0]!r} is not among system.directions, "
            f"{', '.join(named)}"
        )
    unknown = sorted(set(mixture.directions) - named.keys())
    if unknown:
        raise ConfigError(
            f"stage {stage!r}: directions: {unknown[0]!r} is not among system.directions, "
            f"{', '.join(named)}"
        )
    found: dict[Direction, Sequence[Talk]] = {}
    for name, direction in named.items():
        if mixture.directions and name not in mixture.directions:
            continue
        folder = mixture.corpora.get(name)
        src, tgt = direction
        if folder is None:
            found[direction] = [talk for talk in talks if _is_of(talk, src, tgt)]
        else:
            found[direction] = read(folder, f"stage {stage!r}: corpora: {name!r}")
        if not found[direction]:
            raise ConfigError(
                f"stage {stage!r}: direction {name!r} has no corpus: name one, e.g. "
                f"corpora: {{{name}: corpora/{name}}}"
            )
    return asr_augmented(found, transcripts=mixture.transcripts)


def _is_of(talk: Talk, src: str, tgt: str) -> bool:
    """Whether a talk is spoken in a language and translated into another."""
    return talk.language == src and all(tgt in sentence.targets for sentence in talk.sentences)
