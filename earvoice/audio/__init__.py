"""Audio in and out: one value type, one sample clock, stateful resampling, bounded file reading."""

from earvoice.audio.files import read, stream_file, write_wav
from earvoice.audio.pipe import stream_pipe
from earvoice.audio.resample import Resampler
from earvoice.audio.signal import Audio, AudioClock

__all__ = [
    "Audio",
    "AudioClock",
    "Resampler",
    "read",
    "stream_file",
    "stream_pipe",
    "write_wav",
]
