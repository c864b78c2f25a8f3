"""Beam search for many streams at once, over rows of one cache.

      rows of an item   0        1        2        3            4 beams, prompt computed once
      before            Das      Es       Ein      Die
      best children     Das Haus Das Auto Ein Haus Es ist       "Das" has two, "Die" none
      after             Das Haus Es ist   Ein Haus Das Auto     only row 3 is copied, and of it
                                                                only what follows the prompt

The rules are those of `generate(num_beams=...)` in transformers, so that both give the same n best
and the same scores: the score of a hypothesis is its summed log-probability over its length, the
end token included, to the power of `length_penalty`; of the 2 * beams best children of a step,
only those among the first `beams` may finish; what is cut at `max_tokens` counts as finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import TEXT, Entries

EarlyStopping: TypeAlias = Literal["heuristic", "never", "first"]


@dataclass(frozen=True)
class BeamSettings:
    """How wide and how long to search.

    early_stopping, once `beams` hypotheses are finished: `heuristic` goes on while the best open
    one, scored at its present length, beats the worst finished one (False in transformers);
    `never` scores it at the length that suits it best; `first` stops (True in transformers).
    """

    beams: int = 4
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = "heuristic"


@dataclass(frozen=True)
class Hypothesis:
    """Token ids, without the end token, and their score. finished: the model ended by itself."""

    tokens: tuple[int, ...]
    score: float
    finished: bool


@dataclass(frozen=True)
class _Node:
    """The newest token of a hypothesis and the way back to its first."""

    token: int
    before: _Node | None

    def tokens(self) -> tuple[int, ...]:
        found: list[int] = []
        node: _Node | None = self
        while node is not None:
            found.append(node.token)
            node = node.before
        return tuple(reversed(found))


@dataclass
class _Item:
    """One search: its open hypotheses, node and sum of each row, and the finished, best first."""

    rows: list[int]
    start: int
    next_entry: tuple[int, int]
    most: int
    nodes: list[_Node | None]
    sums: list[float]
    finished: list[Hypothesis] = field(default_factory=list)
    length: int = 0


def beam_search(
    lm: LanguageModel,
    cache: EntryCache,
    rows: Sequence[Sequence[int]],
    hidden: Sequence[Tensor],
    next_entries: Sequence[tuple[int, int]],
    max_tokens: Sequence[int],
    eos_id: int,
    settings: BeamSettings,
    banned: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """The best continuations of each item, best first, at most `beams` of them.

    Args:
        rows: per item `beams` rows, of which the first holds its prompt; the others are scratch.
        hidden: per item, the hidden state [D] of its last entry.
        next_entries: per item, position and segment of its next text entry.
        max_tokens: per item, tokens it may have, the end token included.
        banned: ids that are never chosen.
    The first rows are afterwards as they were given; what is in the others means nothing.
    """
    items = []
    for own, entry, most in zip(rows, next_entries, max_tokens, strict=True):
        if len(own) != settings.beams:
            raise ValueError(f"{len(own)} rows for {settings.beams} beams")
        items.append(_Item(list(own), int(cache.length[own[0]]), entry, most, [None], [0.0]))
    active = [item for item in items if item.most > 0]
    _spread(cache, active)
    open_ = [state for item, state in zip(items, hidden, strict=True) if item.most > 0]
    last = torch.stack(open_)[:, None] if open_ else torch.zeros(0)
    while active:
        _extend(active, lm.logits(last).float(), cache, eos_id, settings, banned)
        active = [item for item in active if _goes_on(item, settings)]
        if active:
            last = _feed(lm, cache, active)
    for item in items:
        cache.length[item.rows[0]] = item.start
    return [item.finished for item in items]


def _spread(cache: EntryCache, items: list[_Item]) -> None:
    """Copies each prompt, computed once, to the other rows of its item."""
    for item in items:
        if len(item.rows) > 1:
            cache.copy_rows(item.rows[1:], item.rows[:1] * (len(item.rows) - 1))


def _extend(
    items: list[_Item],
    logits: Tensor,
    cache: EntryCache,
    eos_id: int,
    settings: BeamSettings,
    banned: Sequence[int],
) -> None:
    """One more token for every item: finishes some hypotheses, keeps the best open ones.

    logits [items, open, V]; the number of open hypotheses is the same for all: 1, then `beams`.
    """
    log_probs = logits.log_softmax(-1)
    vocabulary = log_probs.shape[-1]
    if vocabulary - len(banned) <= settings.beams:
        raise ValueError(
            f"{vocabulary - len(banned)} tokens are too few for {settings.beams} beams"
        )
    if banned:
        log_probs[..., list(banned)] = -torch.inf
    sums = torch.tensor([item.sums for item in items])
    total = (log_probs + sums[..., None]).flatten(1)
    values, indices = total.topk(min(2 * settings.beams, total.shape[1]))
    targets: list[int] = []
    sources: list[int] = []
    for item, scores, places in zip(items, values.tolist(), indices.tolist(), strict=True):
        moves = _choose(item, scores, places, vocabulary, eos_id, settings)
        targets += [target for target, _ in moves]
        sources += [source for _, source in moves]
    if targets:
        cache.copy_rows(targets, sources, min(item.start for item in items))


def _choose(
    item: _Item,
    scores: list[float],
    places: list[int],
    vocabulary: int,
    eos_id: int,
    settings: BeamSettings,
) -> list[tuple[int, int]]:
    """Sorts the best children of one item. Returns the rows to copy: (target, source)."""
    item.length += 1
    full = item.length == item.most
    chosen: list[tuple[int, _Node, float]] = []
    for rank, (score, place) in enumerate(zip(scores, places, strict=True)):
        parent, token = divmod(place, vocabulary)
        before = item.nodes[parent]
        child = _Node(token, before)
        ends = token == eos_id
        if (ends or full) and rank < settings.beams:
            text = before if ends else child
            normal = score / item.length**settings.length_penalty
            item.finished.append(Hypothesis(text.tokens() if text else (), normal, ends))
        if not ends and len(chosen) < settings.beams:
            chosen.append((parent, child, score))
    item.finished.sort(key=lambda found: -found.score)  # stable: the older of equals is first
    del item.finished[settings.beams :]
    return _settle(item, chosen)


def _settle(item: _Item, chosen: list[tuple[int, _Node, float]]) -> list[tuple[int, int]]:
    """Gives each kept child a row: the first of every parent stays where its parent is."""
    parents = {parent for parent, _, _ in chosen}
    free = [place for place in range(len(item.rows)) if place not in parents]
    nodes: list[_Node | None] = [None] * len(item.rows)
    sums = [0.0] * len(item.rows)
    moves = []
    for parent, child, score in chosen:
        place = parent
        if nodes[place] is not None:
            place = free.pop()
            moves.append((item.rows[place], item.rows[parent]))
        nodes[place], sums[place] = child, score
    item.nodes, item.sums = nodes, sums
    return moves


def _goes_on(item: _Item, settings: BeamSettings) -> bool:
    """Whether an open hypothesis may still change the result."""
    if item.length >= item.most:
        return False
    if len(item.finished) < settings.beams:
        return True
    if settings.early_stopping == "first":
        return False
    length = item.length
    if settings.early_stopping == "never" and settings.length_penalty > 0:
        length = item.most
    return max(item.sums) / length**settings.length_penalty > item.finished[-1].score


def _feed(lm: LanguageModel, cache: EntryCache, items: list[_Item]) -> Tensor:
    """Feeds every open hypothesis its newest token. Returns hidden states [items, open, D]."""
    rows = [row for item in items for row in item.rows]
    ids = torch.tensor([[node.token] for item in items for node in item.nodes if node])
    where = [[item.next_entry[0] + item.length - 1] for item in items for _ in item.rows]
    position = torch.tensor(where)
    segment = torch.tensor([[item.next_entry[1]] for item in items for _ in item.rows])
    entries = Entries(position, position, torch.full_like(position, TEXT), segment)
    # One text token sees everything its row has cached, so there is nothing to mask.
    fed = lm(lm.embed(ids), entries, cache, rows, None)
    return fed[:, 0].unflatten(0, (len(items), -1))
