"""Binary messages: where the audio begins, then the audio.

    | u64 little-endian: whole samples before this frame | PCM, channels interleaved |

A frame may end inside a sample; its rest comes first in the next frame, whose offset does not
count the sample that is not whole yet.
"""

from __future__ import annotations

import struct

import numpy as np

from earvoice.audio import Audio
from earvoice.errors import AudioError
from earvoice.serve.errors import Fault
from earvoice.serve.settings import ENCODINGS, MAX_CHANNELS, RATES_HZ
from earvoice.units import Samples

HEADER = struct.Struct("<Q")
_WIDTH = {"s16le": 2, "f32le": 4}


def pack_frame(offset: Samples, pcm: bytes) -> bytes:
    """One binary message."""
    return HEADER.pack(offset) + pcm


def pack_audio(offset: Samples, audio: Audio) -> bytes:
    """One binary message of `f32le` audio."""
    pcm = np.ascontiguousarray(audio.samples.T, dtype="<f4").tobytes()
    return pack_frame(offset, pcm)


class FrameReader:
    """Audio of a client's frames, in order, each sample once.

    `received`: whole samples so far. Samples that come again, as after a resume, are skipped;
    a frame that begins later than `received` is a fault.
    """

    def __init__(self, encoding: str, rate_hz: int, channels: int) -> None:
        for name, value, legal in (
            ("encoding", encoding, ENCODINGS),
            ("rate_hz", rate_hz, RATES_HZ),
            ("channels", channels, range(1, MAX_CHANNELS + 1)),
        ):
            if value not in legal:
                shown = ", ".join(map(str, legal))
                raise Fault(
                    "audio_format_unsupported", f"{name} is {value!r}, it must be one of {shown}"
                )
        self.rate_hz = rate_hz
        self.received: Samples = 0
        self._float = encoding == "f32le"
        self._channels = channels
        self._width = _WIDTH[encoding] * channels
        self._rest = b""

    @property
    def truncated(self) -> bool:
        """Whether the last frame ended inside a sample."""
        return bool(self._rest)

    def forget_rest(self) -> None:
        """A new connection begins with a whole sample."""
        self._rest = b""

    def read(self, frame: bytes, max_samples: Samples) -> Audio | None:
        """The new samples of one binary message, None if there are none. Errors: `Fault`."""
        if len(frame) < HEADER.size:
            raise Fault(
                "message_invalid",
                f"a binary message has {len(frame)} bytes, it must begin with an 8-byte offset",
            )
        (offset,) = HEADER.unpack_from(frame)
        pcm = memoryview(frame)[HEADER.size :]
        if offset > self.received:
            raise Fault(
                "audio_gap", f"the frame begins at sample {offset}, {self.received} were received"
            )
        if len(pcm) // self._width > max_samples:
            raise Fault(
                "frame_too_long",
                f"the frame has {len(pcm) // self._width} samples, at most {max_samples} are legal",
            )
        again = (self.received - offset) * self._width
        if again:
            # What came before is sent again: it replaces a sample that was cut.
            if len(pcm) <= again:
                return None
            pcm, self._rest = pcm[again:], b""
        data = self._rest + bytes(pcm)
        whole = len(data) // self._width * self._width
        if not whole:
            self._rest = data
            return None
        audio = self._decode(data[:whole])
        self._rest = data[whole:]
        self.received += audio.n_samples
        return audio

    def _decode(self, data: bytes) -> Audio:
        try:
            if not self._float:
                return Audio.from_pcm16(data, self.rate_hz, self._channels)
            values = np.frombuffer(data, dtype="<f4").astype(np.float32)
            return Audio(np.ascontiguousarray(values.reshape(-1, self._channels).T), self.rate_hz)
        except AudioError as error:
            raise Fault("audio_invalid", str(error)) from None
