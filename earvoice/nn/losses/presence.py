"""Losses of "is this term in this window": over all pairs of a batch of windows and terms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_presence(logits: Tensor, present: Tensor) -> Tensor:
    """Binary cross entropy (CLASI, 2407.21646, 3.4); both kinds of pairs weigh the same in all.

    Shapes: logits [B, K]; present [B, K] bool: term k is in window b.
    """
    losses = F.binary_cross_entropy_with_logits(logits, present.float(), reduction="none")
    weight = present.float()
    positive = (losses * weight).sum() / weight.sum().clamp(min=1)
    negative = (losses * (1 - weight)).sum() / (1 - weight).sum().clamp(min=1)
    return (positive + negative) / 2


def two_way_contrast(logits: Tensor, present: Tensor) -> Tensor:
    """Each pair that is there, against the terms its window lacks and the windows that lack it.

    Ours. The second half leaves nothing to gain from how a term looks by itself, the first nothing
    from a window. Shapes: as `balanced_presence`; 0 without a pair that is there.
    """
    if not present.any():
        return logits.sum() * 0
    absent = logits.masked_fill(present, float("-inf"))
    found = [
        torch.logaddexp(absent.logsumexp(dim, keepdim=True), logits) - logits for dim in (0, 1)
    ]
    return torch.stack(found).mean(0)[present].mean()


def pointing_loss(attention: Tensor, real: Tensor, spans: Tensor) -> Tensor:
    """How little of their attention letters give to the place where they are said. Ours.

        term      K   a   m   i   l   o          letter i of n may look at a third of the term
        frames    ..[     said       ]..         around i / n of the way through it

    Shapes: attention [P, H, C, T], of P pairs; real [P, C]: which letters there are; spans [P, 2]:
    first frame of the term and the one behind its last.
    """
    count = real.sum(1, keepdim=True).clamp(min=1)
    way = (torch.arange(real.shape[1], device=real.device) + 0.5) / count  # [P, C]
    first, end = spans[:, :1].float(), spans[:, 1:].float()
    slack = ((end - first) / 6).clamp(min=1.5)
    middle = first + way * (end - first)
    frame = torch.arange(attention.shape[-1], device=real.device) + 0.5
    inside = (frame - middle[..., None]).abs() <= slack[..., None]  # [P, C, T]
    mass = (attention.float() * inside[:, None]).sum(-1).mean(1)  # [P, C]
    loss = -mass.clamp(min=1e-6).log()
    return (loss * real).sum() / real.sum().clamp(min=1)
