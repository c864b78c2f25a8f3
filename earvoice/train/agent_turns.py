"""Batches of an agent's turns: a talk, cut off anywhere, as a live round would meet it.

    chunks     |  1  |   2   |  3  |    4    |       i = 1: in the memory
    window           |-----------------|             from chunk i's end to a time t
    target            2, 3 and the cut-off after 3   eq. 2 of CLASI (2407.21646), from a random i

A batch is a pure function of (seed, stage, step), so a resumed run sees the same.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earvoice.agent.codec import AgentCodec, Ask, Known, Task
from earvoice.agent.memory import Memory, Remembered
from earvoice.data.augment import Augment
from earvoice.data.chunks import Chunk, chunks_of
from earvoice.data.draws import drawing
from earvoice.data.manifest import Talk
from earvoice.data.synth.silent import silent_talk
from earvoice.errors import ConfigError
from earvoice.models.splice import Answer
from earvoice.text.prompt import Prompt
from earvoice.text.spacing import joined
from earvoice.train.agent_mixture import AgentMixture
from earvoice.train.agent_terms import Pair, TermDraw, TermRoom, noted_terms
from earvoice.train.respelling import Respelling
from earvoice.units import SAMPLE_RATE, Samples

_SILENT_SENTENCES = 8
_EXAMPLES_OF_A_TALK = 3
"""Drawing a talk takes longer than all the rest of an example."""
_HEARING = 3


@dataclass(frozen=True)
class AgentBatch:
    """What `agent_turn` gets.

    samples [B, W] at 16 kHz, W 0 for text; leads, counts: per item, embeddings before the window
    and in it; words, slots: text in place of speech, None for an item with sound (see
    `Clasi._written`); prompts and answers in token ids.
    """

    samples: Tensor
    leads: tuple[int, ...]
    counts: tuple[int, ...]
    words: tuple[tuple[tuple[int, ...], ...] | None, ...]
    slots: tuple[tuple[int, ...], ...]
    prompts: tuple[Prompt, ...]
    answers: tuple[Answer, ...]
    audio_s: float
    tokens: int


@dataclass(frozen=True)
class _Turn:
    """One example before encoding. start, lead, count: in embeddings; start from the talk's.

    spread: of text in place of speech, a word's tokens fill its slots one after the other.
    spelling: of its terms, where `known` has another than the talk.
    """

    talk: Talk
    ask: Ask
    start: int
    lead: int
    count: int
    known: Known
    cut: int
    said: tuple[Chunk, ...]
    tail: str
    written: bool
    spread: bool
    spelling: Respelling


@dataclass(frozen=True)
class _Example:
    """A turn in token ids."""

    turn: _Turn
    prompt: Prompt
    answer: tuple[int, ...]

    def cost(self, heard: bool) -> int:
        """What it takes to learn from it, in entries of the language model; for sorting.

        heard: whether the stage has sound, each embedding of which costs the encoder as much as
        three entries (two frames, at six layers of a wider feed-forward than the model's five).
        """
        written = len(self.prompt.before) + len(self.prompt.after) + len(self.answer)
        turn = self.turn
        return written + turn.count + (_HEARING * (turn.lead + turn.count) if heard else 0)


@dataclass(frozen=True)
class AgentGrid:
    """Sizes of the system: samples of an embedding, embeddings of a step and of a window."""

    embedding: Samples
    step: int
    most: int
    memory_tokens: int
    terms: int
    terms_tokens: int
    pairs: tuple[Pair, ...]


class AgentExamples:
    """The batches of a stage."""

    def __init__(
        self,
        mixture: AgentMixture,
        grid: AgentGrid,
        codec: AgentCodec,
        talks: Sequence[Talk],
        augment: Augment | None,
        *,
        seed: int,
        stage: str,
    ) -> None:
        if mixture.clean:
            talks = [talk for talk in talks if not talk.condition]
        if mixture.source == "audio" and not talks:
            raise ConfigError(
                f"stage {stage!r} trains on audio: name a corpus, e.g. corpus=[corpora/train]"
            )
        self.mixture, self.grid, self.codec, self.talks = mixture, grid, codec, talks
        self.augment, self.seed, self.stage = augment, seed, stage
        self._spoken = {pair: self._numbers(pair) for pair in grid.pairs}
        room = TermRoom(grid.terms, grid.terms_tokens, mixture.distractors, mixture.withheld)
        self._terms = TermDraw(mixture.glossaries, grid.pairs, room, codec.count)
        self._chunks: dict[tuple[int, Pair], list[Chunk]] = {}
        self._waiting: dict[tuple[Pair, str], list[tuple[Talk, list[Chunk]]]] = {}
        self._group: tuple[int, list[list[_Example]]] = (-1, [])

    @property
    def collator(self) -> AgentExamples:
        """What has the augmentation, whose strength the loop ramps."""
        return self

    def batch(self, step: int) -> AgentBatch:
        """The batch of a step (accumulation counts as further steps)."""
        rng = self._random(str(step))
        examples = self._examples(step)
        turns = [example.turn for example in examples]
        sounds = [self._samples(turn, rng) for turn in turns]
        samples = np.zeros((len(turns), max(map(len, sounds))), dtype=np.float32)
        for row, sound in zip(samples, sounds, strict=True):
            row[: len(sound)] = sound
        answers = [example.answer for example in examples]
        texts = [self._text(turn) if turn.written else (None, ()) for turn in turns]
        return AgentBatch(
            samples=torch.from_numpy(samples),
            leads=tuple(turn.lead for turn in turns),
            counts=tuple(turn.count for turn in turns),
            words=tuple(words for words, _ in texts),
            slots=tuple(slots for _, slots in texts),
            prompts=tuple(example.prompt for example in examples),
            answers=tuple(Answer(ids, len(ids)) for ids in answers),
            audio_s=sum(map(len, sounds)) / SAMPLE_RATE,
            tokens=sum(map(len, answers)),
        )

    # ---------------------------------------------------------------- choosing

    def _examples(self, step: int) -> list[_Example]:
        """The examples of a step; those of `bucket` steps are sorted by length together."""
        size, bucket = self.mixture.batch, self.mixture.bucket
        group, place = divmod(step, bucket)
        if self._group[0] != group:
            rng = self._random(f"group/{group}")
            self._waiting.clear()
            drawn = [self._encoded(self._turn(rng)) for _ in range(size * bucket)]
            parts = [drawn]
            if bucket > 1:
                drawn.sort(key=lambda example: example.cost(self.mixture.source == "audio"))
                parts = [drawn[first : first + size] for first in range(0, len(drawn), size)]
                rng.shuffle(parts)
            self._group = (group, parts)
        return self._group[1][place]

    def _encoded(self, turn: _Turn) -> _Example:
        return _Example(turn, self.codec.prompt(turn.known, turn.ask), self._answer(turn))

    def _random(self, name: str) -> random.Random:
        return drawing(self.seed, self.stage, name)

    def _turn(self, rng: random.Random) -> _Turn:
        """One example, from a random boundary of a random talk."""
        mixture, grid = self.mixture, self.grid
        pair = rng.choice(grid.pairs)
        task: Task = rng.choices(("asr", "mt", "st"), (mixture.asr, mixture.mt, mixture.st))[0]
        talk, chunks = self._talk(rng, pair)
        whole = task == "mt" or rng.random() < mixture.whole
        ask = Ask(*pair, task=task, whole=whole, cot=task == "st" and rng.random() < mixture.cot)
        first = self._first(rng, talk, chunks, pair)
        start = self._slot(chunks[first - 1].end_s) if first else 0
        count = self._count(rng, chunks, first, start, task=task, whole=whole)
        lead = min(start, rng.randint(0, int(mixture.lead_s * SAMPLE_RATE / grid.embedding)))
        if not whole:
            lead, count = self._on_step(start, lead, count)
        said = [chunk for chunk in chunks[first:] if self._slot(chunk.end_s) - start <= count]
        cut = self._slot(said[-1].end_s) - start if said else 0
        if cut < 1:
            said = []
        end_s = said[-1].end_s if said and whole else self._seconds(start + count)
        following = chunks[first + len(said) :]
        words = itertools.chain(*(chunk.words for chunk in following))
        tail = joined(word.text for word in words if word.end_s <= end_s)
        known = self._known(rng, pair, talk, chunks[:first], (said, tail), chunks)
        written = task == "mt" or mixture.source == "text"
        spread = rng.random() < mixture.spread
        spelling = Respelling()
        if not written and rng.random() < mixture.respelled:
            spelling = Respelling.drawn(rng, known.terms, noted_terms(talk, pair), pair)
        if mixture.exchanged and rng.random() < mixture.exchanged:
            spelling = spelling.exchanged(rng, known.terms, pair)
        if spelling.sources or spelling.targets:
            known = _spelled(known, spelling)
        return _Turn(
            talk, ask, start, lead, count, known, cut, tuple(said), tail, written, spread, spelling
        )

    def _first(self, rng: random.Random, talk: Talk, chunks: Sequence[Chunk], pair: Pair) -> int:
        """The chunk after the window's start: any, or one in which an invented term is said."""
        if rng.random() < self.mixture.with_term:
            terms = noted_terms(talk, pair)
            named = [
                number
                for number, chunk in enumerate(chunks)
                if any(source in chunk.transcript for source, _ in terms)
            ]
            if named:
                return rng.choice(named)
        return rng.randrange(len(chunks))

    def _count(
        self,
        rng: random.Random,
        chunks: Sequence[Chunk],
        first: int,
        start: int,
        *,
        task: Task,
        whole: bool,
    ) -> int:
        """How much is heard: up to a chunk's end, or to any time a live session might ask."""
        grid, mixture = self.grid, self.mixture
        ends = [self._slot(chunk.end_s) - start for chunk in chunks[first:]]
        fitting = [end for end in ends if 0 < end <= grid.most]
        if whole and task != "mt" and rng.random() < mixture.silent:
            spoken = chunks[first].words
            pause = self._slot(spoken[0].start_s) - start if spoken else grid.step
            if pause > 0:  # what is left of a stream after its last word
                return rng.randint(1, min(pause, grid.most))
        if whole and fitting:
            return rng.choice(fitting[:3])
        if fitting and rng.random() < mixture.skew:
            # As often just before a chunk's end as just after it, or it learns to be hasty.
            near = rng.choice(fitting[:2]) + rng.randint(1 - grid.step, grid.step)
            return max(1, min(grid.most, near))
        near = max(2 * grid.step, min(grid.most, (fitting[0] if fitting else grid.most) * 2))
        return rng.randint(min(grid.step, near), near)

    def _on_step(self, start: int, lead: int, count: int) -> tuple[int, int]:
        """Lead and count of a window that ends with a step, as those of a live session do.

        Otherwise the encoder has heard the rest of the step, which no live turn has.
        """
        step = self.grid.step
        lead += -(lead + count) % step
        while lead > start:
            lead -= step
        if lead >= 0:
            return lead, count
        lead, end = start, -(-(start + count) // step) * step
        return lead, (end if end - lead <= self.grid.most else end - step) - lead

    def _talk(self, rng: random.Random, pair: Pair) -> tuple[Talk, list[Chunk]]:
        source, target = pair
        if self.mixture.source == "text":
            return self._invented(rng, pair)
        number = rng.choice(self._spoken[pair])
        talk = self.talks[number]
        if (number, pair) not in self._chunks:
            self._chunks[number, pair] = chunks_of(talk, source, target, self.mixture.rule)
        return talk, self._chunks[number, pair]

    def _invented(self, rng: random.Random, pair: Pair) -> tuple[Talk, list[Chunk]]:
        """A talk of the grammar, which serves for some examples of its batches."""
        interpreted = self.mixture.style == "interpreted"
        focuses = self.mixture.focuses
        focus = "terms" if interpreted and rng.random() < self.mixture.with_term else ""
        if focuses:
            focus = rng.choices(tuple(focuses), tuple(focuses.values()))[0]
        waiting = self._waiting.setdefault((pair, focus), [])
        if not waiting:
            talk = silent_talk(
                rng, _SILENT_SENTENCES, "train", pair[0], interpreted=interpreted, focus=focus
            )
            waiting += [(talk, chunks_of(talk, *pair, self.mixture.rule))] * _EXAMPLES_OF_A_TALK
        return waiting.pop()

    def _numbers(self, pair: Pair) -> list[int]:
        """The talks of a direction. Raises: ConfigError where there are none."""
        source, target = pair
        if self.mixture.source == "text":
            return []
        found = [
            number
            for number, talk in enumerate(self.talks)
            if talk.language == source and all(target in one.targets for one in talk.sentences)
        ]
        if not found:
            raise ConfigError(f"stage {self.stage!r}: no talk of the corpus is {source}-{target}")
        return found

    def _known(
        self,
        rng: random.Random,
        pair: Pair,
        talk: Talk,
        before: Sequence[Chunk],
        heard: tuple[Sequence[Chunk], str],
        chunks: Sequence[Chunk],
    ) -> Known:
        """Memory of the chunks before, terms in what is heard, and others that are not.

        heard: the chunks that are finished, and the words after them.
        """
        memory = Memory(self.grid.memory_tokens, self.codec.count)
        if rng.random() < self.mixture.memory:
            for chunk in before[-rng.randint(1, self.mixture.turns_before) :]:
                memory.add(Remembered(chunk.transcript, chunk.translation))
        terms: list[Pair] = []
        if rng.random() < self.mixture.knowledge:
            terms = self._terms.told(rng, pair, talk, heard, chunks)
        return Known("", memory.transcript, memory.translation, tuple(terms))

    # ---------------------------------------------------------------- encoding

    def _slot(self, time_s: float) -> int:
        return round(time_s * SAMPLE_RATE / self.grid.embedding)

    def _seconds(self, slot: int) -> float:
        return slot * self.grid.embedding / SAMPLE_RATE

    def _samples(self, turn: _Turn, rng: random.Random) -> np.ndarray:
        """Lead and window, to the end of the last step."""
        if turn.written:
            return np.zeros(0, dtype=np.float32)
        grid = self.grid
        steps = -(-(turn.lead + turn.count) // grid.step)
        size = steps * grid.step * grid.embedding
        samples = np.zeros(size, dtype=np.float32)
        heard = turn.talk.read_samples((turn.start - turn.lead) * grid.embedding, size)
        samples[: len(heard)] = heard
        return samples if self.augment is None else self.augment(samples, len(heard), rng)

    def _text(self, turn: _Turn) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
        """Words in token ids, and the word of each slot: in their time, or one after the other."""
        grid, encode = self.grid, self.codec.tokenizer.encode
        spoken = list(itertools.chain(*(chunk.words for chunk in turn.said)))
        if turn.ask.task == "mt":
            row = [(token,) for word in spoken for token in encode(word.text)]
            return tuple(row), tuple(range(1, len(row) + 1)) or (0,)
        start_s = self._seconds(turn.start)
        all_words = [word for one in turn.talk.sentences for word in one.words]
        slots = [0] * turn.count
        ids: list[tuple[int, ...]] = []
        for word in all_words:
            first = int((word.start_s - start_s) * SAMPLE_RATE / grid.embedding)
            last = int((word.end_s - start_s) * SAMPLE_RATE / grid.embedding)
            if last < 0 or first >= turn.count or word.start_s < start_s - 0.04:
                continue
            if 2 * (turn.count - first) < last + 1 - first:
                continue  # less than half of it is heard: nobody knows it yet
            pieces = encode(word.text)
            parts = [(token,) for token in pieces] if turn.spread else [tuple(pieces)]
            for slot in range(max(0, first), min(turn.count, last + 1)):
                part = (slot - first) * len(parts) // (last + 1 - first)
                slots[slot] = len(ids) + 1 + part
            ids += parts
        return tuple(ids), tuple(slots)

    def _answer(self, turn: _Turn) -> tuple[int, ...]:
        words = joined(chunk.transcript for chunk in turn.said)
        text = joined(chunk.translation for chunk in turn.said)
        spell = turn.spelling
        words, tail = spell.source(words), spell.source(turn.tail)
        return self.codec.answer(turn.ask, turn.cut, words, tail, spell.target(text))


def _spelled(known: Known, spelling: Respelling) -> Known:
    """What stands in the prompt, in another spelling of its terms."""
    return replace(
        known,
        transcript=spelling.source(known.transcript),
        translation=spelling.target(known.translation),
        terms=spelling.terms(known.terms),
    )


def grid_of(system: Any) -> AgentGrid:
    """The grid of a system with an agent's configuration."""
    config = system.config
    return AgentGrid(
        embedding=system.embedding_samples,
        step=system.step_samples // system.embedding_samples,
        most=config.most_embeddings,
        memory_tokens=config.memory_tokens,
        terms=config.terms,
        terms_tokens=config.terms_tokens,
        pairs=config.pairs,
    )
