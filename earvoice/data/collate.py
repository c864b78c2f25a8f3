"""From windows to tensors: audio, tokens, word spans and phoneme labels of one batch."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor

from earvoice.data.augment import Augment
from earvoice.data.windows import Window
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE


@dataclass(frozen=True)
class TargetWords:
    """A window's target in token ids, one list per word, with the step each word is written at."""

    words: list[list[int]]
    steps: tuple[int, ...]
    supported: tuple[bool, ...]
    first_step: int
    last_step: int
    k: int
    n: int
    ended: bool
    missed: frozenset[int] = frozenset()
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpokenTokens:
    """The source as tokens in time, for text-only stages. All [B, N]; segment 0 is padding.

    position counts from the first speech position; segment is the one in which the word ends.
    """

    ids: Tensor
    position: Tensor
    segment: Tensor


@dataclass(frozen=True)
class Batch:
    """What an objective gets.

    Shapes, with N words in the whole batch:

    samples [B, W] at 16 kHz (empty for text-only stages); phones [B, T] labels, -100 unknown;
    word_spans [N, 3] item, first and last speech embedding; word_ids [N, M] and their mask;
    oracle [B, S]: per speech embedding, 0 for silence or 1 + the index of the word spoken then;
    counts: samples of each item, without the silence that pads it.
    """

    samples: Tensor
    phones: Tensor
    word_spans: Tensor
    word_ids: Tensor
    word_ids_mask: Tensor
    oracle: Tensor
    targets: list[TargetWords]
    audio_s: float
    tokens: int
    spoken: SpokenTokens | None = None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Grid:
    """The rates a batch is laid out on: encoder frames and speech embeddings, in samples."""

    segment_samples: int
    frame_samples: int
    embedding_samples: int


class Collator:
    """Makes batches. Deterministic: all randomness comes from the given generator."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        grid: Grid,
        phone_ids: dict[str, int],
        augment: Augment | None,
        text_forms: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> None:
        self.tokenizer, self.grid, self.phone_ids = tokenizer, grid, phone_ids
        self.augment = augment
        self.text_forms = text_forms
        self._word_cache: dict[str, list[int]] = {}

    def __call__(self, windows: Sequence[Window], rng: random.Random, *, audio: bool) -> Batch:
        """One batch of windows with equally many segments."""
        segments = windows[0].segments
        length = segments * self.grid.segment_samples
        samples = np.zeros((len(windows), length if audio else 0), dtype=np.float32)
        if audio:
            for row, window in enumerate(windows):
                samples[row] = self._samples(window, length, rng)
            if self.augment is not None:
                self.augment.babble(samples, rng)
        spans, ids = self._words(windows, length)
        targets = [self._target(window) for window in windows]
        width = max((len(word) for word in ids), default=1)
        padded = [word + [0] * (width - len(word)) for word in ids]
        mask = [[1] * len(word) + [0] * (width - len(word)) for word in ids]
        return Batch(
            samples=torch.from_numpy(samples),
            phones=torch.from_numpy(self._phones(windows, length)),
            word_spans=torch.tensor(spans, dtype=torch.long).reshape(-1, 3),
            word_ids=torch.tensor(padded, dtype=torch.long).reshape(-1, width),
            word_ids_mask=torch.tensor(mask, dtype=torch.long).reshape(-1, width),
            oracle=self._oracle(len(windows), length // self.grid.embedding_samples, spans),
            targets=targets,
            audio_s=len(windows) * length / SAMPLE_RATE,
            tokens=sum(len(word) for target in targets for word in target.words),
            spoken=None if audio else self._spoken(len(windows), segments, spans, ids, rng),
            counts=tuple(_count(window, length) for window in windows),
        )

    def _spoken(
        self,
        batch: int,
        segments: int,
        spans: list[list[int]],
        ids: list[list[int]],
        rng: random.Random,
    ) -> SpokenTokens | None:
        """Source tokens in one of three forms, drawn per batch, from the easiest to the truest.

        Numbered one after the other, like text; numbered by where they are spoken; filling every
        slot of their word (None: the batch's `oracle`).
        """
        form = rng.choices(("row", "time", "slots"), self.text_forms)[0]
        if form == "slots":
            return None
        per_segment = self.grid.segment_samples // self.grid.embedding_samples
        rows: list[list[tuple[int, int, int]]] = [[] for _ in range(batch)]
        for (row, first, last), pieces in zip(spans, ids, strict=True):
            segment = min(last // per_segment, segments - 1) + 1
            for number, piece in enumerate(pieces):
                spoken_at = first + number * (last + 1 - first) // len(pieces)
                position = len(rows[row]) if form == "row" else spoken_at
                rows[row].append((piece, position, segment))
        width = max(1, *(len(row) for row in rows))
        table = torch.tensor([row + [(0, 0, 0)] * (width - len(row)) for row in rows])
        return SpokenTokens(*table.unbind(-1))

    def _samples(self, window: Window, length: int, rng: random.Random) -> np.ndarray:
        start = round(window.start_s * SAMPLE_RATE)
        count = _count(window, length)
        audio = np.zeros(length, dtype=np.float32)
        heard = _played(window, start, count)
        audio[: len(heard)] = heard
        if self.augment is not None:
            audio = self.augment(audio, len(heard), rng)
        return audio

    def _encode_word(self, word: str) -> list[int]:
        if word not in self._word_cache:
            self._word_cache[word] = self.tokenizer.encode_word(word)
        return self._word_cache[word]

    def _words(
        self, windows: Sequence[Window], length: int
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Spans of all words on the embedding grid, and their token ids."""
        spans, ids = [], []
        slot = self.grid.embedding_samples
        slots = length // slot
        for row, window in enumerate(windows):
            for word in window.words:
                first = max(0, round(word.start_s * SAMPLE_RATE) // slot)
                last = min(slots, -(-round(word.end_s * SAMPLE_RATE) // slot)) - 1
                pieces = self._encode_word(word.text)
                if pieces and last >= first:
                    spans.append([row, first, last])
                    ids.append(pieces)
        return spans, ids

    def _oracle(self, batch: int, slots: int, spans: list[list[int]]) -> Tensor:
        """The word heard in each slot; where two words share one, the later."""
        oracle = torch.zeros(batch, slots, dtype=torch.long)
        for index, (row, first, last) in enumerate(spans):
            oracle[row, first : last + 1] = index + 1
        return oracle

    def _phones(self, windows: Sequence[Window], length: int) -> np.ndarray:
        """Frame labels: the phoneme at the frame's centre, 0 for silence, -100 where unknown."""
        frames = length // self.grid.frame_samples
        frame_s = self.grid.frame_samples / SAMPLE_RATE
        labels = np.zeros((len(windows), frames), dtype=np.int64)
        for row, window in enumerate(windows):
            if not window.phones:
                labels[row] = -100
                continue
            for phone in window.phones:
                first = max(0, round(phone.start_s / frame_s))
                last = round(phone.end_s / frame_s)
                labels[row, first:last] = self.phone_ids.get(phone.symbol, -100)
        return labels

    def _target(self, window: Window) -> TargetWords:
        return TargetWords(
            words=[self._encode_word(word) for word in window.target],
            steps=window.steps,
            supported=window.supported,
            first_step=window.first_step,
            last_step=window.segments,
            k=window.k,
            n=window.n,
            ended=window.ended,
            missed=window.missed,
            context=window.context,
        )


def _count(window: Window, length: int) -> int:
    """Samples that a window has of its talk."""
    return min(length, round(window.audio_s * SAMPLE_RATE))


def _played(window: Window, start: int, count: int) -> np.ndarray:
    """`count` samples of a window's talk from its sample `start` on, at the window's speed."""
    if window.speed == 1.0:
        return window.talk.read_samples(start, count)
    raw = window.talk.read_samples(start, math.ceil(count * window.speed) + 1)
    return soxr.resample(raw, window.speed, 1.0, quality="LQ")[:count].astype(np.float32)
