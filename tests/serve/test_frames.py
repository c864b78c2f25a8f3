"""Audio over the wire: every sample once, however it was cut, and nothing that is no audio."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.serve.errors import Fault
from earvoice.serve.frames import FrameReader, pack_frame
from earvoice.serve.wire import MAX_HEAD_BYTES, Message, Unpacker, WireError, pack
from tests.serve.running import sound

LIMIT = 10**6


def pcm16(samples):
    return (samples * 32768).astype("<i2").tobytes()


@given(st.lists(st.integers(0, 700), max_size=12), st.sampled_from(["s16le", "f32le"]))
def test_frames_cut_inside_samples_give_the_same_audio(cuts, encoding):
    samples = sound(0.05)
    data = pcm16(samples) if encoding == "s16le" else samples.astype("<f4").tobytes()
    width = 2 if encoding == "s16le" else 4
    reader = FrameReader(encoding, 16_000, 1)
    edges = sorted({0, len(data), *(min(cut * 3, len(data)) for cut in cuts)})
    heard = []
    for start, end in itertools.pairwise(edges):
        audio = reader.read(pack_frame(reader.received, data[start:end]), LIMIT)
        heard += [] if audio is None else [audio.samples[0]]
        assert reader.received == end // width
    assert np.array_equal(np.concatenate(heard), samples)
    assert not reader.truncated


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(0, 300)), max_size=30))
def test_samples_that_come_again_are_heard_once(frames):
    samples = sound(0.05)
    reader = FrameReader("s16le", 16_000, 1)
    heard = [np.zeros(0, np.float32)]
    for start, size in [*frames, (0, 800)]:
        if start > reader.received:
            with pytest.raises(Fault, match="received"):
                reader.read(pack_frame(start, b"\0\0"), LIMIT)
            continue
        audio = reader.read(pack_frame(start, pcm16(samples[start : start + size])), LIMIT)
        heard += [] if audio is None else [audio.samples[0]]
    assert np.array_equal(np.concatenate(heard), samples)


def test_a_frame_that_comes_again_leaves_the_sample_that_is_not_whole():
    data = pcm16(sound(0.01))
    reader = FrameReader("s16le", 16_000, 1)
    frames = [(0, data[:40]), (20, data[40:41]), (0, data[:40]), (20, data[41:])]
    heard = [reader.read(pack_frame(offset, pcm), LIMIT) for offset, pcm in frames]
    samples = np.concatenate([audio.samples[0] for audio in heard if audio is not None])
    assert np.array_equal(samples, sound(0.01))


def test_stereo_is_kept_apart_until_it_is_mixed():
    both = np.stack([sound(0.01, 1), sound(0.01, 2)])
    reader = FrameReader("f32le", 48_000, 2)
    audio = reader.read(pack_frame(0, both.T.astype("<f4").tobytes()), LIMIT)
    assert np.array_equal(audio.samples, both)


@pytest.mark.parametrize(
    "form",
    [("s16le", 0, 1), ("s16le", 1, 1), ("s16le", -16000, 1), ("u8", 16000, 1), ("s16le", 16000, 3)],
)
def test_formats_not_on_the_list_are_refused(form):
    with pytest.raises(Fault) as caught:
        FrameReader(*form)
    assert caught.value.code == "audio_format_unsupported"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_numbers_that_are_no_sound_are_refused(value):
    data = np.array([0, value, 0], "<f4").tobytes()
    with pytest.raises(Fault) as caught:
        FrameReader("f32le", 16_000, 1).read(pack_frame(0, data), LIMIT)
    assert caught.value.code == "audio_invalid"


@given(st.binary(max_size=64))
def test_any_bytes_are_audio_or_a_fault(data):
    reader = FrameReader("f32le", 16_000, 1)
    try:
        reader.read(data, 8)
    except Fault as fault:
        legal = {"message_invalid", "audio_gap", "frame_too_long", "audio_invalid"}
        assert fault.code in legal  # noqa: PT017


@given(
    st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9), st.binary(max_size=50)), max_size=8),
    st.integers(1, 40),
)
def test_messages_between_the_processes_survive_any_cut(parts, size):
    messages = [Message(kind, number, {"k": number}, body) for kind, number, body in parts]
    data = b"".join(pack(message) for message in messages)
    unpacker = Unpacker()
    got = [
        message
        for start in range(0, len(data), size)
        for message in unpacker.push(data[start : start + size])
    ]
    assert got == messages


def test_a_message_that_cannot_be_is_an_error():
    with pytest.raises(WireError):
        list(Unpacker().push((MAX_HEAD_BYTES + 1).to_bytes(4, "little") + b"\0" * 8))
    with pytest.raises(WireError):
        list(Unpacker().push(b"\x02\0\0\0\0\0\0\0{]"))
