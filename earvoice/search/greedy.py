"""Greedy continuation, counted in words, for many streams at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import TEXT, Entries
from earvoice.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Continuation:
    """Tokens a stream may write and how many words they start. All of them are in the cache."""

    tokens: tuple[int, ...]
    words: int


def continue_greedily(
    lm: LanguageModel,
    cache: EntryCache,
    tokenizer: Tokenizer,
    rows: Sequence[int],
    hidden: Sequence[Tensor],
    next_entries: Sequence[tuple[int, int]],
    budgets: Sequence[tuple[int | None, int]],
) -> list[Continuation]:
    """Continues each row until its word budget is full or the model ends.

    A word is full when the next token starts another one (2408.09430's code: the model runs one
    step past the n-th word, and the piece seen there is discarded) or is the end of sequence.

    Args:
        hidden: per row, the hidden state [D] of its last entry.
        next_entries: per row, position and segment of its next text entry.
        budgets: per row, words (None: until the model ends) and tokens it may write at most.
    """
    tokens: list[list[int]] = [[] for _ in rows]
    words = [0] * len(rows)
    active = list(range(len(rows)))
    last = torch.stack(list(hidden))
    while active:
        # The end token and the control tokens are never text, so plain arg max decides.
        best = lm.logits(last).argmax(-1).tolist()
        going = []
        for item, token in zip(active, best, strict=True):
            limit, most = budgets[item]
            starts = tokenizer.begins_unit(token)
            full = starts and limit is not None and words[item] == limit
            if full or tokenizer.is_special(token) or len(tokens[item]) >= most:
                continue
            tokens[item].append(token)
            words[item] += starts
            going.append(item)
        active = going
        if active:
            last = _feed(lm, cache, rows, active, tokens, next_entries)
    return [Continuation(tuple(t), w) for t, w in zip(tokens, words, strict=True)]


def _feed(
    lm: LanguageModel,
    cache: EntryCache,
    rows: Sequence[int],
    active: list[int],
    tokens: list[list[int]],
    next_entries: Sequence[tuple[int, int]],
) -> Tensor:
    """Feeds each active row its newest token. Returns hidden states [active, D]."""
    ids = torch.tensor([[tokens[item][-1]] for item in active])
    position = torch.tensor([[next_entries[item][0] + len(tokens[item]) - 1] for item in active])
    segment = torch.tensor([[next_entries[item][1]] for item in active])
    entries = Entries(position, position, torch.full_like(position, TEXT), segment)
    # One text token sees everything its row has cached, so there is nothing to mask.
    return lm(lm.embed(ids), entries, cache, [rows[item] for item in active], None)[:, 0]
