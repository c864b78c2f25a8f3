"""Without left padding (discrepancy D3) training masks and live streams still agree.

heard   |-- 1 --|-- 2 --|-- 3 --|        a block's last frame reaches 80 samples into the next
cache             E1      E2             second, so its embeddings come one segment later
"""

import numpy as np
import torch

from earvoice.policies import WaitK
from earvoice.sessions.layout import SteppedTarget
from earvoice.systems.fasst import Fasst
from tests.masks.test_wait_k_layout import live_trace
from tests.tiny import fasst, tokenizer


def unpadded():
    system = fasst("waveform", seed=3, faithful=True)
    frontend = system.config.encoder.frontend.model_copy(update={"left_pad": False})
    encoder = system.config.encoder.model_copy(update={"frontend": frontend})
    late = Fasst(system.config.model_copy(update={"encoder": encoder})).eval()
    late.load_state_dict(system.state_dict())
    late.bind(tokenizer())
    return late.requires_grad_(False)


def test_logits_agree_until_the_source_ends():
    system, segments = unpadded(), 6
    noise = np.random.default_rng(0).standard_normal(segments * system.segment_samples)
    samples = (0.1 * noise).astype(np.float32)
    tokens, steps, logits, queries = live_trace(system, samples, WaitK(2, 2))
    probes = sorted(set(queries))
    target = SteppedTarget(
        ids=tokens,
        steps=steps,
        supported=[True] * len(tokens),
        holds=probes,
        first_step=2,
        last_step=segments,
        k=2,
    )
    hidden, _ = system.training_forward(system(torch.from_numpy(samples)[None]), [target])
    offline = dict(zip(probes, system.lm.logits(hidden[0, -len(probes) :]), strict=True))
    before = [
        float((live - offline[query]).abs().max())
        for live, query in zip(logits, queries, strict=True)
        if query[1] < segments  # the last step is the end in training: nothing is waited for
    ]
    assert len(before) > 10
    assert max(before) <= 2e-5
