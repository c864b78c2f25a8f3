"""What a system without caches pays for the next segment: everything so far, once more.

This is the usual way to make an offline model live (FASST, 2408.09430, figure 4, compares with
it). The weights, the masks and the number of decoded tokens are those of the live path; only the
memory is missing:

    encoder   its offline forward over all audio so far. Attention is computed for every pair of
              frames and masked to the blocks, as FASST's unlimited left context needs.
    language  one forward over prompt, all speech embeddings and all text so far, then the next
    model     tokens one by one with a cache that lives for this segment only.

Given only the audio of the window, it is the cheaper bounded variant: the last half minute again.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from earvoice.bench.live import Cost, noise_segment
from earvoice.nn.masks import PROMPT, SPEECH, TEXT, Entries, consistency
from earvoice.policies import WaitK
from earvoice.search.greedy import continue_greedily
from earvoice.sessions.append import AppendInterpreter


class Recompute:
    """Computes one segment of a stream from nothing. `interpreter` has pinned tokens."""

    def __init__(self, interpreter: AppendInterpreter, seed: int) -> None:
        policy = interpreter.settings.policy
        if not isinstance(policy, WaitK):
            raise TypeError("the tokens of a recomputed segment must be pinned by wait-k")
        self._interpreter, self._policy, self._seed = interpreter, policy, seed

    def next_segment(self, segments: int) -> Cost:
        """The cost of segment `segments` (from 1) when all before it is computed again."""
        size = self._interpreter.segment_samples
        parts = [noise_segment(self._seed, index, size) for index in range(segments)]
        samples = torch.from_numpy(np.concatenate(parts))[None]
        with torch.inference_mode():
            start_s = time.process_time()
            speech = self._interpreter.speech(samples)
            middle_s = time.process_time()
            self._decode(speech, segments)
            end_s = time.process_time()
        return Cost(middle_s - start_s, end_s - middle_s)

    def _decode(self, speech: Tensor, segments: int) -> None:
        """Reads prompt, speech [1, N, D] and the text so far, then writes the next tokens."""
        inner, policy = self._interpreter, self._policy
        prompt = inner.settings.prompt(policy.k)
        written = policy.n * max(0, segments - policy.k)
        text = [*prompt.after, *(prompt.after[-1] for _ in range(written))]
        before = inner.lm.embed(torch.tensor([prompt.before]))
        after = inner.lm.embed(torch.tensor([text]))
        x = torch.cat([before, speech, after], dim=1)
        entries = _entries(len(prompt.before), speech.shape[1], len(text), segments)
        cache = inner.lm.init_state(1, x.shape[1] + policy.n + 1)
        hidden = inner.lm(x, entries, cache, [0], consistency, wanted=1)
        place = (len(prompt.before) + len(text), segments)
        budget = (policy.n, policy.n)
        rows = [hidden[0, -1]]
        continue_greedily(inner.lm, cache, inner.tokenizer, [0], rows, [place], [budget])


def _entries(before: int, speech: int, after: int, segment: int) -> Entries:
    """Prompt, speech, text, numbered as live: speech and text both from the end of the prompt."""
    order = torch.arange(before + speech + after)[None]
    parts = [torch.arange(before), before + torch.arange(speech), before + torch.arange(after)]
    position = torch.cat(parts)[None]
    kind = torch.tensor([[PROMPT] * before + [SPEECH] * speech + [TEXT] * after])
    segments = torch.tensor([[0] * before + [1] * speech + [segment] * after])
    return Entries(order, position, kind, segments)
