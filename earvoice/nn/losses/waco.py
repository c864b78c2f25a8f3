"""Word-aligned contrastive loss (WACO; FASST 2408.09430 eq. 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

NORM_WEIGHT = 0.1


@dataclass(frozen=True)
class WordContrast:
    """Spoken words beside written ones.

    loss: WACO's; norm_gap: how far the spoken words' norm is from the written ones', squared
    logarithm (cosine ignores scale, a language model does not); retrieval: share of spoken words
    whose nearest written one is theirs, or one of the same embedding.
    """

    loss: Tensor
    norm_gap: Tensor
    retrieval: Tensor

    @property
    def with_norm(self) -> Tensor:
        """The loss, and 0.1 of the gap (ours)."""
        return self.loss + NORM_WEIGHT * self.norm_gap


def word_contrast(
    speech: Tensor, spans: Tensor, written: Tensor, temperature: float
) -> WordContrast:
    """What a batch's speech embeddings say of its words.

    Shapes: speech [B, N, D]; spans [M, 3]: item, first and last embedding of a word, inclusive;
    written [M, D]: the same words' text embeddings, which get no gradient.
    """
    written = written.detach()
    offset = spans[:, 0] * speech.shape[1]
    spoken = span_means(speech.flatten(0, 1), offset + spans[:, 1], offset + spans[:, 2])
    gap = (spoken.norm(dim=-1).mean() / written.norm(dim=-1).mean()).log().square()
    return WordContrast(
        waco_loss(spoken, written, temperature), gap, _retrieval(spoken.detach(), written)
    )


def pooled(embeddings: Tensor, mask: Tensor) -> Tensor:
    """Means over real tokens: [M, P, D], [M, P] -> [M, D]."""
    weights = mask.to(embeddings.dtype)[..., None]
    return (embeddings * weights).sum(1) / weights.sum(1)


def span_means(x: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Means over spans of x [T, D]: rows starts[i] .. ends[i] inclusive. Returns [N, D].

    Raises: ValueError for an empty or misplaced span: its mean would be NaN, and a NaN that a
    guard skips is an error nobody sees.
    """
    if bool((ends < starts).any()) or bool((starts < 0).any()) or bool((ends >= len(x)).any()):
        raise ValueError("a word span is empty or outside the sequence")
    sums = F.pad(x.float().cumsum(0), (0, 0, 1, 0))
    return (sums[ends + 1] - sums[starts]) / (ends + 1 - starts)[:, None]


def waco_loss(speech_words: Tensor, text_words: Tensor, temperature: float) -> Tensor:
    """L = -mean_i log softmax_j(cos(speech_i, text_j) / temperature) at j = i.

    Speech-to-text direction only; the negatives of a word are all other words of the batch,
    repetitions included, as in the authors' code.

    Shapes: two [N, D], pooled; computed in float32. Returns a scalar.
    """
    logits = _cosines(speech_words, text_words) / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def _retrieval(spoken: Tensor, written: Tensor) -> Tensor:
    best = written[_cosines(spoken, written).argmax(-1)]
    return (best - written).abs().amax(-1).lt(1e-6).float().mean()


def _cosines(speech: Tensor, text: Tensor) -> Tensor:
    """Of every pair, in float32 whatever the precision around: [N, D], [M, D] -> [N, M]."""
    with torch.autocast(speech.device.type, enabled=False):
        return F.normalize(speech.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
