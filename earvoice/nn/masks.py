"""Every attention mask of the project, each written once.

A mask is a function of what each query and key *is* (position, kind, segment), never of tensor
lengths, so training layouts and incremental decoding share it. True means "may attend".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PROMPT, SPEECH, TEXT, PROBE, PADDING = range(5)
"""Kinds of language-model entries. A PROBE is a text query that no later entry may see: the extra
row in a training layout that asks "and what after the last word of this segment?"."""


@dataclass(frozen=True)
class Entries:
    """What each position of a language-model sequence is.

    order    [B, T] place in the causal order (cache slot, or index in the training layout)
    position [B, T] rotary position
    kind     [B, T] PROMPT | SPEECH | TEXT | PROBE | PADDING
    segment  [B, T] speech: the segment it belongs to; text: the last segment it may see
    """

    order: Tensor
    position: Tensor
    kind: Tensor
    segment: Tensor


MaskFn = Callable[[Entries, Entries], Tensor]


def causal(query: Entries, key: Entries) -> Tensor:
    """Plain causal attention. [B, Tq, Tk] bool."""
    q_order, k_order = query.order[:, :, None], key.order[:, None, :]
    return (k_order <= q_order) & (key.kind != PADDING)[:, None, :]


def consistency(query: Entries, key: Entries) -> Tensor:
    """FASST's mask, for the wait-k training layout and for incremental decoding alike.

    On top of causality:
      - speech never sees text (consistency mask, 2408.09430 eq. 14);
      - text sees speech only up to its own segment (wait-k mask, section 3.3); when decoding
        incrementally this holds by itself, because later speech is not there yet;
      - nobody sees a probe but itself.

    Returns: [B, Tq, Tk] bool.
    """
    q_kind, k_kind = query.kind[:, :, None], key.kind[:, None, :]
    itself = query.order[:, :, None] == key.order[:, None, :]
    q_text = (q_kind == TEXT) | (q_kind == PROBE)
    k_text = (k_kind == TEXT) | (k_kind == PROBE)
    later_speech = (k_kind == SPEECH) & (key.segment[:, None, :] > query.segment[:, :, None])
    hidden = (q_kind == SPEECH) & k_text
    hidden = hidden | (q_text & later_speech)
    hidden = hidden | ((k_kind == PROBE) & ~itself)
    return causal(query, key) & ~hidden


def block_causal(query: Tensor, key: Tensor, block: int, left_blocks: int | None) -> Tensor:
    """Blockwise-causal attention over frame indices (2408.09430 eq. 3-4).

    query [Tq], key [Tk]: absolute frame indices. A frame sees its whole block and the
    `left_blocks` blocks before it (None: all of them).

    Returns: [Tq, Tk] bool.
    """
    q_block = torch.div(query, block, rounding_mode="floor")[:, None]
    k_block = torch.div(key, block, rounding_mode="floor")[None, :]
    visible = k_block <= q_block
    if left_blocks is not None:
        visible = visible & (k_block >= q_block - left_blocks)
    return visible
