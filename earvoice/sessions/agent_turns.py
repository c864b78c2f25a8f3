"""The grammar of turns as masks over the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from earvoice.agent.codec import AgentCodec, Ask
from earvoice.agent.turns import ASR, END, ST, Place, marks_after, step
from earvoice.search.loops import next_of_loop

_CLOSING_TOKENS = 4
"""When no more than these are left, only what ends a turn may come."""


class TurnGuide:
    """Says which tokens may come next in a turn.

    Narrower than what is read: what was asked for is what comes (words first with `cot`), a
    translation where one was asked for, and no phrase again and again (`next_of_loop`).
    """

    def __init__(self, codec: AgentCodec) -> None:
        self._codec = codec
        self._cuts = torch.tensor(codec.legal(frozenset(), codec.most_embeddings, text=False))
        self._mask = cache(self._new_mask)

    def legal(
        self, tokens: Sequence[int], end: int, ask: Ask, most: int, begun: Sequence[int] = ()
    ) -> Tensor | None:
        """[V] bool; None after the end.

        end: embeddings in the window; most: tokens of a turn; begun: tokens with which the
        translation begins, because they were said before.
        """
        place: Place = "start"
        said = 0
        for token in tokens:
            said += place == "said"
            following = step(place, self._codec.mark(token), whole=ask.whole)
            assert following is not None, "a guided turn is legal"
            place = following
        if place == "end" or len(tokens) >= most:
            return None
        marks, cut, text = marks_after(place, whole=ask.whole)
        if place == "start":
            marks = frozenset({ASR} if ask.cot or ask.task == "asr" else marks & {ST})
        elif place == "words" and ask.whole:
            marks = frozenset({END if ask.task == "asr" else ST})
        closing = most - len(tokens) <= _CLOSING_TOKENS
        if place == "said" and said < len(begun) and not closing:
            mask = torch.zeros(self._codec.tokenizer.vocab_size, dtype=torch.bool)
            mask[begun[said]] = True
            return mask
        mask = self._mask(marks, cut, text and not closing)
        if cut:
            mask = mask.clone()
            mask[self._cuts[end + 1 :]] = False
            if place == "words":
                mask[self._cuts[0]] = False  # words that are finished end somewhere
        again = next_of_loop(tokens) if text else None
        if again is not None and mask[again]:
            mask = mask.clone()
            mask[again] = False
        return mask

    def _new_mask(self, marks: frozenset[int], cut: bool, text: bool) -> Tensor:
        mask = torch.zeros(self._codec.tokenizer.vocab_size, dtype=torch.bool)
        most = self._codec.most_embeddings if cut else None
        mask[self._codec.legal(marks, most, text=text)] = True
        return mask
