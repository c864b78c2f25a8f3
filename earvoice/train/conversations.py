"""Batches of conversations: what two people say in the order of time, and its translation.

    turns         SELF  |good morning|      |how are you|
                  OTHER           |buenos días|
    transcript    <SELF> good morning <OTHER> buenos días <SELF> how are you
    translation   <SELF> buenos días <OTHER> good morning <SELF> cómo está

Words are sorted by when they end, so that nothing stands before it was heard; translations have no
word times, so whole turns are sorted by the end of their source. A tag says who speaks: before
every turn, or before every word. Corpora of single talks are conversations in which nobody answers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from earvoice.config import Config, Positive
from earvoice.data.augment import Augment
from earvoice.data.conversations import (
    SPEAKERS,
    Conversation,
    Speaker,
    Turn,
    load_conversations,
)
from earvoice.data.manifest import (
    MANIFEST_NAME,
    SpokenSentence,
    Talk,
    Target,
    TimedPhone,
    TimedWord,
    load_talks,
)
from earvoice.data.synth.conversation.dialogue import deal_languages, dialogue
from earvoice.errors import ConfigError, UsageError
from earvoice.models.splice import IGNORED
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE, Samples, Seconds

_PACE_S: Seconds = 0.35
"""About how long a word lasts, for text without sound."""
_MOST_TRIES = 100


class ConversationMixture(Config):
    """What a stage of JSTAR learns from.

    audio: passages of the recipe's corpora, cut where nobody speaks; text: dialogues drawn from
    the grammar, without sound.
    """

    source: Literal["audio", "text"] = "audio"
    kinds: Annotated[tuple[Literal["conversations", "talks"], ...], Field(min_length=1)] = (
        "conversations",
        "talks",
    )
    """Which of the recipe's corpora: of conversations, of single talks, or both."""
    batch_s: Positive = 60.0
    """Seconds of sound in a batch, silence that pads it included; of text as if it were spoken."""
    passage_s: tuple[Positive, Positive] = (3.0, 12.0)
    """The length a passage aims at is drawn from here; a single turn may be longer."""
    longest_s: Positive = 25.0
    tags: Literal["turn", "word"] = "turn"
    margin_s: Positive = 0.3
    """Sound before the first word and behind the last, as far as nobody speaks there."""

    @field_validator("passage_s")
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
    a transcript has been spoken; phones [B, T]: a label per frame, `IGNORED` where unknown.
    """

    samples: Tensor
    counts: tuple[int, ...]
    transcripts: tuple[tuple[int, ...], ...]
    ends: tuple[tuple[int, ...], ...]
    translations: tuple[tuple[int, ...], ...]
    phones: Tensor
    seed: int
    audio_s: float
    tokens: int


@dataclass(frozen=True)
class Recording:
    """A conversation, and the talk it stands for, if it is one."""

    conversation: Conversation
    talk: Talk | None = None

    def read_samples(self, start: Samples, count: Samples) -> np.ndarray:
        """float32 [C, W]."""
        if self.talk is not None:
            return self.talk.read_samples(start, count)[None]
        return self.conversation.read_samples(start, count)

    def phones(self) -> Iterator[TimedPhone]:
        """Where known."""
        for sentence in self.talk.sentences if self.talk is not None else ():
            yield from sentence.phones


@dataclass(frozen=True)
class Passage:
    """Some turns of a recording that nobody else speaks into. Seconds of the recording."""

    recording: Recording
    turns: tuple[Turn, ...]
    start_s: Seconds
    end_s: Seconds

    @property
    def duration_s(self) -> Seconds:
        """How long it is."""
        return self.end_s - self.start_s


def read_recordings(folders: Sequence[Path], kinds: Sequence[str], into: str) -> list[Recording]:
    """The recordings of corpora of either kind. into: the language that talks are translated to.

    Raises: UsageError or DataError naming what is wrong.
    """
    found: list[Recording] = []
    for folder in folders:
        if _holds_conversations(folder):
            if "conversations" in kinds:
                found += [Recording(item) for item in load_conversations(folder)]
        elif "talks" in kinds:
            found += [Recording(_as_conversation(talk, into), talk) for talk in load_talks(folder)]
    return found


def _holds_conversations(folder: Path) -> bool:
    path = folder / MANIFEST_NAME if folder.is_dir() else folder
    if not path.is_file():
        raise UsageError(f"there is no corpus manifest at {path}")
    with path.open(encoding="utf-8") as lines:
        first = next((line for line in lines if line.strip()), "{}")
    try:
        return bool(json.loads(first).get("type") == "MultiCut")
    except (json.JSONDecodeError, AttributeError) as error:
        raise UsageError(f"{path} line 1 is not a record: {error}") from error


def _as_conversation(talk: Talk, into: str) -> Conversation:
    """A talk as a conversation in which only the wearer speaks."""
    turns = tuple(_turn(sentence, talk.language, into) for sentence in talk.sentences)
    return Conversation(talk.id, talk.path, 1, talk.sample_rate, talk.samples, turns)


def _turn(sentence: SpokenSentence, language: str, into: str) -> Turn:
    target = sentence.targets.get(into, Target(""))
    return Turn("self", language, sentence.start_s, sentence.end_s, sentence.words, into, target)


def passages(
    recording: Recording, aim_s: Seconds, longest_s: Seconds, margin_s: Seconds
) -> list[Passage]:
    """A recording cut where nobody speaks, into passages of about `aim_s`; longer ones left out."""
    groups: list[list[Turn]] = []
    end_s = -1.0
    for turn in sorted(recording.conversation.turns, key=lambda item: item.start_s):
        if not groups or turn.start_s < end_s:
            if not groups:
                groups.append([])
        elif (
            end_s - groups[-1][0].start_s >= aim_s or turn.end_s - groups[-1][0].start_s > longest_s
        ):
            groups.append([])
        groups[-1].append(turn)
        end_s = max(end_s, turn.end_s)
    spans = [(min(t.start_s for t in g), max(t.end_s for t in g)) for g in groups]
    found = []
    for place, group in enumerate(groups):
        before_s = spans[place - 1][1] if place else 0.0
        after_s = (
            spans[place + 1][0] if place + 1 < len(groups) else recording.conversation.duration_s
        )
        start_s = max(before_s, spans[place][0] - margin_s)
        stop_s = min(max(after_s, spans[place][1]), spans[place][1] + margin_s)
        if stop_s - start_s <= longest_s:
            found.append(Passage(recording, tuple(group), start_s, stop_s))
    return found


class ConversationCollator:
    """Makes batches: reads the sound and writes the serialised targets."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        speakers: tuple[str, str],
        frame_samples: Samples,
        tags: Literal["turn", "word"],
        augment: Augment | None,
        phones: Mapping[str, int],
    ) -> None:
        """speakers: the tag tokens of `self` and `other`."""
        self.tokenizer, self.frame_s = tokenizer, frame_samples / SAMPLE_RATE
        self.augment, self.phones = augment, phones
        self._tag = {s: tokenizer.special_id(t) for s, t in zip(SPEAKERS, speakers, strict=True)}
        self._every_word = tags == "word"

    def __call__(
        self, items: Sequence[Passage], rng: random.Random, *, audio: bool
    ) -> ConversationBatch:
        """One batch. All randomness comes from the given generator."""
        sounds = [self._sound(item, rng) if audio else None for item in items]
        longest = max((sound.shape[1] for sound in sounds if sound is not None), default=0)
        channels = max((len(sound) for sound in sounds if sound is not None), default=1)
        samples = np.zeros((len(items), channels, longest), dtype=np.float32)
        for row, sound in zip(samples, sounds, strict=True):
            if sound is not None:
                row[:, : sound.shape[1]] = sound
        transcripts = [self.transcript(item) for item in items]
        translations = [tuple(self.translation(item)) for item in items]
        return ConversationBatch(
            samples=torch.from_numpy(samples),
            counts=tuple(0 if sound is None else sound.shape[1] for sound in sounds),
            transcripts=tuple(tuple(token for token, _ in row) for row in transcripts),
            ends=tuple(tuple(frame for _, frame in row) for row in transcripts),
            translations=tuple(translations),
            phones=torch.from_numpy(self._phones(items, samples.shape[2])),
            seed=rng.getrandbits(63),
            audio_s=sum(item.duration_s for item in items),
            tokens=sum(map(len, transcripts)) + sum(map(len, translations)),
        )

    def transcript(self, item: Passage) -> list[tuple[int, int]]:
        """Tokens with the frame in which each has been spoken."""
        words: list[tuple[Seconds, int, Speaker, TimedWord]] = [
            (word.end_s, place, turn.speaker, word)
            for place, turn in enumerate(item.turns)
            for word in turn.words
        ]
        written: list[tuple[int, int]] = []
        speaking: Speaker | None = None
        for end_s, _, speaker, word in sorted(words, key=lambda entry: entry[:2]):
            frame = max(0, int((end_s - item.start_s) / self.frame_s))
            if self._every_word or speaker != speaking:
                written.append((self._tag[speaker], frame))
            speaking = speaker
            written += [(token, frame) for token in self.tokenizer.encode(word.text)]
        return written

    def translation(self, item: Passage) -> Iterator[int]:
        """Tokens of the turns, by the end of their source."""
        speaking: Speaker | None = None
        for turn in sorted(item.turns, key=lambda turn: turn.end_s):
            if self._every_word:
                for word in turn.target.text.split():
                    yield self._tag[turn.speaker]
                    yield from self.tokenizer.encode(word)
                continue
            if turn.speaker != speaking:
                yield self._tag[turn.speaker]
            speaking = turn.speaker
            yield from self.tokenizer.encode(turn.target.text)

    def _sound(self, item: Passage, rng: random.Random) -> np.ndarray:
        rate = item.recording.conversation.sample_rate
        start = round(item.start_s * rate)
        sound = item.recording.read_samples(start, round(item.end_s * rate) - start)
        if self.augment is None:
            return sound
        # The same for every microphone would be another array; one microphone is all that varies.
        return self.augment(sound[0], sound.shape[1], rng)[None] if len(sound) == 1 else sound

    def _phones(self, items: Sequence[Passage], longest: Samples) -> np.ndarray:
        """Frame labels: the phoneme in the frame's middle, 0 for silence, `IGNORED` elsewhere."""
        frames = int(longest / SAMPLE_RATE / self.frame_s)
        labels = np.full((len(items), frames), IGNORED)
        for row, item in zip(labels, items, strict=True):
            known = list(item.recording.phones()) if frames and self.phones else []
            if not known:
                continue
            row[: int(item.duration_s / self.frame_s)] = 0
            middles_s = item.start_s + (np.arange(frames) + 0.5) * self.frame_s
            for phone in known:
                if phone.end_s <= item.start_s or phone.start_s >= item.end_s:
                    continue
                inside = (middles_s >= phone.start_s) & (middles_s < phone.end_s)
                row[inside] = self.phones.get(phone.symbol, IGNORED)
        return labels


class ConversationExamples:
    """Draws passages and collates them; a batch is a function of (seed, stage, step)."""

    def __init__(
        self,
        mixture: ConversationMixture,
        collator: ConversationCollator,
        recordings: Sequence[Recording],
        *,
        seed: int,
        stage: str,
    ) -> None:
        if mixture.source == "audio" and not recordings:
            raise ConfigError(
                f"stage {stage!r} trains on audio: name a corpus of {' or '.join(mixture.kinds)}, "
                "e.g. corpus=[corpora/train]"
            )
        channels = sorted({item.conversation.channels for item in recordings})
        if mixture.source == "audio" and len(channels) > 1:
            raise ConfigError(
                f"stage {stage!r}: the corpora have recordings of {channels} channels; a stage "
                "learns from one kind"
            )
        self.mixture, self.collator, self.recordings = mixture, collator, recordings
        self.seed, self.stage = seed, stage

    def batch(self, step: int) -> ConversationBatch:
        """The batch of a step (accumulation counts as further steps)."""
        digest = hashlib.sha256(f"{self.seed}/{self.stage}/{step}".encode()).digest()
        rng = random.Random(digest)
        mixture = self.mixture
        aim_s = rng.uniform(*mixture.passage_s)
        items: list[Passage] = []
        for _ in range(_MOST_TRIES):
            more = self._drawn(rng, aim_s)
            if more is None:
                continue
            longest_s = max(item.duration_s for item in (*items, more))
            if items and (len(items) + 1) * longest_s > mixture.batch_s:
                break
            items.append(more)
        if not items:
            raise ConfigError(
                f"stage {self.stage!r}: no passage of at most {mixture.longest_s} s found in "
                f"{_MOST_TRIES} tries"
            )
        return self.collator(items, rng, audio=mixture.source == "audio")

    def _drawn(self, rng: random.Random, aim_s: Seconds) -> Passage | None:
        mixture = self.mixture
        if mixture.source == "text":
            return said_in_text(rng, aim_s)
        recording = rng.choice(self.recordings)
        found = passages(recording, aim_s, mixture.longest_s, mixture.margin_s)
        return rng.choice(found) if found else None


def said_in_text(rng: random.Random, aim_s: Seconds) -> Passage:
    """A dialogue without sound that would last about `aim_s`."""
    turns: list[Turn] = []
    now_s = 0.0
    languages = deal_languages(rng)
    for said in itertools.islice(dialogue(rng, languages, "train"), rng.randrange(4), None):
        ((into, side),) = said.sentence.targets.items()
        words = tuple(
            TimedWord(text, now_s + place * _PACE_S, now_s + (place + 1) * _PACE_S)
            for place, text in enumerate(said.sentence.source)
        )
        start_s, now_s = now_s, now_s + len(words) * _PACE_S
        language = languages[said.speaker]
        target = Target(" ".join(side))
        turns.append(Turn(said.speaker, language, start_s, now_s, words, into, target, said.kind))
        if now_s >= aim_s:
            break
    whole = Conversation("text", None, 1, SAMPLE_RATE, 0, tuple(turns))
    return Passage(Recording(whole), tuple(turns), 0.0, now_s)


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
) -> ConversationExamples:
    """The examples of a stage for a system with tags of two speakers.

    Raises: ConfigError for recordings that the system's microphones cannot have made.
    """
    recordings: list[Recording] = []
    if mixture.source == "audio":
        into = system.config.tgt_lang
        recordings = read_recordings([Path(name) for name in folders], mixture.kinds, into)
    for item in recordings:
        if item.conversation.channels != system.microphones:
            raise ConfigError(
                f"stage {stage!r}: {item.conversation.id} has {item.conversation.channels} "
                f"channels, the system has {system.microphones} microphones"
            )
    collator = ConversationCollator(
        tokenizer,
        system.config.control_tokens,
        system.rate.stride,
        mixture.tags,
        augment,
        phones,
    )
    return ConversationExamples(mixture, collator, recordings, seed=seed, stage=stage)
