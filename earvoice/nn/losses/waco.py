"""Word-aligned contrastive loss (WACO; FASST 2408.09430 eq. 7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
    speech = F.normalize(speech_words.float(), dim=-1)
    text = F.normalize(text_words.float(), dim=-1)
    logits = speech @ text.T / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def word_span(start_s: float, end_s: float, duration_s: float, length: int) -> tuple[int, int]:
    """First and last embedding (inclusive) of a word, as in the authors' code.

    start = floor(t0 / duration * L), end = ceil(t1 / duration * L) - 1.
    Worked: a word from 0.50 s to 0.74 s of 1.0 s with L = 12 embeddings -> 6 .. 8.
    """
    first = int(start_s / duration_s * length)
    last = -int(-end_s / duration_s * length // 1) - 1
    first = min(max(first, 0), length - 1)
    return first, min(max(last, first), length - 1)
