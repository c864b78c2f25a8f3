"""Cross entropy of the tokens that a language model has to write."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def token_losses(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Mean loss (`loss`, and as `nll`, which nothing is added to) and the share that are right.

    Shapes: logits [N, V], labels [N]; computed in float32. Returns three scalars.
    """
    logits = logits.float()
    loss = F.cross_entropy(logits, labels)
    accuracy = (logits.argmax(-1) == labels).float().mean()
    return {"loss": loss, "nll": loss.detach(), "token_accuracy": accuracy.detach()}
