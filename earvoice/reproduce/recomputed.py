"""A live model without its memory: what FASST's incremental computation is compared with.

The session loop, the policy and the weights stay as they are; only a part forgets (2408.09430,
figure 7):

    speech   the encoder reads all audio so far once more and hands on the new embeddings
    text     the language model reads prompt, speech and text so far once more

What the encoder says is the same by its masks, so the text is identical. The language model has
two ways to read its text again:

    then     every row sees the speech it saw when it was written: the same mathematics
    now      every row of text sees all speech so far, as in the paper's ablation

A window that has slid is another matter: kept entries remember what was dropped, entries computed
anew cannot. So `then` is the same until the first slide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import SPEECH, TEXT, Entries, MaskFn, causal
from earvoice.nn.state import State, row_list
from earvoice.sessions.append import AppendInterpreter, SpeechModel
from earvoice.units import SAMPLE_RATE, Seconds

Rereads = Literal["no", "then", "now"]
"""Whether the language model reads again, and what its text sees then."""

MOST_S = 180.0


@dataclass
class Heard(State):
    """All samples of each stream so far: samples [rows, most], count and embeddings [rows]."""

    samples: Tensor
    count: np.ndarray
    embeddings: np.ndarray


class ForgetfulSpeech:
    """A speech model that encodes everything again for each segment. Implements `SpeechModel`.

    most_s: the longest stream. Raises: ValueError for a longer one.
    """

    def __init__(self, inner: SpeechModel, most_s: Seconds = MOST_S) -> None:
        self._inner, self._most = inner, round(most_s * SAMPLE_RATE)

    @property
    def segment_samples(self) -> int:
        """As the model's."""
        return self._inner.segment_samples

    def init_state(self, rows: int, like: Tensor) -> Heard:
        """Streams that have heard nothing."""
        zeros: list[np.ndarray] = [np.zeros(rows, dtype=np.int64) for _ in range(2)]
        return Heard(like.new_zeros(rows, self._most), *zeros)

    def __call__(self, x: Tensor, state: Any = None, rows: Sequence[int] | None = None) -> Tensor:
        """Samples [B, W] -> the new embeddings [B, T, D] of the whole stream so far."""
        if state is None:
            return self._inner(x)
        index = row_list(rows, x.shape[0], state)
        return torch.cat([self._next(x[item], state, row) for item, row in enumerate(index)])

    def _next(self, samples: Tensor, state: Heard, row: int) -> Tensor:
        start, before = int(state.count[row]), int(state.embeddings[row])
        end = start + len(samples)
        if end > self._most:
            raise ValueError(f"a stream of {end / SAMPLE_RATE:.0f} s: there is room for less")
        state.samples[row, start:end] = samples
        speech = self._inner(state.samples[row : row + 1, :end])
        state.count[row], state.embeddings[row] = end, speech.shape[1]
        return speech[:, before:]


@dataclass
class RereadCache(EntryCache):
    """An entry cache that also keeps what was read: x [rows, capacity, D], seen [rows, capacity].

    seen: the last segment each entry could see when it came, which pinning does not change.
    """

    x: Tensor
    seen: np.ndarray

    def renumber(
        self, row: int, keep: np.ndarray, position: np.ndarray, turn: Callable[[Tensor], Tensor]
    ) -> None:
        """As the cache's; what was read moves along."""
        self.x[row, : len(keep)] = self.x[row, torch.from_numpy(keep)]
        self.seen[row, : len(keep)] = self.seen[row, keep]
        super().renumber(row, keep, position, turn)


class ForgetfulLm:
    """A language model that reads everything again for each segment. Implements `LanguageModel`.

    Tokens written after a segment are decoded with a cache that lives until the next one.
    """

    def __init__(self, inner: LanguageModel, sees: Literal["then", "now"]) -> None:
        self._inner, self._sees = inner, sees
        self.embed, self.logits, self.reanchor = inner.embed, inner.logits, inner.reanchor

    def init_state(self, rows: int, capacity: int) -> RereadCache:
        """An empty cache."""
        cache = self._inner.init_state(rows, capacity)
        width = self.embed(torch.zeros(1, 1, dtype=torch.long)).shape[-1]
        mine = {field.name: getattr(cache, field.name) for field in fields(cache)}
        return RereadCache(
            **mine,
            x=cache.k.new_zeros(rows, capacity, width),
            seen=np.zeros((rows, capacity), dtype=np.int64),
        )

    def __call__(
        self,
        x: Tensor,
        entries: Entries,
        state: EntryCache | None = None,
        rows: Sequence[int] | None = None,
        mask: MaskFn | None = causal,
        wanted: int | None = None,
    ) -> Tensor:
        """Hidden states of new positions, [B, T, D] -> [B, T, D], all before computed anew."""
        if state is None:
            return self._inner(x, entries, None, None, mask)
        if not isinstance(state, RereadCache):
            raise TypeError(f"{type(state).__name__} does not keep what was read")
        index = row_list(rows, x.shape[0], state)
        for item, row in enumerate(index):
            start = int(state.length[row])
            state.x[row, start : start + x.shape[1]] = x[item]
            state.seen[row, start : start + x.shape[1]] = entries.segment[item].numpy()
        if mask is None:  # one written token after the other
            return self._inner(x, entries, state, index, None, wanted)
        read = [self._again(entries, item, state, row, mask) for item, row in enumerate(index)]
        new = torch.cat(read)
        return new if wanted is None else new[:, -wanted:]

    def _again(
        self, entries: Entries, item: int, state: RereadCache, row: int, mask: MaskFn
    ) -> Tensor:
        """Reads a row from its beginning; hidden states [1, T, D] of its new entries."""
        start, new = int(state.length[row]), entries.position.shape[1]
        pinned = state.segment[row, :start].copy()
        old = state.entries([row], start)
        seen = torch.from_numpy(state.seen[row, :start].copy())[None]
        parts = {
            name: torch.cat([getattr(old, name), getattr(entries, name)[item : item + 1]], dim=1)
            for name in ("order", "position", "kind")
        }
        segment = torch.cat([seen, entries.segment[item : item + 1]], dim=1)
        state.length[row] = 0
        x = state.x[row : row + 1, : start + new]
        if self._sees == "now":
            mask = _text_sees_all_speech(mask)
        hidden = self._inner(x, Entries(**parts, segment=segment), state, [row], mask)
        state.segment[row, :start] = pinned
        return hidden[:, start:]


def _text_sees_all_speech(mask: MaskFn) -> MaskFn:
    """As if all speech stood before all text. Speech sees no text, so nothing goes in a circle."""

    def wider(query: Entries, key: Entries) -> Tensor:
        text = (query.kind == TEXT)[:, :, None] & (key.kind == SPEECH)[:, None, :]
        return mask(query, key) | text

    return wider


def without_memory(
    interpreter: AppendInterpreter,
    *,
    speech: bool,
    text: Rereads,
    rows: int = 1,
    most_s: Seconds = MOST_S,
) -> AppendInterpreter:
    """The same model and settings; what is named forgets.

    Args: speech: encode all audio again. text: read all text again. most_s: of a stream whose
        speech is encoded again.
    """
    model = ForgetfulSpeech(interpreter.speech, most_s) if speech else interpreter.speech
    lm = interpreter.lm if text == "no" else ForgetfulLm(interpreter.lm, text)
    return AppendInterpreter(model, lm, interpreter.tokenizer, interpreter.settings, rows=rows)
