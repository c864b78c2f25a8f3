"""Two hours of two people through the frame loop, as fast as it goes: nothing grows."""

import gc
import os

import numpy as np
import pytest

from earvoice.audio import Audio
from earvoice.bench.machine import resident_mib
from earvoice.models.frontend import FrontendConfig
from earvoice.session import Request
from tests.tiny import conversation_tokenizer, jstar

HOURS = float(os.environ.get("EARVOICE_CONVERSATION_HOURS", "2"))
GROWTH_MIB = 12
"""Two hours of five channels of floats would be 2.2 GiB."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hours_of_five_channels():
    beams = FrontendConfig(directions=1, taps=33, mels=17, maps=2, stack=6)
    interpreter = jstar(frontend=beams).interpreter(conversation_tokenizer())
    session = interpreter.open(Request("en", "es", transcript=True))
    step = interpreter.model.step_samples
    noise = 0.1 * np.random.default_rng(0).standard_normal((5, 16 * step)).astype(np.float32)
    steps = round(HOURS * 3600 * 16000 / step)
    early, before, behind = max(2, steps // 12), 0.0, set()
    for number in range(steps):
        place = number % 16 * step
        session.push(Audio(noise[:, place : place + step]))
        behind.add(round(session.lag_s, 6))
        assert all(len(search.open) <= 100 for search in session.searches)
        if number == early:
            gc.collect()
            before = resident_mib() or 0.0
    gc.collect()
    assert (resident_mib() or 0.0) - before < GROWTH_MIB
    assert behind == {0.0}, "no step waits"
    assert session.finish()
