import json
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.manifest import (
    SpokenSentence,
    Talk,
    Target,
    TimedPhone,
    TimedWord,
    cut_from_talk,
    cut_line,
    load_talks,
    talk_from_cut,
    write_manifest,
)
from earvoice.errors import AudioError, UsageError

SENTENCE = SpokenSentence(
    start_s=0.25,
    end_s=1.0,
    words=(TimedWord("Good", 0.25, 0.5), TimedWord("morning.", 0.5, 1.0)),
    phones=(TimedPhone("g", 0.25, 0.4), TimedPhone("pau", 0.4, 1.0)),
    text="Good morning.",
    targets={"de": Target("Guten Morgen.", (0, 1)), "es": Target("Buenos días.", (1, 1))},
    topic="travel",
)


def talk_in(folder, **changes):
    values = {
        "id": "t-0",
        "path": folder / "audio" / "t.wav",
        "sample_rate": 16000,
        "samples": 16000,
        "voice": "en+m1",
        "engine": "espeak",
        "sentences": (SENTENCE,),
        "condition": {"noise": "pink", "snr_db": 10.0},
    }
    return Talk(**values | changes)


def write_ramp(path, samples=32000, channels=1, rate=16000, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(np.arange(samples, dtype="<i2").tobytes())


def test_a_talk_survives_the_file(tmp_path):
    talk = talk_in(tmp_path)
    write_manifest(tmp_path, [cut_from_talk(talk, "audio/t.wav")])
    assert list(load_talks(tmp_path)) == [talk]
    assert list(load_talks(tmp_path / "cuts.jsonl")) == [talk]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            st.floats(0, 500),
            st.floats(0, 2),
        ),
        max_size=5,
    )
)
def test_word_times_survive_to_a_tenth_of_a_millisecond(tmp_path_factory, items):
    folder = tmp_path_factory.getbasetemp()
    words = tuple(TimedWord(text, start, start + length) for text, start, length in items)
    sentence = SpokenSentence(0.0, 1.0, words, (), "x", {})
    line = cut_line(cut_from_talk(talk_in(folder, sentences=(sentence,)), "audio/t.wav"))
    assert "\n" not in line
    back = talk_from_cut(json.loads(line), folder).sentences[0].words
    assert [word.text for word in back] == [word.text for word in words]
    for ours, theirs in zip(words, back, strict=True):
        assert theirs.start_s == pytest.approx(ours.start_s, abs=6e-5)
        assert theirs.end_s == pytest.approx(ours.end_s, abs=6e-5)


def test_samples_of_a_span_start_where_the_span_starts(tmp_path):
    write_ramp(tmp_path / "audio/t.wav")
    talk = talk_in(tmp_path, first_sample=100, samples=1000)
    assert (talk.read_samples() * 32768).tolist() == list(range(100, 1100))
    assert (talk.read_samples(10, 3) * 32768).tolist() == [110, 111, 112]
    assert len(talk.read_samples(990, 50)) == 10
    assert len(talk.read_samples(2000, 50)) == 0
    assert talk.read_samples().dtype == np.float32


def test_audio_that_is_too_short_or_missing_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"t\.wav"):
        talk_in(tmp_path).read_samples()
    write_ramp(tmp_path / "audio/t.wav", samples=10)
    with pytest.raises(AudioError, match="64 bytes"):
        talk_in(tmp_path).read_samples()
    with pytest.raises(AudioError, match="has no audio"):
        talk_in(tmp_path, path=None).read_samples()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("{}", "line 2: the field 'recording' is missing"),
        ("[1]", "line 2 is not a talk"),
        ('{"id":"x","recording":{"sampling_rate":"fast"},"supervisions":[]}', "line 2 is not a"),
        (
            '{"id":"x","start":0,"duration":Infinity,"recording":{"sampling_rate":16000,'
            '"sources":[{"source":"a.wav"}]},"supervisions":[]}',
            "line 2 is not a talk",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    write_manifest(tmp_path, [cut_from_talk(talk_in(tmp_path), "audio/t.wav")])
    path = tmp_path / "cuts.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UsageError, match=message):
        list(load_talks(tmp_path))


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no corpus manifest at .*cuts\.jsonl"):
        list(load_talks(tmp_path))


def test_lhotse_reads_what_we_write(tmp_path):
    lhotse = pytest.importorskip("lhotse", reason="the extra `corpus` is not installed")
    write_ramp(tmp_path / "audio/t.wav")
    span = talk_in(tmp_path, id="span", first_sample=4000, samples=16000)
    cuts = [cut_from_talk(talk, "audio/t.wav") for talk in (talk_in(tmp_path, samples=32000), span)]
    write_manifest(tmp_path, cuts)
    loaded = lhotse.CutSet.from_file(tmp_path / "cuts.jsonl").with_recording_path_prefix(tmp_path)
    whole, part = loaded
    assert whole.duration == 2.0
    assert whole.load_audio().shape == (1, 32000)
    assert np.allclose(part.load_audio()[0], span.read_samples())
    segment = part.supervisions[0]
    assert (segment.text, segment.language, segment.speaker) == ("Good morning.", "en", "en+m1")
    assert [(i.symbol, i.start, i.duration) for i in segment.alignment["word"]] == [
        ("Good", 0.25, 0.25),
        ("morning.", 0.5, 0.5),
    ]
    assert segment.custom["targets"]["es"] == {"text": "Buenos días.", "needs": [1, 1]}
    assert part.custom["condition"] == {"noise": "pink", "snr_db": 10.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": 2}, "is 16000 Hz with 2 channels; the manifest says 16000 Hz and 1"),
        ({"rate": 44100}, "is 44100 Hz with 1 channels; the manifest says 16000 Hz"),
        ({"width": 1}, "is no WAV with 16-bit samples"),
    ],
)
def test_sound_of_another_form_is_not_taken_for_what_the_manifest_says(tmp_path, changes, words):
    talk = talk_in(tmp_path)
    write_ramp(talk.path, 64000, **changes)
    with pytest.raises(AudioError, match=words):
        talk.read_samples()
    write_ramp(talk.path)  # mended: it is looked at again
    assert len(talk.read_samples()) == talk.samples


def test_a_sentence_behind_the_end_of_its_cut_is_named(tmp_path):
    cut = cut_from_talk(talk_in(tmp_path), "audio/t.wav")
    cut["supervisions"][0]["start"] = 50.0
    write_manifest(tmp_path, [cut])
    with pytest.raises(UsageError, match=r"line 1 .*a sentence starts at 50\.0 s, the cut is 1"):
        list(load_talks(tmp_path))
