"""Silence in packets."""

import numpy as np

from earvoice.audio import Audio


def packets(seconds, rate_hz=16000, packet_s=0.1):
    """Packets of silence, `seconds` in all."""
    size = round(rate_hz * packet_s)
    left = round(rate_hz * seconds)
    while left > 0:
        count = min(size, left)
        yield Audio(np.zeros((1, count), dtype=np.float32), rate_hz)
        left -= count
