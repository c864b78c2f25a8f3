"""CTC of a transcript's tokens over a language model's own embeddings.

FASST (2408.09430, figure 8) compares WACO with this: a speech embedding is scored against every
token embedding, so nothing is trained but the speech side. The authors' code divides by the
temperature of WACO and takes the end of sequence for the blank.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def embedding_ctc_loss(
    speech: Tensor,
    table: Tensor,
    tokens: Tensor,
    lengths: Tensor,
    *,
    steps: Tensor | None = None,
    blank: int,
    temperature: float,
) -> Tensor:
    """Mean over items of -log p(tokens | speech), each divided by its number of tokens.

    An item whose tokens do not fit into its embeddings counts as 0.

    Shapes: speech [B, T, D]; table [V, D]; tokens [sum of lengths], item after item; lengths [B];
    steps [B]: embeddings of each item, None for T.
    Computed in float32. Returns a scalar.
    """
    with torch.autocast(speech.device.type, enabled=False):
        scores = speech.float() @ table.float().T / temperature
        steps = torch.full_like(lengths, speech.shape[1]) if steps is None else steps
        return F.ctc_loss(
            scores.log_softmax(-1).transpose(0, 1),
            tokens,
            steps,
            lengths,
            blank=blank,
            zero_infinity=True,
        )
