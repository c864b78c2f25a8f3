"""Forms of any shape, cut anywhere, and files that are bombs."""

import asyncio
import io
import resource
import struct

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.errors import AudioError
from earvoice.serve.dialects.decode import decoded
from earvoice.serve.dialects.multipart import FormError, read_form
from earvoice.serve.dialects.native import language_tag
from earvoice.serve.errors import Fault


def form_of(body, content_type, size=None, limit=10_000):
    async def chunks():
        step = size or len(body) or 1
        for at in range(0, len(body), step):
            yield body[at : at + step]

    return asyncio.run(read_form(content_type, chunks(), limit))


def encoded(fields, data):
    request = httpx.Request("POST", "http://x", data=fields, files={"file": ("a.wav", data)})
    return request.read(), request.headers["content-type"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.text(max_size=40), max_size=4),
    st.binary(max_size=300) | st.just(b"\r\n--\r\n--x\r\n" * 9),
    st.integers(1, 70),
)
def test_what_a_client_encodes_is_read_however_it_is_cut(fields, data, size):
    body, content_type = encoded(fields, data)
    form = form_of(body, content_type, size)
    assert {name: values[0] for name, values in form.fields.items()} == {
        name: text.encode("utf-8", "replace").decode() for name, text in fields.items()
    }
    form.file.seek(0)
    assert form.file.read() == data
    form.close()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_broken_form_is_a_typed_error(data):
    body, content_type = encoded({"model": "m"}, b"sound" * 20)
    broken = bytearray(body[: data.draw(st.integers(0, len(body) - 3))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(broken) - 1)), max_size=3)):
        broken[at : at + 1] = data.draw(st.binary(max_size=3))
    with pytest.raises(FormError):
        form_of(bytes(broken), content_type)


def test_names_may_stand_without_quotes():
    body = (
        b"--B\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n"
        b"--B\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\nRIFF\r\n--B--"
    )
    form = form_of(body, "multipart/form-data; boundary=B")
    assert form.text("model") == "m"
    assert form.file.seek(0) == 0
    assert form.file.read() == b"RIFF"
    form.close()


def test_limits_hold_while_reading():
    for fields, data in (({}, b"x" * 10_001), ({"a": "x" * 20_000}, b"")):
        with pytest.raises(FormError) as caught:
            form_of(*encoded(fields, data), 100)
        assert caught.value.too_large
    with pytest.raises(FormError, match="32"):
        form_of(*encoded({f"f{n}": "" for n in range(40)}, b""))
    with pytest.raises(FormError, match="boundary"):
        form_of(b"", "multipart/form-data")


@pytest.mark.parametrize(
    ("given", "tag"),
    [("de", "de"), ("deu_Latn", "de"), ("German", "de"), ("pt_BR", "pt-BR"), ("", None)],
)
def test_languages_as_others_write_them(given, tag):
    assert language_tag(given) == tag


@pytest.mark.parametrize("given", [3, [], "x" * 99])
def test_what_is_no_language(given):
    with pytest.raises(Fault):
        language_tag(given)


def pcm_of(tmp_path, data, max_s=60.0):
    file = tmp_path / "upload"
    file.write_bytes(data)

    async def run():
        with file.open("rb") as handle:
            return b"".join([piece async for piece in decoded(handle, max_s)])

    return asyncio.run(run())


def wav(samples, rate_hz, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **{"format": "WAV", **options})
    return file.getvalue()


def test_decoding_gives_the_samples(tmp_path):
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    got = np.frombuffer(pcm_of(tmp_path, wav(samples, 16_000, subtype="FLOAT")), "<f4")
    np.testing.assert_array_equal(got, samples)
    got = np.frombuffer(pcm_of(tmp_path, wav(samples, 48_000)), "<f4")
    assert abs(got.size - 16_000 / 3) < 2


def lying(rate_hz=16_000, channels=1, size=0xFFFFFFF0):
    """A WAV header that promises what is not there, over a second of silence."""
    block = 2 * channels
    bytes_per_s, block = (rate_hz * block) & 0xFFFFFFFF, block & 0xFFFF
    fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, bytes_per_s, block, 16)
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFF0) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
    return head + b"data" + struct.pack("<I", size) + bytes(32_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"\x1f\x8b" + bytes(500),
        b"PK\x03\x04" + bytes(500),
        lying(rate_hz=0xFFFFFFFF),
        lying(rate_hz=0),
        lying(channels=60_000),
        b"#EXTM3U\nfile:///etc/passwd\n",
    ],
)
def test_what_is_no_audio_is_refused(tmp_path, data):
    with pytest.raises(AudioError):
        pcm_of(tmp_path, data)


def test_bombs_stop_at_the_limit_and_cost_this_process_nothing(tmp_path):
    silence = wav(np.zeros(16_000 * 600, np.int16), 16_000, format="FLAC")
    assert len(silence) < 200_000  # ten minutes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AudioError, match="longer"):
        pcm_of(tmp_path, silence, max_s=30.0)
    assert len(pcm_of(tmp_path, lying())) == 4 * 16_000  # what is there, not what is promised
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
