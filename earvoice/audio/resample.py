"""Any rate to 16 kHz mono, one packet after the other."""

from __future__ import annotations

import numpy as np
import soxr

from earvoice.audio.signal import Audio, Float32
from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE

_EMPTY: Float32 = np.zeros(0, dtype=np.float32)


class Resampler:
    """Mixes down to one channel and resamples to `out_hz`; the packet sizes do not matter.

    Pushing a recording whole, or cut anywhere, gives the same samples bit for bit. The first
    packet fixes rate and channel count; audio already at `out_hz` passes through untouched.

    State: soxr's filter history, which holds back about 40 ms at 44.1 and 48 kHz, 115 ms at
    8 kHz, until more audio or `flush` comes.
    Errors: `AudioError` if rate or channel count change.
    """

    def __init__(self, out_hz: int = SAMPLE_RATE) -> None:
        self.out_hz = out_hz
        self._format: tuple[int, int] | None = None
        self._stream: soxr.ResampleStream | None = None

    @property
    def passes_through(self) -> bool:
        """Whether nothing is resampled, so that there is no history."""
        return self._stream is None

    def push(self, audio: Audio) -> Float32:
        """The samples at `out_hz` that this packet completes. Shapes: float32 [W'], maybe empty."""
        given = (audio.rate_hz, audio.channels)
        if self._format is None:
            self._format = given
            if audio.rate_hz != self.out_hz:
                self._stream = soxr.ResampleStream(
                    audio.rate_hz, self.out_hz, 1, dtype="float32", quality="HQ"
                )
        if given != self._format:
            raise AudioError(
                f"the audio changed from {self._format[0]} Hz x {self._format[1]} to {given[0]} Hz "
                f"x {given[1]} channels; a stream keeps its format"
            )
        samples = audio.mono()
        if self._stream is None or not samples.size:
            return samples
        out: Float32 = self._stream.resample_chunk(np.ascontiguousarray(samples))
        return out

    def flush(self) -> Float32:
        """The samples still held back; afterwards the next packet begins a new stream."""
        stream, self._stream, self._format = self._stream, None, None
        if stream is None:
            return _EMPTY
        out: Float32 = stream.resample_chunk(_EMPTY, last=True)
        return out
