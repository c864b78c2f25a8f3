"""Where a draft comes from: the speech frames that its pieces attend to, for AlignAtt.

    entries    prompt  S S S S S S S S  after  t1 t2            t1, t2: the draft
    queries                             *      *                the entry that predicts each piece
    attended           . . # . . . # .                          the speech they weigh most

The recipe is that of FASST's code for offline models (2408.09430): one layer, the mean over its
heads, the row that predicts a piece, over the columns of speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from earvoice.config import Config, Count
from earvoice.errors import UsageError
from earvoice.models.llm import Attentive
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import SPEECH, TEXT, Entries
from earvoice.policies import AlignAtt, Policy
from earvoice.policies.align_att import FRAMES


class AlignAttConfig(Config):
    """What AlignAtt looks at in a model, where a request does not say.

    frames: speech embeddings at the end that are off limits. layer: from 0; None is a third of the
    way up [11 of 32]. heads: None is the mean over all.
    """

    frames: Count = FRAMES
    layer: Annotated[int, Field(ge=0)] | None = None
    heads: Annotated[tuple[int, ...], Field(min_length=1)] | None = None


def completed(policy: Policy, config: AlignAttConfig, lm: Any) -> Policy:
    """The policy with what it leaves to the model; other policies as they are.

    Raises: UsageError for a layer or heads that the language model does not have.
    """
    if not isinstance(policy, AlignAtt):
        return policy
    if not isinstance(lm, Attentive):
        raise UsageError(
            f"policy align-att: {type(lm).__name__} does not say what it attends to; "
            "wait-k, hold-n and local-agreement do without"
        )
    layer = config.layer if policy.layer is None else policy.layer
    if layer is None:
        layer = lm.depth * 11 // 32
    if layer >= lm.depth:
        raise UsageError(
            f"policy align-att: layer is {layer}, this model's language model has {lm.depth} "
            f"layer{'s' * (lm.depth > 1)}, 0 to {lm.depth - 1}"
        )
    for head in config.heads or ():
        if not 0 <= head < lm.width:
            raise UsageError(
                f"align_att.heads names {head}; this model's layers have 0 to {lm.width - 1}"
            )
    return replace(policy, frames=policy.frames or config.frames, layer=layer)


def attended_frames(
    lm: Attentive,
    cache: EntryCache,
    row: int,
    inputs: Tensor,
    layer: int,
    heads: Sequence[int] | None,
) -> tuple[int, ...]:
    """The speech frame, from 0, that each predicting entry weighs most.

    Args:
        cache: of the row holds everything before the entry that predicted the draft's first piece.
        inputs: [T, D]: that entry's embedding and those of the draft's pieces but the last.
    The row is as it was afterwards.
    """
    before = int(cache.length[row])
    speech = np.flatnonzero(cache.kind[row, :before] == SPEECH)
    if not len(inputs) or not len(speech):
        return ()
    position = torch.arange(before, before + len(inputs))[None]
    zeros = torch.zeros_like(position)
    entries = Entries(position, position, zeros + TEXT, zeros)
    weights = lm.attention(inputs[None], entries, cache, [row], layer, heads)[0]
    cache.pop(row, len(inputs))
    return tuple(weights[:, torch.from_numpy(speech)].argmax(-1).tolist())


def by_words(frames: Sequence[int], edges: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Frames of pieces as those of words; what stands before the first belongs to it.

    Args: edges: index of each word's first piece, and the end (`split_words`).
    """
    starts = [0, *edges[1:-1]] if len(edges) > 1 else []
    return tuple(tuple(frames[start:end]) for start, end in zip(starts, edges[1:], strict=True))
