"""Greedy continuation where a grammar says which tokens may come, for many streams at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import TEXT, Entries

Legal = Callable[[int, Sequence[int]], Tensor | None]
"""Item and its tokens so far -> which tokens may come, [V] bool; None when it has ended."""


def continue_guided(
    lm: LanguageModel,
    cache: EntryCache,
    rows: Sequence[int],
    hidden: Sequence[Tensor],
    legal: Legal,
) -> list[tuple[int, ...]]:
    """The likeliest legal token, again and again, until each item has ended or its row is full.

    Args: hidden: per row, the hidden state [D] of its last entry.
    """
    tokens: list[list[int]] = [[] for _ in rows]
    active = list(range(len(rows)))
    last = torch.stack(list(hidden))
    while True:
        logits = lm.logits(last).float()
        going = []
        for place, item in enumerate(active):
            allowed = legal(item, tokens[item])
            if allowed is None or int(cache.length[rows[item]]) >= cache.capacity:
                continue
            tokens[item].append(int(logits[place].masked_fill(~allowed, float("-inf")).argmax()))
            going.append(item)
        active = going
        if not active:
            return [tuple(row) for row in tokens]
        last = _feed(lm, cache, [rows[item] for item in active], [tokens[i][-1] for i in active])


def _feed(lm: LanguageModel, cache: EntryCache, rows: list[int], newest: list[int]) -> Tensor:
    """Feeds each row its newest token. Returns hidden states [B, D]."""
    position = torch.from_numpy(cache.length[rows])[:, None]
    entries = Entries(position, position, torch.full_like(position, TEXT), position * 0)
    # One text token sees everything its row has cached, so there is nothing to mask.
    return lm(lm.embed(torch.tensor(newest)[:, None]), entries, cache, rows, None)[:, 0]
