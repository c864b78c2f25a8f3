"""The stock `openai` client, and the messages of simulstream and SimulEval, against a server."""

import asyncio
import base64
import contextlib
import io
import json
import urllib.error
import urllib.request

import numpy as np
import openai
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from earvoice.audio import Audio, Resampler
from earvoice.events import Commit
from tests.serve.running import expected, running, sound, text_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TOKEN = "a-token-of-twenty-letters"


@pytest.fixture(scope="module")
def server():
    with running(max_upload_bytes=2_000_000, limits={"max_session_s": 60}) as up:
        yield up


def client(server, **options):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, **options)


def wav(samples, rate_hz=16_000, form="WAV"):
    file = io.BytesIO()
    soundfile.write(
        file, samples, rate_hz, format=form, subtype="PCM_16" if form == "WAV" else None
    )
    file.seek(0)
    file.name = f"talk.{form.lower()}"
    return file


def no_sessions(server):
    for _ in range(100):
        if not server.sessions.live:
            return True
        asyncio.run(asyncio.sleep(0.02))
    return False


def test_a_file_is_translated_in_every_form(server):
    samples = sound(1.25)
    want = text_of(expected(samples))
    create = client(server).audio.translations.create
    answer = create(file=wav(samples), model="plain")
    assert answer.text == want
    assert create(file=wav(samples), model="plain", response_format="text").strip() == want
    assert create(file=wav(samples), model="plain", response_format="srt").startswith(
        "1\n00:00:00,"
    )
    assert create(file=wav(samples), model="plain", response_format="vtt").startswith("WEBVTT")
    long = create(file=wav(samples), model="plain", response_format="verbose_json")
    assert (long.text, long.language, long.duration) == (want, "de", 1.25)
    assert "".join(segment.text for segment in long.segments) == want
    assert no_sessions(server)


def test_another_language_and_format_of_file(server):
    samples = sound(0.5)
    answer = client(server).audio.translations.create(
        file=wav(samples, form="FLAC"), model="terms", extra_body={"tgt_lang": "Spanish"}
    )
    assert answer.text == text_of(expected(samples))


def test_a_transcript_whole_and_in_pieces(server):
    samples = sound(1.0)
    want = text_of(expected(samples))
    create = client(server).audio.transcriptions.create
    assert create(file=wav(samples), model="hears", language="en").text == want
    events = list(create(file=wav(samples), model="hears", stream=True))
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == want
    assert events[-1].text == want


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"model": "whisper-1"}, openai.NotFoundError, "model_not_found"),
        ({"model": "plain"}, openai.BadRequestError, "unsupported_model"),
        ({"model": "hears", "prompt": "names"}, openai.BadRequestError, "unsupported_value"),
        ({"model": "hears", "temperature": 0.7}, openai.BadRequestError, "unsupported_value"),
        ({"model": "hears", "language": "ja"}, openai.BadRequestError, "request_refused"),
        ({"model": "hears", "response_format": "x"}, openai.BadRequestError, "unsupported_value"),
        (
            {"model": "hears", "extra_body": {"beams": 9}},
            openai.BadRequestError,
            "unsupported_value",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_as_openai_does(server, options, error, code):
    with pytest.raises(error) as caught:
        client(server).audio.transcriptions.create(file=wav(sound(0.2)), **options)
    assert caught.value.code == code


def test_files_that_are_no_audio_or_too_much(server):
    create = client(server).audio.translations.create
    with pytest.raises(openai.BadRequestError) as caught:
        create(file=("talk.wav", b"not audio at all" * 100), model="plain")
    assert caught.value.code == "invalid_audio"
    with pytest.raises(openai.APIStatusError) as caught:
        create(file=("talk.wav", b"\0" * 2_100_000), model="plain")
    assert caught.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="longer"):
        create(file=wav(np.zeros(70 * 16_000), form="FLAC"), model="plain")
    assert no_sessions(server)


def test_the_key_is_the_server_s_token():
    with running(tokens=(TOKEN,)) as server:
        with pytest.raises(openai.AuthenticationError):
            client(server).audio.translations.create(file=wav(sound(0.1)), model="plain")
        good = openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0)
        assert good.audio.translations.create(file=wav(sound(0.3)), model="plain").text
        with good.realtime.translations.connect(model="plain") as connection:
            assert connection.recv().type == "session.created"


def pieces(samples, rate_hz=24_000, piece_s=0.2):
    pcm = (samples * 32768).astype("<i2").tobytes()
    size = round(rate_hz * piece_s) * 2
    return [base64.b64encode(pcm[at : at + size]).decode() for at in range(0, len(pcm), size)]


def at_24_khz(samples):
    return text_of(expected(samples, rate_hz=24_000))


def test_a_realtime_translation(server):
    samples = sound(1.3, rate_hz=24_000)
    with client(server).realtime.translations.connect(model="hears") as connection:
        created = connection.recv()
        assert (created.type, created.session.model) == ("session.created", "hears")
        connection.session.update(
            session={
                "audio": {"input": {"transcription": {"model": "x"}}, "output": {"language": "es"}}
            }
        )
        updated = connection.recv()
        assert updated.session.audio.output.language == "es"
        for piece in pieces(samples):
            connection.session.input_audio_buffer.append(audio=piece)
        connection.session.close()
        events = []
        while not events or events[-1].type != "session.closed":
            events.append(connection.recv())
    for side in ("input", "output"):
        deltas = [e for e in events if e.type == f"session.{side}_transcript.delta"]
        assert "".join(e.delta for e in deltas) == at_24_khz(samples)
        assert all(e.elapsed_ms % 200 == 0 for e in deltas)
    assert no_sessions(server)


def test_realtime_errors_name_the_event_and_leave_the_session(server):
    samples = sound(0.5, rate_hz=24_000)
    with client(server).realtime.translations.connect(model="plain") as connection:
        assert connection.recv().type == "session.created"
        for session in (
            {"audio": {"output": {"language": "ja"}}},
            {"audio": {"input": {"transcription": {"model": "x"}}}},
            {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
        ):
            connection.send({"type": "session.update", "event_id": "e1", "session": session})
            error = connection.recv()
            assert (error.type, error.error.event_id) == ("error", "e1")
        connection.send({"type": "response.create"})
        assert connection.recv().error.code == "invalid_event"
        for piece in pieces(samples):
            connection.session.input_audio_buffer.append(audio=piece)
        connection.send(
            {"type": "session.update", "session": {"audio": {"output": {"language": "es"}}}}
        )
        connection.session.close()
        events = []
        while not events or events[-1].type != "session.closed":
            events.append(connection.recv())
    assert [e.error.code for e in events if e.type == "error"] == ["cannot_update"]
    text = "".join(e.delta for e in events if e.type == "session.output_transcript.delta")
    assert text == at_24_khz(samples)


def test_a_realtime_transcription_of_two_items(server):
    first, second = (sound(0.7, seed=n, rate_hz=24_000) for n in range(2))
    query = {"intent": "transcription"}
    with client(server).realtime.connect(extra_query=query) as connection:
        assert connection.recv().session.type == "transcription"
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "hears", "language": "en"},
                        "turn_detection": None,
                    }
                },
            }
        )
        assert connection.recv().type == "session.updated"
        connection.input_audio_buffer.commit()
        assert connection.recv().error.code == "input_audio_buffer_commit_empty"
        said = []
        for samples in (first, second):
            for piece in pieces(samples):
                connection.input_audio_buffer.append(audio=piece)
            connection.input_audio_buffer.commit()
            events = []
            while not events or not events[-1].type.endswith("completed"):
                events.append(connection.recv())
            said.append(events)
    for samples, events in zip((first, second), said, strict=True):
        assert events[-1].transcript == at_24_khz(samples)
        assert "".join(e.delta for e in events if e.type.endswith("delta")) == at_24_khz(samples)
    assert said[0][-1].item_id != said[1][-1].item_id


def test_sessions_that_are_no_transcription_are_refused(server):
    for query in ({}, {"intent": "transcription", "model": "plain"}):
        with client(server).realtime.connect(extra_query=query) as connection:
            assert connection.recv().error.code == "request_refused"


def closed(line):
    """The close that comes after whatever is still said."""
    try:
        while True:
            line.recv(timeout=5)
    except ConnectionClosed as end:
        return end.rcvd


def socket(server, path):
    return server.closing.enter_context(connect(f"ws://127.0.0.1:{server.port}{path}"))


def test_the_simulstream_socket(server):
    samples = sound(2.1)
    line = socket(server, "/v1/simulstream")
    for _ in range(2):  # streams follow each other
        about = {"sample_rate": 16000, "source_lang": "en", "target_lang": "German"}
        line.send(json.dumps({**about, "metrics_metadata": {"wav_name": "talk.wav"}}))
        pcm = (samples * 32768).astype("<i2").tobytes()
        for at in range(0, len(pcm), 3201):  # also inside a sample
            line.send(pcm[at : at + 3201])
        line.send('{"end_of_stream": true}')
        shown = ""
        while True:
            message = json.loads(line.recv(timeout=10))
            if "end_of_processing" in message:
                break
            assert shown.endswith(message["deleted"])
            shown = shown[: len(shown) - len(message["deleted"])] + message["new"]
        assert shown == text_of(expected(samples))


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ('{"sample_rate": 0}', 1003, "audio_format_unsupported"),
        ('{"sample_rate": -8000}', 1003, "audio_format_unsupported"),
        ('{"sample_rate": "16000"}', 1003, "audio_format_unsupported"),
        ('{"target_lang": "xx"}', 4400, "request_refused"),
        ("no json", 4400, "message_invalid"),
    ],
)
def test_simulstream_clients_are_told_by_the_close(server, said, code, reason):
    line = socket(server, "/v1/simulstream")
    line.send(said)
    with contextlib.suppress(ConnectionClosed):  # the server may have gone by now
        line.send(b"\0\0")
    end = closed(line)
    assert (end.code, end.reason) == (code, reason)


def ask(server, method, path, body, text=False):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}/{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_simulstream_processor_answers_a_chunk_when_it_is_processed(server):
    samples = sound(2.5)
    name = {"session_id": "ab12"}
    status, size = ask(server, "GET", "speech_chunk_size", name)
    assert (status, size) == (200, {"speech_chunk_size": 0.96})
    assert ask(server, "PUT", "target_language", {**name, "language": "de"}) == (204, None)
    tokens = []
    for at in range(0, samples.size, 15_360):
        part = samples[at : at + 15_360].astype("<f4").tobytes()
        waveform = base64.b64encode(part).decode()
        status, output = ask(server, "POST", "process_chunk", {**name, "waveform": waveform})
        assert status == 200
        tokens += output["new_tokens"]
        done = min(at + 15_360, samples.size) // 1600 * 1600
        said = [e for e in expected(samples[:done]) if isinstance(e, Commit)]
        text = ask(server, "GET", "tokens_to_string", {**name, "tokens": tokens})[1]
        assert text["tokens_as_string"] == text_of(said)
    tokens += ask(server, "POST", "end_of_stream", name)[1]["new_tokens"]
    text = ask(server, "GET", "tokens_to_string", {**name, "tokens": tokens})[1]
    assert text["tokens_as_string"] == text_of(expected(samples))
    assert ask(server, "POST", "clear", name) == (204, None)
    assert no_sessions(server)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ({"session_id": "../x", "waveform": ""}, 400),
        ({"session_id": "a", "waveform": "!"}, 400),
        ({"session_id": "a", "waveform": "AAA="}, 400),
        ({"session_id": "a", "waveform": "AADAfw=="}, 400),
        (b"[" * 100_000, 400),
        (b" " * (5 << 20), 413),
    ],
)
def test_bad_requests_of_the_processor(server, body, status):
    assert ask(server, "POST", "process_chunk", body)[0] == status


def segment(samples, finished=False):
    return {
        "index": 0,
        "content": samples.tolist(),
        "finished": finished,
        "is_empty": not samples.size,
        "data_type": "speech",
        "tgt_lang": "de",
        "config": {},
        "sample_rate": 16000,
    }


def test_a_remote_agent_of_simuleval(server):
    samples = sound(1.9)
    for _ in range(2):
        assert ask(server, "POST", "reset", b"")[0] == 200
        text = ""
        for at in range(0, samples.size, 8000):
            part = samples[at : at + 8000]
            last = at + 8000 >= samples.size
            assert ask(server, "PUT", "input", segment(part, last))[0] == 200
            answer = ask(server, "GET", "output", b"")[1]
            text += answer["content"]
            assert answer["finished"] == last
            done = samples.size if last else at + part.size
            assert text == text_of(e for e in expected(samples[:done]) if isinstance(e, Commit))
    assert ask(server, "GET", "output", b"")[1]["content"] == ""
    bad = {**segment(samples), "content": ["x"]}
    assert ask(server, "PUT", "input", bad)[0] == 400


def test_a_quiet_client_loses_its_row():
    limits = {"resume_window_s": 0.5, "idle_s": 0.5}
    with running(limits=limits, max_sessions=4) as server:
        ask(server, "PUT", "input", segment(sound(0.2)))
        line = socket(server, "/v1/simulstream")
        line.send(b"\0" * 6400)
        assert closed(line).code == 4408
        for _ in range(40):
            if not server.sessions.live:
                break
            asyncio.run(asyncio.sleep(0.1))
        assert not server.sessions.live


def test_the_resampler_is_the_session_s(server):
    samples = sound(0.8, rate_hz=24_000)
    resampler = Resampler()
    whole = np.concatenate([resampler.push(Audio.of(samples, 24_000)), resampler.flush()])
    assert text_of(expected(whole)) == at_24_khz(samples)
