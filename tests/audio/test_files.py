import io
import logging
import os
import shutil
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.audio import Audio, read, stream_file, stream_pipe, write_wav
from earvoice.errors import AudioError


def tone(n_samples, channels=1, rate_hz=16000):
    time_s = np.arange(n_samples) / rate_hz
    wave = 0.4 * np.sin(2 * np.pi * 300 * time_s)
    return Audio(np.tile(wave.astype(np.float32), (channels, 1)), rate_hz)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "tone.wav"
    write_wav(path, tone(16000))
    return path


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_formats(tmp_path, kind, rate_hz):
    path = tmp_path / "no-telling-name"
    audio = tone(rate_hz, 2, rate_hz)
    soundfile.write(path, audio.samples.T, rate_hz, format=kind.upper())
    back = read(path)
    assert (back.rate_hz, back.channels) == (rate_hz, 2)
    assert abs(back.duration_s - 1) < 0.15  # MP3 pads
    if kind in ("wav", "flac"):
        assert np.abs(back.samples - audio.samples).max() < 2 / 32768


@settings(max_examples=20)
@given(st.floats(0.001, 3.0))
def test_packets_join_to_the_file(tmp_path_factory, packet_s):
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    write_wav(path, tone(7777))
    packets = list(stream_file(path, packet_s))
    assert np.array_equal(np.concatenate([p.samples for p in packets], 1), read(path).samples)
    assert all(p.n_samples == round(packet_s * 16000) for p in packets[:-1])


@pytest.mark.parametrize(("kind", "subtype"), [("OGG", "OPUS"), ("OGG", "VORBIS"), ("FLAC", None)])
def test_packets_of_a_compressed_file_join_to_the_file(tmp_path, kind, subtype):
    path = tmp_path / "a"
    for frames in (777, 40000):
        soundfile.write(path, tone(frames, 2).samples.T, 16000, subtype=subtype, format=kind)
        whole = read(path).samples
        for packet_s in (10 / frames, 0.01, 0.1):
            joined = np.concatenate([one.samples for one in stream_file(path, packet_s)], 1)
            assert np.array_equal(joined, whole)


def test_a_long_file_is_never_in_memory(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 16000, 1, format="WAV") as file:
        for _ in range(30 * 60):
            file.write(np.zeros(16000, np.float32))
    tracemalloc.start()
    seconds = sum(packet.duration_s for packet in stream_file(path, 0.5))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert round(seconds) == 1800
    assert peak < 2 << 20


def test_a_cut_wav_is_played_to_its_end_with_a_warning(wav, caplog):
    wav.write_bytes(wav.read_bytes()[: 44 + 2 * 4000 + 1])
    with caplog.at_level(logging.WARNING, "earvoice.audio"):
        assert read(wav).n_samples == 4000
    assert "ends early: 0.25 s of the 1.00 s" in caplog.text


def test_a_cut_flac_is_played_to_its_end_with_a_warning(tmp_path, caplog):
    path = tmp_path / "a.flac"
    generator = np.random.default_rng(0)
    soundfile.write(path, generator.uniform(-0.5, 0.5, 160000), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING, "earvoice.audio"):
        duration_s = read(path).duration_s
    assert 4 < duration_s < 6
    assert "a.flac" in caplog.text


def test_a_whole_file_gives_no_warning(wav, caplog):
    read(wav)
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"Dear sir, this is text.\n" * 50, "is not"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is not"),
        (b"\x00" * 4000, "is not"),
    ],
)
def test_what_is_no_audio(tmp_path, content, message):
    path = tmp_path / "talk.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message):
        stream_file(path)


def test_missing_and_folder(tmp_path):
    with pytest.raises(AudioError, match="no such audio file"):
        read(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="is a folder"):
        read(tmp_path)


def test_a_pipe_that_has_a_name(tmp_path, capfd):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioError, match="is a pipe or a device.*standard input"):
        stream_file(tmp_path / "pipe")
    assert capfd.readouterr().err == ""


def test_a_wav_without_samples(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((0, 1), np.float32), 16000)
    with pytest.raises(AudioError, match="holds no audio"):
        read(path)


def test_bad_samples_in_a_file_are_named_by_time(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.zeros(32000, np.float32)
    samples[24000] = np.nan
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav.*1\.5000 s is nan"):
        list(stream_file(path, 0.1))


def test_a_lying_sample_rate_is_refused(wav):
    data = bytearray(wav.read_bytes())
    data[24:28] = struct.pack("<I", 4_000_000_000)
    wav.write_bytes(bytes(data))
    with pytest.raises(AudioError, match=r"sample rate|is not"):
        read(wav)


def test_foreign_formats_name_ffmpeg(tmp_path, monkeypatch):
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A " + b"\x00" * 100)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AudioError, match="ffmpeg"):
        read(path)


def test_ffmpeg_is_read_as_a_pipe(tmp_path, monkeypatch):
    """A stand-in program: what is tested is our side of the pipe and its error path."""
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nhead -c 4802 /dev/zero\n")
    program.chmod(0o755)
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    packets = list(stream_file(path, 0.05))
    assert [packet.n_samples for packet in packets] == [800, 400]
    program.write_text("#!/bin/sh\necho 'no such codec' >&2\nexit 1\n")
    with pytest.raises(AudioError, match="no such codec"):
        stream_file(path)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_piped_wav(tmp_path, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(5000, 2, 22050).samples.T, 22050, subtype=subtype)
    packets = list(stream_pipe(io.BytesIO(path.read_bytes()), 0.03))
    joined = np.concatenate([packet.samples for packet in packets], 1)
    assert packets[0].rate_hz == 22050
    assert np.abs(joined - read(path).samples).max() < 1e-6


def test_piped_wav_lasts_until_the_pipe_ends(wav):
    data = bytearray(wav.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    packets = list(stream_pipe(io.BytesIO(bytes(data))))
    assert sum(packet.n_samples for packet in packets) == 16000


class Dribble(io.BytesIO):
    """A pipe that gives at most three bytes a call."""

    def read(self, size=-1):
        return super().read(min(size, 3))

    read1 = read


def test_raw_pcm_from_a_slow_pipe():
    values = np.arange(-200, 200, dtype="<i2")
    packets = list(stream_pipe(Dribble(values.tobytes() + b"\x01"), 0.01))
    joined = np.concatenate([packet.samples for packet in packets], 1)[0]
    assert (joined * 32768).astype(int).tolist() == values.tolist()


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_in_a_pipe_give_audio_or_an_audio_error(data):
    for prefix in (b"", b"RIFF....WAVEfmt \x10\x00\x00\x00"):
        try:
            for packet in stream_pipe(io.BytesIO(prefix + data)):
                assert packet.n_samples
        except AudioError:
            pass


def test_empty_pipe():
    with pytest.raises(AudioError, match="empty"):
        list(stream_pipe(io.BytesIO()))


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def test_what_stands_behind_the_audio_of_a_piped_wav_is_not_played(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(5001, 1, 16000).samples.T, 16000, subtype="PCM_24")
    data = path.read_bytes()
    for more in (chunk(b"LIST", b"INFOISFT" + bytes(200)), chunk(b"id3 ", b"x" * 77)):
        packets = list(stream_pipe(io.BytesIO(data + more)))
        assert sum(packet.n_samples for packet in packets) == 5001


def test_the_padding_of_an_odd_piped_wav_is_not_played(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(5001, 1, 16000).samples.T, 16000, subtype="PCM_U8")
    data = path.read_bytes()
    data += b"\0" * (len(data) % 2)
    packets = list(stream_pipe(io.BytesIO(data)))
    joined = np.concatenate([packet.samples for packet in packets], 1)
    assert np.array_equal(joined, read(path).samples)


def test_a_size_in_a_piped_header_may_be_a_guess(wav):
    data = wav.read_bytes()
    for size in (0, 1000, 1 << 31, 0xFFFFFFFF):
        guessed = data[:40] + struct.pack("<I", size) + data[44:]
        packets = list(stream_pipe(io.BytesIO(guessed)))
        joined = np.concatenate([packet.samples for packet in packets], 1)
        assert np.array_equal(joined, read(wav).samples)


@pytest.mark.parametrize(
    "start",
    [b"RF64\xff\xff\xff\xffWAVE", b"riff....", b"FORM\0\0\0\0AIFF", b".snd\0\0\0\x18", b"caff\0\1",
     b"\xff\xfb\x90\x64", b"\0\0\0\x20ftypM4A ", b"\x1aE\xdf\xa3\x01", b"#!/bin/sh\necho"],
)  # fmt: skip
def test_other_kinds_are_not_taken_for_raw_audio(start):
    with pytest.raises(AudioError, match="a pipe must carry WAV or raw"):
        stream_pipe(io.BytesIO(start + bytes(5000)))


def test_the_place_of_a_bad_value_is_one_of_the_stream(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.zeros(48000, np.float64)
    samples[40000] = 1e300
    soundfile.write(path, samples, 16000, subtype="DOUBLE")
    with pytest.raises(AudioError, match=r"the sample at 2\.5000 s is inf"):
        list(stream_pipe(io.BytesIO(path.read_bytes())))


def test_a_file_that_changes_before_it_is_read_is_an_audio_error(wav):
    packets = stream_file(wav)
    wav.write_bytes(b"no longer a sound")
    with pytest.raises(AudioError, match="is no longer what it was"):
        next(packets)


def streamed_wav(path, riff_bytes, data_bytes, n_samples=16000):
    """A WAV file whose writer could not know, or seek back to tell, how long it is."""
    pcm = np.arange(n_samples, dtype="<i2").tobytes()
    head = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVEfmt " + head + b"data"
        + struct.pack("<I", data_bytes) + pcm
    )  # fmt: skip
    return path


@pytest.mark.parametrize("data_bytes", [0, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("riff_bytes", [0, 36, 0xFFFFFFFF])
def test_a_wav_that_was_streamed_into_a_file_is_whole(tmp_path, caplog, riff_bytes, data_bytes):
    path = streamed_wav(tmp_path / "a.wav", riff_bytes, data_bytes)
    assert np.array_equal(read(path).samples[0] * 32768, np.arange(16000))
    assert not caplog.records


def test_a_wav_without_audio_says_so(tmp_path):
    with pytest.raises(AudioError, match=r"a\.wav holds no audio"):
        read(streamed_wav(tmp_path / "a.wav", 36, 0, n_samples=0))


def test_a_flac_that_was_streamed_into_a_file_is_whole(tmp_path, caplog):
    path, n_samples = tmp_path / "a.flac", 16000 + 77
    audio = tone(n_samples)
    soundfile.write(path, audio.samples.T, 16000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # 36 bits of the stream's length
    data[22:26] = b"\0\0\0\0"
    path.write_bytes(data)
    for packet_s in (0.1, 10.0):
        back = np.concatenate([one.samples for one in stream_file(path, packet_s)], 1)
        assert back.shape == (1, n_samples)
        assert np.abs(back - audio.samples).max() < 2 / 32768
    assert not caplog.records


@given(st.integers(-32768, 32767))
def test_raw_audio_may_begin_with_any_value(value):
    pcm = np.full(1600, value, "<i2")
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in pcm[:6].tobytes()):
        return  # six loud samples of one sign, which read as text
    packets = list(stream_pipe(io.BytesIO(pcm.tobytes())))
    assert sum(packet.n_samples for packet in packets) == 1600
