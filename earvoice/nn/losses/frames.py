"""Cross entropy of frames whose phoneme is known: alone, or beside another loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


def phone_logits(head: nn.Linear | None, frames: Tensor) -> Tensor:
    """What a system's phoneme head says of frames: [..., D] -> [..., P].

    Raises: RuntimeError where the configuration has no such head.
    """
    if head is None:
        raise RuntimeError("this configuration has no phoneme head: set `phones`")
    logits: Tensor = head(frames)
    return logits


def phone_losses(head: nn.Linear | None, frames: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The objective `phones` of every system: how a small encoder learns to hear.

    Shapes: frames [..., T, D], labels [..., T]; where one is longer, as far as there are both.
    Raises: RuntimeError without a head.
    """
    length = min(frames.shape[-2], labels.shape[-1])
    logits = phone_logits(head, frames[..., :length, :])
    loss, accuracy = frame_loss(logits, labels[..., :length])
    return {"loss": loss, "accuracy": accuracy}


class Phonetic(Protocol):
    """A batch whose frames have phonemes."""

    @property
    def phones(self) -> Tensor:
        """Labels [B, T], `UNKNOWN` where none is known."""
        ...


def with_phones(
    losses: Mapping[str, Tensor],
    head: nn.Linear | None,
    weight: float,
    frames: Tensor,
    batch: Phonetic,
) -> Mapping[str, Tensor]:
    """An objective's losses, its `loss` plus `weight` times that of the phonemes of its frames.

    As they are, and the labels not looked at, where the weight is zero or there is no head.
    Shapes: frames [B, T, D].
    """
    if not weight or head is None:
        return losses
    phones = phone_losses(head, frames, batch.phones)
    total = losses["loss"] + weight * phones["loss"]
    return {**losses, "loss": total, "phone_accuracy": phones["accuracy"]}
