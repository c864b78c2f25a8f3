"""FASST's training layout: all speech first, then the text rows, each with what it may see.

    [prompt] E1 E2 E3 E4 [<sp_end>] T1 T2 T3        + probes: "nothing more" at a step

One forward pass gives the logits that a live session computes step by step (2408.09430, 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from earvoice.nn.masks import PADDING, PROBE, TEXT, Entries
from earvoice.policies.schedule import holds
from earvoice.sessions.numbering import timed_positions
from earvoice.text.prompt import Prompt


@dataclass(frozen=True)
class SteppedTarget:
    """A target for the training layout: token ids, and per token its step and whether it counts.

    `holds` are (tokens written so far, step) pairs at which "nothing more" is right.
    """

    ids: Sequence[int]
    steps: Sequence[int]
    supported: Sequence[bool]
    holds: Sequence[tuple[int, int]]
    first_step: int
    last_step: int
    k: int


@dataclass(frozen=True)
class Layout:
    """A batch in training layout: text rows after the speech. All [B, U]."""

    ids: Tensor
    labels: Tensor
    entries: Entries


@dataclass(frozen=True)
class TrainingPrompt:
    """Prompts by k and the control ids the training layout needs."""

    prompts: Mapping[int, Prompt]
    eos_id: int
    pad_id: int


def stepped_target(
    words: Sequence[Sequence[int]],
    steps: Sequence[int],
    supported: Sequence[bool],
    *,
    first_step: int,
    last_step: int,
    k: int,
    n: int,
    ended: bool,
    hold: bool,
    missed: Set[int] = frozenset(),
) -> SteppedTarget:
    """Token-level target from word-level steps. words: token ids per word.

    Without `hold` (the paper), the only end of sequence is the one after the last word of a
    source that ends.
    """
    written = holds(steps, n, first_step, last_step, ended=ended, missed=missed)
    if not hold:
        written = [(len(steps), last_step)] if ended else []
    cumulative = [0]
    for word in words:
        cumulative.append(cumulative[-1] + len(word))
    return SteppedTarget(
        ids=[token for word in words for token in word],
        steps=[step for word, step in zip(words, steps, strict=True) for _ in word],
        supported=[ok for word, ok in zip(words, supported, strict=True) for _ in word],
        holds=[(cumulative[count], step) for count, step in written],
        first_step=first_step,
        last_step=last_step,
        k=k,
    )


def training_layout(
    targets: Sequence[SteppedTarget],
    bound: TrainingPrompt,
    prompt_tokens: int,
    speech: int,
    heard: Sequence[int] | None = None,
) -> Layout:
    """Text rows of a batch: what they are, what they predict.

    A row that predicts a token belongs to that token's step (2408.09430 section 3.3; in the code
    the last token of a group belongs to the next group, just as it is re-fed when decoding).
    "Nothing more" rows are probes: copies of the last written token, seen by nobody.
    Positions: `<sp_end>` gets the position of the first speech embedding, text goes on from there.
    With `heard`, the number of speech embeddings up to each step, text is placed in time instead
    (`sessions/numbering.py`).
    """
    columns = [
        _text_rows(target, bound, prompt_tokens, prompt_tokens + speech, heard)
        for target in targets
    ]
    width = max(len(rows) for rows in columns)
    pad = (bound.pad_id, -100, 0, 0, PADDING, 0)
    table = torch.tensor([rows + [pad] * (width - len(rows)) for rows in columns])
    ids, labels, order, position, kind, segment = table.unbind(-1)
    return Layout(ids, labels, Entries(order, position, kind, segment))


_Row = tuple[int, int, int, int, int, int]  # id, label, order, position, kind, segment
_ORDER_GAP = 1024  # room for the probes between two text rows


def _text_rows(
    target: SteppedTarget,
    bound: TrainingPrompt,
    first_position: int,
    first_order: int,
    heard: Sequence[int] | None,
) -> list[_Row]:
    prefix = bound.prompts[target.k].after
    tokens = [*prefix, *target.ids]
    offset = len(prefix)
    # A row belongs to the step of the token it predicts; the prefix is read at once.
    steps = [target.first_step] * (offset - 1) + list(target.steps or (target.first_step,))
    if heard is None:
        places = list(range(len(tokens)))
    else:
        places = timed_positions(steps, heard)
    rows: list[_Row] = []
    for index, step in enumerate(steps):
        predicted = index + 1 - offset
        counts = predicted >= 0 and target.ids and target.supported[predicted]
        label = target.ids[predicted] if counts else -100
        order = first_order + (index + 1) * _ORDER_GAP
        rows.append((tokens[index], label, order, first_position + places[index], TEXT, step))
    for number, (written, step) in enumerate(target.holds):
        index = offset + written - 1
        place = index
        if heard is not None:
            in_step = index - steps.index(step) if step in steps[:index] else 0
            place = heard[step] + in_step
        order = first_order + index * _ORDER_GAP + 1 + number
        rows.append((tokens[index], bound.eos_id, order, first_position + place, PROBE, step))
    return rows
