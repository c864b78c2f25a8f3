"""What a pair of glasses hears, made by calculation."""

import numpy as np

from earvoice.audio import Audio
from earvoice.audio.arrays import GLASSES, SPEED_OF_SOUND_M_S


def heard(seed=0, duration_s=3.0):
    """Speech-like noise from the mouth in free space, with a little noise in each microphone."""
    length = round(duration_s * 16000)
    rng = np.random.default_rng(seed)
    source = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / 16000)
    source *= 1 / np.maximum(hertz, 100)
    reach_m = np.linalg.norm(GLASSES.positions() - np.array(GLASSES.mouth_m), axis=1)
    delay = np.exp(-2j * np.pi * hertz * reach_m[:, None] / SPEED_OF_SOUND_M_S)
    samples = np.fft.irfft(source * delay / reach_m[:, None], length)
    samples += 0.02 * samples.std() * rng.standard_normal(samples.shape)
    return (0.1 * samples / samples.std()).astype(np.float32)


class Worn:
    """An interpreter for glasses that is given any audio: all its microphones hear about that."""

    def __init__(self, inner):
        self.inner = inner

    def open(self, request):
        return WornSession(self.inner.open(request))

    def advance(self, sessions):
        return self.inner.advance([getattr(session, "inner", session) for session in sessions])

    def __getattr__(self, name):
        return getattr(self.inner, name)


class WornSession:
    """A session of it. A change of channels reaches the session as it is."""

    def __init__(self, inner):
        self.inner, self.channels = inner, None

    def feed(self, audio):
        self.inner.feed(self.worn(audio))

    def push(self, audio):
        return self.inner.push(self.worn(audio))

    def worn(self, audio):
        self.channels = self.channels or audio.channels
        return spread(audio) if audio.channels == self.channels else audio

    def __getattr__(self, name):
        return getattr(self.inner, name)


def spread(audio):
    """One sound on all microphones, a little weaker on each further one."""
    gains = np.linspace(1.0, 0.8, GLASSES.channels, dtype=np.float32)[:, None]
    return Audio(gains * audio.samples.mean(0, dtype=np.float32), audio.rate_hz)
