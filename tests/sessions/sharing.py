"""What the tests of shared encoders have in common: sessions fed the same, encoders that count."""

import numpy as np

from earvoice.audio import Audio
from earvoice.events import Commit, Note

RATE = 16_000


def speech(duration_s, seed=0):
    """Noise in bursts. Shapes: float32 [W]."""
    generator = np.random.default_rng(seed)
    count = round(duration_s * RATE)
    loud = generator.uniform(0, 0.3, count // 2000 + 1).repeat(2000)[:count]
    return (generator.uniform(-1, 1, count) * loud).astype(np.float32)


def packets(samples, size=3001):
    return [Audio.of(samples[at : at + size]) for at in range(0, len(samples), size)]


def alone(interpreter, request, samples):
    """What a session says that shares nothing."""
    session = interpreter.open(request)
    return told([e for packet in packets(samples) for e in session.push(packet)], session.finish())


def told(*parts):
    return [event for part in parts for event in part if not isinstance(event, Note)]


def text(events):
    return "".join(event.text for event in events if isinstance(event, Commit))


def advance_all(interpreter, sessions, said):
    """Everything that waits, as batches."""
    while True:
        before = [session.lag_s for session in sessions]
        for events, new in zip(said, interpreter.advance(sessions), strict=True):
            events += new
        if [session.lag_s for session in sessions] == before:
            return


class CountingEncode:
    """An encoder of steps that counts the samples it is given, all rows together."""

    def __init__(self, inner):
        self.inner, self.samples, self.failing = inner, 0, False

    def __call__(self, x, state, rows):
        outputs = self.inner(x, state, rows)
        if self.failing:
            self.failing = False
            raise RuntimeError("the encoder broke off")
        self.samples += x.shape[0] * x.shape[-1]
        return outputs


def counting(interpreter):
    """Counts what an interpreter of steps encodes from now on."""
    hearings = interpreter.hearings
    hearings._encode = count = CountingEncode(hearings._encode)
    return count
