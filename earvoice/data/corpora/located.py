"""Where in a talk a sentence's own recording was cut from, to the sample.

The sentences of ACL 60/60 are stretches of the talks' files without any change, so that their
samples are found there again. Neighbours may overlap by some tenths of a second.
"""

from __future__ import annotations

from pathlib import Path

from earvoice.data.corpora.sound import plain_samples
from earvoice.data.plain_wav import WAV_HEADER_BYTES
from earvoice.units import SAMPLE_RATE, Samples

_BYTES = 2


def samples_of(path: Path) -> bytes | None:
    """The samples, int16, of a file that is mono 16 kHz 16 bit; None for another."""
    if not path.is_file() or not plain_samples(path):
        return None
    return path.read_bytes()[WAV_HEADER_BYTES:]


def find_samples(talk: bytes, sentence: bytes, start: Samples) -> Samples | None:
    """The first sample of the sentence in the talk, at `start` or later if it is there too."""
    for begin in (start * _BYTES, 0):
        at = talk.find(sentence, begin)
        while at >= 0 and at % _BYTES:  # between two samples
            at = talk.find(sentence, at + 1)
        if at >= 0:
            return at // _BYTES
    return None


def microseconds(samples: Samples) -> int:
    """Of a number of samples, rounded."""
    return (samples * 1_000_000 + SAMPLE_RATE // 2) // SAMPLE_RATE
