"""Self-supervision by masked prediction of random codes (BEST-RQ, 2202.01855).

    features [T, F] --fixed random projection--> [T, P] --nearest of fixed random vectors--> codes
    frames   . . # # # # . . . . # # # # . .       #: hidden, to be guessed

Nothing of the quantiser is learnt, so there is nothing that could collapse.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PROJECTION = 16
"""Width of the space in which features are compared [2202.01855, 3.1]."""
SPAN_FRAMES = 8
START_SHARE = 0.065
"""Share of frames at which a span begins, as in wav2vec 2.0: it hides about two frames in five."""
_SEED = 20220155


def random_codes(features: Tensor, codes: int) -> Tensor:
    """Which of `codes` random directions each frame is nearest to: always the same ones.

    Shapes: [T, F], about zero mean and unit variance -> [T] of int64.
    """
    generator = torch.Generator().manual_seed(_SEED)
    projection = torch.randn(features.shape[-1], PROJECTION, generator=generator)
    book = F.normalize(torch.randn(codes, PROJECTION, generator=generator), dim=-1)
    projected = F.normalize(features.float() @ projection, dim=-1)
    return (projected @ book.T).argmax(-1)


def masked_frames(frames: int, generator: torch.Generator) -> Tensor:
    """Which frames are hidden: spans, at least one, nothing of nothing. [T] of bool."""
    if not frames:
        return torch.zeros(0, dtype=torch.bool)
    starts = torch.rand(frames, generator=generator) < START_SHARE
    starts[torch.randint(frames, (1,), generator=generator)] = True
    spread = starts.float()[None, None]
    covered = F.max_pool1d(F.pad(spread, (SPAN_FRAMES - 1, 0)), SPAN_FRAMES, stride=1)
    return covered[0, 0] > 0
