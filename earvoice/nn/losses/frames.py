"""Cross entropy of frames whose phoneme is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNKNOWN = -100
"""Label of a frame that says nothing: its recording has no phoneme times."""


def frame_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss over the known frames, and the share of them that are right.

    Zero, with a gradient of zero, where no frame is known: a batch of recordings without phoneme
    times says nothing, and must not make a loss that is not finite.

    Shapes: logits [..., P], labels [...]; computed in float32. Returns two scalars.
    """
    known = labels != UNKNOWN
    logits, labels = logits[known].float(), labels[known]
    if not len(labels):
        return logits.sum(), torch.zeros(())
    accuracy = (logits.argmax(-1) == labels).float().mean()
    return F.cross_entropy(logits, labels), accuracy.detach()
