"""The training layout with its mask and incremental decoding give the same logits.

training      P E1 E2 E3 E4 E5 | <sp_end> y1 y2 ... (+ probes)      one forward, masked
incremental   P E1 E2 <sp_end> y1 E3 y1' y2 E4 y2' ...               the live session
"""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from earvoice.audio import Audio
from earvoice.policies import WaitK
from earvoice.session import Request
from earvoice.sessions.layout import SteppedTarget
from tests.tiny import fasst, tokenizer


class Recorder:
    """Remembers the logits of every consultation of a live session."""

    def __init__(self, system) -> None:
        self.rows = []
        self._logits = system.lm.logits
        system.lm.logits = self.logits

    def logits(self, hidden):
        out = self._logits(hidden)
        self.rows.append(out[0].clone())
        return out


def live_trace(system, samples, policy):
    """Committed tokens with their steps, all logits in order, and the steps of all logits."""
    recorder = Recorder(system)
    session = system.interpreter(tokenizer()).open(Request("en", "de", policy))
    tokens, steps, queries = [], [], []
    original = session.write

    def write(new, words):
        tokens.extend(new)
        steps.extend([session.progress.segments] * len(new))
        return original(new, words)

    session.write = write
    size = system.segment_samples
    for start in range(0, len(samples), size):
        before, known = len(recorder.rows), len(tokens)
        session.push(Audio(samples[None, start : start + size], 16000))
        written = len(tokens) - known
        for index in range(len(recorder.rows) - before):
            queries.append((known + min(index, written), session.progress.segments))
    del system.lm.logits
    return tokens, steps, recorder.rows, queries


@pytest.mark.parametrize("text_position", ["count", "time"])
@pytest.mark.parametrize("faithful", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_training_layout_equals_incremental_decoding(
    seed: int, faithful: bool, text_position: str
) -> None:
    rng = random.Random(seed)
    k, n, segments = rng.randint(1, 4), rng.randint(1, 3), rng.randint(5, 12)
    system = fasst(seed=seed, faithful=faithful, text_position=text_position)
    noise = np.random.default_rng(seed).standard_normal(segments * system.segment_samples)
    samples = (0.1 * noise).astype(np.float32)
    tokens, steps, logits, queries = live_trace(system, samples, WaitK(k, n))
    assert tokens, "the random model wrote nothing: the test would prove nothing"

    probes = sorted(set(queries))
    target = SteppedTarget(
        ids=tokens,
        steps=steps,
        supported=[True] * len(tokens),
        holds=probes,  # every consultation as a probe: what would the model say here?
        first_step=min(k, segments),
        last_step=segments,
        k=k,
    )
    with torch.no_grad():
        speech = system(torch.from_numpy(samples)[None])
        hidden, _ = system.training_forward(speech, [target])
        offline = system.lm.logits(hidden[0, -len(probes) :])
    rows = {probe: offline[index] for index, probe in enumerate(probes)}
    worst = max(
        float((row - rows[query]).abs().max()) for row, query in zip(logits, queries, strict=True)
    )
    assert worst <= 1e-5 * max(1.0, float(offline.abs().max()))


@pytest.mark.parametrize("text_position", ["count", "time"])
def test_real_rows_predict_what_their_probes_predict(text_position: str) -> None:
    """A text row equals the probe of its token at its step: labels differ, logits do not."""
    system = fasst(seed=3, text_position=text_position)
    samples = torch.randn(1, 6 * system.segment_samples) * 0.1
    ids = tokenizer().encode("das ist ein Haus und ein Garten")
    steps = sorted(random.Random(1).randint(2, 6) for _ in ids)
    target = SteppedTarget(
        ids=ids,
        steps=steps,
        supported=[True] * len(ids),
        holds=[(index, step) for index, step in enumerate(steps)],
        first_step=2,
        last_step=6,
        k=2,
    )
    with torch.no_grad():
        hidden, _ = system.training_forward(system(samples), [target])
    prefix = len(system.training_prompt.prompts[2].after)
    for index in range(len(ids)):
        real = hidden[0, prefix - 1 + index]
        probe = hidden[0, prefix + len(ids) - 1 + index]
        torch.testing.assert_close(real, probe, atol=2e-5, rtol=1e-4)
