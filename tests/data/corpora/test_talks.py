"""The corpora of whole talks with their times elsewhere: ACL 60/60 and MCIF; and RealSI."""

import gzip
import json

import pytest
import soundfile

from earvoice.data.corpora.readers import READERS
from earvoice.data.corpora.result import Tally
from earvoice.data.corpora.takes import Wanted
from earvoice.data.corpora.write import write_corpus
from earvoice.errors import DataError, UsageError
from earvoice.eval.terms import Term, read_glossary
from tests.data.corpora.importing import imported, texts
from tests.data.corpora.miniatures import (
    SENTENCES,
    TALK,
    acl6060,
    acl_xml,
    mcif,
    mcif_xml,
    realsi,
    realsi_segment,
    segmentation,
    write_audio,
    write_text,
)

GERMAN = [target for _, target in SENTENCES]


def acl_texts(folder, language, segs):
    name = f"ACL.6060.dev.en-xx.{language}.xml"
    write_text(folder / "text" / "xml" / name, acl_xml(language, {TALK: segs}))


def test_acl_times_are_found_in_the_sound(tmp_path):
    acl6060(tmp_path / "a")
    [talk], result = imported("acl6060", tmp_path / "a", form="long")
    assert talk.id == TALK
    # Neighbours overlap by 0.3 s, as in the published recordings.
    assert [(s.start_s, s.end_s) for s in talk.sentences] == [
        (pytest.approx(start), pytest.approx(start + 1.0)) for start in (0.5, 1.2, 1.9)
    ]
    assert texts([talk]) == GERMAN
    assert result.lines() == []


def test_acl_sentences_are_told_by_id_and_not_by_place(tmp_path):
    folder = acl6060(tmp_path / "a")
    acl_texts(folder, "de", {str(n): GERMAN[n - 1] for n in (3, 1, 2)})
    [talk], _ = imported("acl6060", tmp_path / "a", form="long")
    assert texts([talk]) == GERMAN
    assert [s.text for s in talk.sentences] == [source for source, _ in SENTENCES]


def test_acl_sentence_that_is_not_in_the_talk_is_counted(tmp_path):
    folder = acl6060(tmp_path / "a")
    gold = folder / "segmented_wavs" / "gold"
    write_audio(gold / "sent_2.wav", 1.0, seed=5)
    (gold / "sent_3.wav").unlink()
    [talk], result = imported("acl6060", tmp_path / "a", form="long")
    assert texts([talk]) == GERMAN[:1]
    assert list(result.skipped.places) == [
        "sentence not in talk",
        "missing or unlike sentence audio",
    ]


@pytest.mark.parametrize("given", [True, False])
def test_acl_times_of_a_segmentation(tmp_path, given):
    folder = acl6060(tmp_path / "a")
    path = tmp_path / "times.yaml" if given else folder / "dev.yaml"
    segmentation(path, f"{TALK}.wav")
    [talk], _ = imported("acl6060", tmp_path / "a", form="long", segments=path if given else None)
    assert [s.start_s for s in talk.sentences] == [0.05, 1.05, 2.05]
    assert texts([talk]) == GERMAN


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (4, r"times\.yaml line 4 has no partner: .* has 4 segments of 2022\.acl-long\.110, .* 3"),
        (2, r"en-xx\.de\.xml line 7 has no partner: .* has 2 segments"),
    ],
)
def test_acl_segmentation_of_another_length_is_named(tmp_path, count, message):
    acl6060(tmp_path / "a")
    path = segmentation(tmp_path / "times.yaml", f"{TALK}.wav", count)
    with pytest.raises(DataError, match=message):
        imported("acl6060", tmp_path / "a", form="long", segments=path)


def test_acl_without_times_says_where_they_come_from(tmp_path):
    acl6060(tmp_path / "a", gold=False)
    with pytest.raises(UsageError, match="no times: name a segmentation with --segments"):
        imported("acl6060", tmp_path / "a")


def test_acl_languages_must_have_the_same_segs(tmp_path):
    folder = acl6060(tmp_path / "a")
    acl_texts(folder, "de", {"1": "Eins", "2": "Zwei", "4": "Vier"})
    with pytest.raises(DataError, match=r"de\.xml line 7: the seg '4' .* not in the other"):
        imported("acl6060", tmp_path / "a")
    acl_texts(folder, "de", {"1": "Eins", "2": "Zwei"})
    with pytest.raises(DataError, match=r"en\.xml line 7: the seg '3' .* not in the other"):
        imported("acl6060", tmp_path / "a")


def test_acl_ids_twice_are_named(tmp_path):
    folder = acl6060(tmp_path / "a")
    path = folder / "text" / "xml" / "ACL.6060.dev.en-xx.de.xml"
    text = path.read_text(encoding="utf-8")
    write_text(path, text.replace('<seg id="2">', '<seg id="1">'))
    with pytest.raises(DataError, match=r"line 6: the seg '1' of .* is there twice"):
        imported("acl6060", tmp_path / "a")
    talk = text[text.index("<doc") : text.index("</doc>") + 7]
    write_text(path, text.replace("</doc>", "</doc>\n" + talk))
    with pytest.raises(DataError, match=r"line 9: the talk .* is there twice"):
        imported("acl6060", tmp_path / "a")


def test_acl_missing_talk_and_empty_seg_are_counted(tmp_path):
    folder = acl6060(tmp_path / "a")
    acl_texts(folder, "de", {"1": "Eins", "2": "", "3": "Drei"})
    talks, result = imported("acl6060", tmp_path / "a")
    assert texts(talks) == ["Eins", "Drei"]
    assert result.skipped.told("skipped").endswith("de.xml line 6)")
    (folder / "full_wavs" / f"{TALK}.wav").unlink()
    with pytest.raises(DataError, match="3 missing audio"):
        imported("acl6060", folder)


def test_acl_docid_out_of_the_folder_is_refused(tmp_path):
    folder = acl6060(tmp_path / "a")
    for language in ("en", "de"):
        name = f"ACL.6060.dev.en-xx.{language}.xml"
        write_text(folder / "text" / "xml" / name, acl_xml(language, {"../../x": {"1": "Eins"}}))
    with pytest.raises(DataError, match=r"'\.\./\.\./x\.wav' is not a name"):
        imported("acl6060", tmp_path / "a")


@pytest.mark.parametrize(
    ("reference", "transcript"),
    [
        ("A.\nB.\nC.", "a\nb\nc"),
        ("A.\n\nB.\n\nC.\n", "a\n\nb\n\nc"),
        ("A.\n\nB.\n\nC.", "\na\nb\nc\n"),
        ("A.\r\nB.\r\nC.", "a\nb\nc"),
        ("A.\n \nB.\nB2.\n\nC.", "a\n\nb\n\nc1\nc2"),
    ],
)
def test_mcif_lines_with_and_without_blank_ones(tmp_path, reference, transcript):
    mcif(tmp_path / "m", reference, transcript)
    [talk], _ = imported("mcif", tmp_path / "m", form="long")
    assert [text[0] for text in texts([talk])] == ["A", "B", "C"]
    assert [s.text[0] for s in talk.sentences] == ["a", "b", "c"]
    assert [s.start_s for s in talk.sentences] == [0.05, 1.05, 2.05]


def test_mcif_empty_translation_does_not_shift_the_others(tmp_path):
    mcif(tmp_path / "m", "A.\n\nC.", "a\nb\nc")
    [talk], result = imported("mcif", tmp_path / "m", form="long")
    assert texts([talk]) == ["A.", "C."]
    assert [(s.text, s.start_s) for s in talk.sentences] == [("a", 0.05), ("c", 2.05)]
    assert result.skipped.told("skipped").endswith("ref.xml line 8)")


@pytest.mark.parametrize(("reference", "transcript"), [("A.\nB.", "a\nb"), ("A.\nB.\nC.", "a\nb")])
def test_mcif_counts_that_differ_are_named(tmp_path, reference, transcript):
    mcif(tmp_path / "m", reference, transcript)
    with pytest.raises(
        DataError, match=r"ref\.xml line 7: the reference of OiqEWDVtWk has \d lines"
    ):
        imported("mcif", tmp_path / "m", form="long")


def test_mcif_packed_and_ids_with_commas(tmp_path):
    root = mcif(tmp_path / "m")
    path = root / "MCIF1.0.long.de.ref.xml"
    text = mcif_xml("A.\nB.\nC.", "a\nb\nc", ident="4,5,6")
    path.unlink()
    (root / "MCIF1.0.long.de.ref.xml.gz").write_bytes(gzip.compress(text.encode()))
    assert len(imported("mcif", root)[0]) == 3


def test_mcif_short_track_is_refused_with_the_reason(tmp_path):
    root = mcif(tmp_path / "m")
    text = mcif_xml("A.\nB.\nC.", "a\nb\nc", audio="OiqEWDVtWk.wav,csJIsDTYMW.wav")
    write_text(root / "MCIF1.0.long.de.ref.xml", text)
    with pytest.raises(DataError, match=r"line 6: 2 recordings share one reference"):
        imported("mcif", root)
    write_text(root / "MCIF1.0.long.de.ref.xml", mcif_xml("A.", "a", track="short"))
    with pytest.raises(DataError, match="no task 'long de'; there are short de"):
        imported("mcif", root)


def test_mcif_versions_and_segmentations_are_not_guessed(tmp_path):
    root = mcif(tmp_path / "m")
    segmentation(root / "other.yaml", "x.wav")
    with pytest.raises(UsageError, match=r"several YAML files: mcif\.yaml, other\.yaml"):
        imported("mcif", root)
    (root / "MCIF0.2.long.de.ref.xml").touch()
    with pytest.raises(UsageError, match="has several references: MCIF0.2"):
        imported("mcif", root)


def test_mcif_without_times_or_audio_says_so(tmp_path):
    root = mcif(tmp_path / "m")
    (root / "MCIF_DATA" / "LONG_AUDIOS").rename(tmp_path / "away")
    with pytest.raises(UsageError, match="no folder MCIF_DATA/LONG_AUDIO"):
        imported("mcif", root)
    (root / "mcif.yaml").unlink()
    with pytest.raises(UsageError, match="MCIF has no times"):
        imported("mcif", root)


TERMS = (("load balancing", "负载均衡"),)


@pytest.mark.parametrize("ending", [".mp3", ".wav", ".flac"])
def test_realsi_with_its_terms(tmp_path, ending):
    segments = [realsi_segment(0, 1000), realsi_segment(1200, 2500, terms=TERMS)]
    realsi(tmp_path / "r", segments, ending=ending)
    [talk], result = imported("realsi", tmp_path / "r", tgt="zh", form="long")
    assert talk.id == "en2zh-01-tech"
    assert [(s.start_s, s.end_s) for s in talk.sentences] == [(0.0, 1.0), (1.2, 2.5)]
    assert texts([talk], "zh") == ["负载均衡。"] * 2
    assert result.terms == 1
    [term] = read_glossary(tmp_path / "r-out" / "terms.jsonl")
    assert term == Term("load balancing", "负载均衡", "en2zh-01-tech", 2)


def test_a_recording_of_the_corpus_is_not_written_over(tmp_path):
    folder = realsi(tmp_path / "r", [realsi_segment(0, 1000)], ending=".wav")
    (sound,) = folder.glob("audio/*.wav")
    before = sound.read_bytes()
    wanted, skipped = Wanted("en", "zh", "dev", "long", None), Tally()
    takes = READERS["realsi"](tmp_path / "r", wanted, skipped)
    with pytest.raises(UsageError, match="another --out"):
        write_corpus(takes, wanted, folder / "cuts.jsonl", "realsi", skipped)
    assert sound.read_bytes() == before


def test_realsi_terms_follow_a_segment_that_is_left_out(tmp_path):
    segments = [realsi_segment(0, 1000, trg=" "), realsi_segment(1200, 2500, terms=TERMS)]
    realsi(tmp_path / "r", segments)
    _, result = imported("realsi", tmp_path / "r", tgt="zh", form="long")
    assert list(result.skipped.places) == ["empty translation"]
    line = (tmp_path / "r-out" / "terms.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["segment"] == 1


def test_realsi_short_form_names_each_cuts_terms(tmp_path):
    realsi(tmp_path / "r", [realsi_segment(0, 1000), realsi_segment(1200, 2500, terms=TERMS)])
    talks, _ = imported("realsi", tmp_path / "r", tgt="zh")
    line = (tmp_path / "r-out" / "terms.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["recording"] == f"{talks[1].id}.wav" == "en2zh-01-tech-0001.wav"


def test_realsi_last_segment_ends_with_the_audio(tmp_path):
    realsi(tmp_path / "r", [realsi_segment(0, 1000), realsi_segment(2000, 5160)], ending=".wav")
    [talk], result = imported("realsi", tmp_path / "r", tgt="zh", form="long")
    assert talk.sentences[-1].end_s == pytest.approx(talk.duration_s, abs=1e-6)
    assert list(result.trimmed.places) == ["segment ending after the audio"]


def test_realsi_texts_of_utterances_where_segments_have_none(tmp_path):
    segment = realsi_segment(0, 1000)
    del segment["src_text"], segment["trg_text"]
    realsi(tmp_path / "r", [segment])
    [talk], _ = imported("realsi", tmp_path / "r", tgt="zh", form="long")
    assert texts([talk], "zh") == ["负载均衡。"]


def test_realsi_without_audio_is_counted(tmp_path):
    realsi(tmp_path / "r", [realsi_segment(0, 1000)])
    realsi(tmp_path / "r", [realsi_segment(0, 1000)] * 2, vid="en2zh-02-health", ending="")
    talks, result = imported("realsi", tmp_path / "r", tgt="zh", form="long")
    assert [talk.id for talk in talks] == ["en2zh-01-tech"]
    assert result.skipped.told("skipped").startswith("skipped 2: 2 missing audio (")
    assert "en2zh-02-health.json segment 2" in result.skipped.told("skipped")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_time": "0"}, r"json segment 2: start_time is '0'"),
        ({"end_time": -5}, r"json segment 2: end_time is -5"),
        ({"start_time": 3000}, r"json segment 2: end_time is before start_time"),
        ({"trg_text": None}, r"json segment 2: trg_text is None"),
        ({"utterance": 1}, r"json segment 2: utterance must be a list"),
        ({"utterance": [{"term": [1]}]}, r"json segment 2: term: must be an object"),
        ({"utterance": [{"term": [{"src": "a"}]}]}, r"json segment 2: trg is None"),
    ],
)
def test_realsi_faults_are_named(tmp_path, change, message):
    realsi(tmp_path / "r", [realsi_segment(0, 900), realsi_segment(1000, 2000) | change])
    with pytest.raises(DataError, match=message):
        imported("realsi", tmp_path / "r", tgt="zh")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"vid": "a",\n', r"a\.json line 2: not JSON"),
        ("[]", r"a\.json: must be an object"),
        ('{"vid": "a", "segment": []}', r"a\.json: segment must be a list"),
        ('{"vid": "../a", "segment": [{"start_time": 0, "end_time": 1, "src_text": "", '
         '"trg_text": "x"}]}', r"'\.\./a\.wav' is not a name"),
        ("[" * 100000, r"a\.json: not JSON"),
    ],
)  # fmt: skip
def test_realsi_files_that_are_none_are_named(tmp_path, text, message):
    write_text(tmp_path / "r" / "en2zh" / "json" / "a.json", text)
    with pytest.raises(DataError, match=message):
        imported("realsi", tmp_path / "r", tgt="zh")


def test_gold_sound_is_the_talks_own(tmp_path):
    """The miniature is like the published recordings: sentences are cut, not recoded."""
    folder = acl6060(tmp_path / "a")
    talk, _ = soundfile.read(folder / "full_wavs" / f"{TALK}.wav", dtype="int16")
    own, _ = soundfile.read(folder / "segmented_wavs" / "gold" / "sent_2.wav", dtype="int16")
    assert (talk[19200:35200] == own).all()
