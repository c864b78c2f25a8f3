"""What a pair of glasses hears, made by calculation."""

import numpy as np

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
