"""Packets in, exact segments out."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.audio import Audio
from earvoice.errors import AudioError
from earvoice.sessions.buffer import SegmentBuffer


def ramp(n, first=0):
    return np.arange(first, first + n, dtype=np.float32) / np.float32(1e6)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 25))
def test_segments_are_the_stream_cut_exactly(sizes, size):
    buffer = SegmentBuffer(size)
    start = 0
    for packet in sizes:
        buffer.push(Audio.of(ramp(packet, start)))
        start += packet
    taken = []
    while buffer.has_segment:
        taken.append(buffer.take())
        assert taken[-1].shape == (size,)
    left = start - size * len(taken)
    assert 0 <= left < size
    assert buffer.waiting_s == pytest.approx(left / 16000)
    assert buffer.finish() == (1 if left else 0)
    if left:
        taken.append(buffer.take())
    joined = np.concatenate([*taken, ramp(0)])
    assert np.array_equal(joined[:start], ramp(start))
    assert not joined[start:].any(), "the rest of the last segment is silence"
    assert buffer.heard == start


def test_silence_is_not_heard():
    buffer = SegmentBuffer(4)
    buffer.push(Audio.of(ramp(3)))
    assert buffer.finish() == 1
    buffer.add_silence(2)
    assert buffer.waiting_s == pytest.approx(12 / 16000)
    assert buffer.heard == 3
    buffer.take()
    assert not buffer.take().any()


def test_the_resampler_is_flushed_at_the_end():
    buffer = SegmentBuffer(1600)
    buffer.push(Audio.of(ramp(48000), 48000))
    before = buffer.heard
    buffer.finish()
    assert before < 16000 == buffer.heard


def test_a_changed_format_is_refused():
    buffer = SegmentBuffer(10)
    buffer.push(Audio.of(ramp(5)))
    with pytest.raises(AudioError):
        buffer.push(Audio.of(ramp(5), 8000))


def test_taking_costs_a_segment_not_what_waits():
    """An hour at once: copying the rest for every segment would take minutes."""
    buffer = SegmentBuffer(15360)
    buffer.push(Audio.of(np.zeros(16000 * 3600, dtype=np.float32)))
    start_s = time.process_time()
    while buffer.has_segment:
        buffer.take()
    assert time.process_time() - start_s < 5
