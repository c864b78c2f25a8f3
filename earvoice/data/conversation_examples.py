"""Training examples of two-person conversations: pieces of sound with serialised targets.

A piece begins and ends where nobody speaks, so that every turn in it is whole. Pure data (numpy
and plain tuples), for whoever trains or scores a transducer on them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from earvoice.audio.signal import Float32
from earvoice.data.conversations import Conversation, Turn
from earvoice.data.manifest import TimedPhone
from earvoice.data.serialise import Item, Tagging, asr_items, st_items
from earvoice.errors import ConfigError
from earvoice.units import SAMPLE_RATE, Seconds


class Vocabulary(Protocol):
    """What turns words and tags into ids (`text.tokenizer.Tokenizer` does)."""

    def encode_word(self, word: str) -> list[int]:
        """Ids of a word, with its word boundary."""
        ...

    def special_id(self, name: str) -> int:
        """The id of `<SELF>` or `<OTHER>`."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a conversation with whole turns; times in the conversation."""

    conversation: Conversation
    start_s: Seconds
    end_s: Seconds
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class ConversationExample:
    """What the objectives `transducer`, `asr_transducer` and `mt_transducer` learn from.

    samples: float32 [C, W] at 16 kHz; [C, 0] for text only.
    asr_tokens with asr_start_s and asr_end_s: the serialised transcript, where each token's word
    is said (a tag has its word's times). st_tokens with st_need_s and st_end_s: the serialised
    translation, the end of the last source word each token's word depends on, and the end of its
    turn. phones: of each turn, where known. All times in seconds of this example.
    """

    id: str
    samples: Float32
    asr_tokens: tuple[int, ...]
    asr_start_s: tuple[Seconds, ...]
    asr_end_s: tuple[Seconds, ...]
    st_tokens: tuple[int, ...]
    st_need_s: tuple[Seconds, ...]
    st_end_s: tuple[Seconds, ...]
    phones: tuple[tuple[TimedPhone, ...], ...] = ()

    @property
    def duration_s(self) -> Seconds:
        """Seconds of sound."""
        return self.samples.shape[1] / SAMPLE_RATE


def quiet_spans(conversation: Conversation) -> list[tuple[Seconds, Seconds]]:
    """Where nobody speaks, in order: before the first turn, between turns, after the last."""
    spans: list[tuple[Seconds, Seconds]] = []
    silent_from = 0.0
    for turn in sorted(conversation.turns, key=lambda turn: turn.start_s):
        if turn.start_s > silent_from or not spans:
            spans.append((silent_from, turn.start_s))
        silent_from = max(silent_from, turn.end_s)
    spans.append((silent_from, max(silent_from, conversation.duration_s)))
    return spans


def tile(conversation: Conversation, most_s: Seconds) -> list[Piece]:
    """The whole conversation in pieces of at most `most_s` where its quiet places allow it.

    Cuts are in the middle of quiet places, so nothing is said twice or left out.
    """
    middles = [0.5 * (start_s + end_s) for start_s, end_s in quiet_spans(conversation)[1:-1]]
    edges = [0.0]
    for index, middle in enumerate(middles):
        following = (*middles, conversation.duration_s)[index + 1]
        if following - edges[-1] > most_s:
            edges.append(middle)
    edges.append(conversation.duration_s)
    return [
        _piece(conversation, start_s, end_s)
        for start_s, end_s in itertools.pairwise(edges)
        if end_s > start_s
    ]


def draw(
    conversation: Conversation, rng: random.Random, least_s: Seconds, most_s: Seconds
) -> Piece | None:
    """A random piece of `least_s` to `most_s`, cut inside quiet places; None if none fits."""
    quiet = quiet_spans(conversation)
    first = rng.randrange(max(1, len(quiet) - 1))
    start_s = rng.uniform(*quiet[first])
    ends = [
        (max(low, start_s + least_s), min(high, start_s + most_s))
        for low, high in quiet[first + 1 :]
    ]
    fitting = [(low, high) for low, high in ends if low <= high]
    if not fitting:
        return None
    piece = _piece(conversation, start_s, rng.uniform(*rng.choice(fitting)))
    return piece if piece.turns else None


def _piece(conversation: Conversation, start_s: Seconds, end_s: Seconds) -> Piece:
    turns = [t for t in conversation.turns if t.start_s >= start_s and t.end_s <= end_s]
    return Piece(conversation, start_s, end_s, tuple(turns))


class ExampleMaker:
    """Pieces to examples with one vocabulary and one way of tagging.

    channels: the microphones wanted, e.g. (0,) for one; empty is all of them.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        asr_tagging: Tagging = "change",
        st_tagging: Tagging = "change",
        channels: Sequence[int] = (),
    ) -> None:
        self._vocabulary = vocabulary
        self._asr_tagging, self._st_tagging = asr_tagging, st_tagging
        self._channels = list(channels)

    def __call__(self, piece: Piece) -> ConversationExample:
        """The example. Raises: ConfigError for a microphone that was not recorded."""
        first = round(piece.start_s * SAMPLE_RATE)
        start_s = first / SAMPLE_RATE
        conversation = piece.conversation
        if conversation.path is None:
            samples = np.zeros((conversation.channels, 0), dtype=np.float32)
        else:
            samples = conversation.read_samples(first, round(piece.end_s * SAMPLE_RATE) - first)
        if any(not 0 <= channel < conversation.channels for channel in self._channels):
            raise ConfigError(
                f"channels are {self._channels}, but {conversation.id} has "
                f"{conversation.channels} microphones, numbered from 0"
            )
        asr = self._tokens(asr_items(piece.turns, self._asr_tagging), start_s)
        st = self._tokens(st_items(piece.turns, self._st_tagging), start_s)
        return ConversationExample(
            f"{conversation.id}@{start_s:.2f}",
            samples[self._channels] if self._channels else samples,
            *asr,
            *st,
            phones=tuple(_moved(turn.phones, start_s) for turn in piece.turns),
        )

    def _tokens(
        self, items: Sequence[Item], offset_s: Seconds
    ) -> tuple[tuple[int, ...], tuple[Seconds, ...], tuple[Seconds, ...]]:
        """Ids, starts and ends of a serialised line."""
        tokens: list[tuple[int, Seconds, Seconds]] = []
        for item in items:
            found = (
                [self._vocabulary.special_id(item.text)]
                if item.is_tag
                else self._vocabulary.encode_word(item.text)
            )
            tokens += [(token, item.start_s - offset_s, item.end_s - offset_s) for token in found]
        ids, starts, ends = zip(*tokens, strict=True) if tokens else ((), (), ())
        return tuple(ids), tuple(starts), tuple(ends)


def _moved(phones: Sequence[TimedPhone], offset_s: Seconds) -> tuple[TimedPhone, ...]:
    return tuple(replace(p, start_s=p.start_s - offset_s, end_s=p.end_s - offset_s) for p in phones)
