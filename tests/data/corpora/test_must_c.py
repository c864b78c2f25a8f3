"""MuST-C, and what every import does with sound and segments that are not as they should be."""

import json

import numpy as np
import pytest
import soundfile

from earvoice.data.corpora.write import manifest_path
from earvoice.errors import DataError, UsageError
from earvoice.eval.references import read_segments
from tests.data.corpora.importing import imported, texts
from tests.data.corpora.miniatures import SENTENCES, lines, must_c, write_audio, write_text

GERMAN = [target for _, target in SENTENCES]


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_long_form_is_the_whole_talk(tmp_path):
    folder = must_c(tmp_path / "m")
    [talk], result = imported("must-c", tmp_path / "m", form="long")
    assert talk.path.resolve() == folder.resolve() / "wav" / "ted_1.wav"
    assert (talk.id, talk.samples, talk.voice) == ("ted_1", 64000, "spk.1")
    assert [(s.start_s, s.text) for s in talk.sentences] == [
        (0.05, "Good morning."),
        (1.05, "The train is late."),
        (2.05, "Thank you."),
    ]
    assert texts([talk]) == GERMAN
    assert (result.recordings, result.segments, result.lines()) == (1, 3, [])


def test_the_files_beside_the_manifest_are_in_the_fields_format(tmp_path):
    must_c(tmp_path / "m")
    imported("must-c", tmp_path / "m", form="long")
    out = tmp_path / "m-out"
    segments = read_segments(out / "segments.yaml", out / "references.txt", out / "sources.txt")
    assert [(s.recording, s.offset_us, s.duration_us) for s in segments] == [
        ("ted_1", 50_000, 900_000), ("ted_1", 1_050_000, 900_000), ("ted_1", 2_050_000, 900_000),
    ]  # fmt: skip
    assert [s.reference for s in segments] == GERMAN
    assert [s.source for s in segments] == [source for source, _ in SENTENCES]


def test_short_form_is_a_cut_per_segment_to_the_sample(tmp_path):
    folder = must_c(tmp_path / "m")
    talks, _ = imported("must-c", tmp_path / "m")
    assert [talk.id for talk in talks] == ["ted_1-0000", "ted_1-0001", "ted_1-0002"]
    whole, _ = soundfile.read(folder / "wav" / "ted_1.wav", dtype="float32")
    np.testing.assert_array_equal(talks[1].read_samples(), whole[16800:31200])
    assert [(s.start_s, s.end_s) for s in talks[1].sentences] == [(0.0, 0.9)]
    assert texts(talks) == GERMAN


def test_any_folder_down_to_the_splits_will_do(tmp_path):
    folder = must_c(tmp_path / "m")
    for number, root in enumerate((folder, folder.parent, folder.parents[1])):
        link = tmp_path / f"link{number}"
        link.symlink_to(root)
        assert texts(imported("must-c", link)[0]) == GERMAN


def test_a_folder_of_another_layout_says_what_is_expected(tmp_path):
    with pytest.raises(UsageError, match=r"there is no .*dev\.yaml.*expected layout: DIR/en-de"):
        imported("must-c", tmp_path)


def test_numbers_follow_time_and_not_the_offsets_as_text(tmp_path):
    folder = must_c(tmp_path / "m", sentences=SENTENCES[:2])
    write_audio(folder / "wav" / "ted_1.wav", 12.0)
    write_text(
        folder / "txt" / "dev.yaml",
        "- {duration: 0.9, offset: 10.5, wav: ted_1.wav}\n"
        "- {duration: 0.9, offset: 9.1, wav: ted_1.wav}\n",
    )
    [talk], _ = imported("must-c", tmp_path / "m", form="long")
    assert texts([talk]) == ["Der Zug hat Verspätung.", "Guten Morgen."]
    assert [s.start_s for s in talk.sentences] == [9.1, 10.5]


def test_marks_and_line_ends_are_no_text(tmp_path):
    folder = must_c(tmp_path / "m")
    for name in ("dev.de", "dev.en", "dev.yaml"):
        path = folder / "txt" / name
        text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
        write_text(path, "\ufeff" + text)
    talks, _ = imported("must-c", tmp_path / "m")
    assert texts(talks) == GERMAN
    assert talks[0].sentences[0].text == "Good morning."


def test_breaks_inside_a_line_do_not_shift_the_lines_after(tmp_path):
    folder = must_c(tmp_path / "m")
    write_text(folder / "txt" / "dev.de", "Guten\u2028Morgen.\nDer\tZug.\nDan\x85ke.\n")
    assert texts(imported("must-c", tmp_path / "m")[0]) == ["Guten Morgen.", "Der Zug.", "Dan ke."]


def test_a_segment_more_than_lines_is_named(tmp_path):
    folder = must_c(tmp_path / "m")
    append(folder / "txt" / "dev.yaml", "- {duration: 0.5, offset: 3.1, wav: ted_1.wav}\n")
    with pytest.raises(
        DataError, match=r"dev\.yaml line 4 has no partner: .* 4 segments, .*dev\.en has 3"
    ):
        imported("must-c", tmp_path / "m")


def test_a_line_more_than_segments_is_named(tmp_path):
    folder = must_c(tmp_path / "m")
    append(folder / "txt" / "dev.de", "\n")
    with pytest.raises(DataError, match=r"dev\.de line 4 has no partner"):
        imported("must-c", tmp_path / "m")


def test_an_empty_translation_is_left_out_and_counted(tmp_path):
    folder = must_c(tmp_path / "m")
    write_text(folder / "txt" / "dev.de", "Guten Morgen.\n \nDanke.\n")
    talks, result = imported("must-c", tmp_path / "m")
    assert texts(talks) == ["Guten Morgen.", "Danke."]
    assert [talk.id for talk in talks] == ["ted_1-0000", "ted_1-0002"]
    [line] = result.lines()
    assert line.startswith("skipped 1: 1 empty translation (")
    assert line.endswith("dev.yaml line 2)")


def test_a_segment_twice_is_counted_once(tmp_path):
    folder = must_c(tmp_path / "m")
    first = (folder / "txt" / "dev.yaml").read_text(encoding="utf-8").split("\n")[0]
    append(folder / "txt" / "dev.yaml", first + "\n")
    append(folder / "txt" / "dev.de", "Moin.\n")
    append(folder / "txt" / "dev.en", "Morning.\n")
    talks, result = imported("must-c", tmp_path / "m")
    assert texts(talks) == GERMAN
    assert list(result.skipped.places) == ["segment that is listed twice"]


def test_a_missing_recording_is_counted_and_nothing_shifts(tmp_path):
    folder = must_c(tmp_path / "m")
    listed = folder / "txt" / "dev.yaml"
    rows = listed.read_text(encoding="utf-8").replace("wav: ted_1.wav", "wav: ted_0.wav", 1)
    write_text(listed, rows)
    talks, result = imported("must-c", tmp_path / "m", form="long")
    assert texts(talks) == GERMAN[1:]
    assert result.skipped.told("skipped").startswith("skipped 1: 1 missing audio (")


def test_nothing_left_is_an_error(tmp_path):
    folder = must_c(tmp_path / "m")
    (folder / "wav" / "ted_1.wav").unlink()
    with pytest.raises(DataError, match="no segment is left to import; skipped 3: 3 missing audio"):
        imported("must-c", tmp_path / "m")
    assert not (tmp_path / "m-out" / "cuts.jsonl").exists()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all" * 10])
def test_audio_that_is_none_is_counted(tmp_path, content):
    folder = must_c(tmp_path / "m")
    (folder / "wav" / "ted_2.wav").write_bytes(content)
    append(folder / "txt" / "dev.yaml", "- {duration: 0.5, offset: 0, wav: ted_2.wav}\n")
    append(folder / "txt" / "dev.de", "Moin.\n")
    append(folder / "txt" / "dev.en", "Morning.\n")
    talks, result = imported("must-c", tmp_path / "m")
    assert texts(talks) == GERMAN
    [reason] = result.skipped.places
    assert reason.startswith("unreadable audio (")


def test_a_path_out_of_the_corpus_is_refused(tmp_path):
    folder = must_c(tmp_path / "m")
    write_audio(tmp_path / "ted_9.wav", 1.0)
    append(folder / "txt" / "dev.yaml", "- {duration: 0.5, offset: 0, wav: ../../ted_9.wav}\n")
    append(folder / "txt" / "dev.de", "Moin.\n")
    append(folder / "txt" / "dev.en", "Morning.\n")
    with pytest.raises(DataError, match=r"dev\.yaml line 4: '\.\./\.\./ted_9\.wav' is not a name"):
        imported("must-c", tmp_path / "m")


def test_a_name_that_would_break_the_log_is_refused(tmp_path):
    folder = must_c(tmp_path / "m")
    write_text(
        folder / "txt" / "dev.yaml",
        lines([f"- {{duration: 0.5, offset: {n}, wav: 'a, {{b.wav'}}" for n in range(3)]),
    )
    with pytest.raises(DataError, match=r"dev\.yaml line 1: the name 'a, \{b'"):
        imported("must-c", tmp_path / "m")


def test_two_recordings_of_one_name_are_refused(tmp_path):
    folder = must_c(tmp_path / "m")
    listed = folder / "txt" / "dev.yaml"
    rows = listed.read_text(encoding="utf-8").replace("wav: ted_1.wav", "wav: a/ted_1.wav", 1)
    write_text(listed, rows)
    with pytest.raises(DataError, match=r"line 2: the recording 'ted_1' was already in .* line 1"):
        imported("must-c", tmp_path / "m")


@pytest.mark.parametrize(
    ("offset", "duration", "end_s", "tally"),
    [
        (3.2, 0.8, 4.0, None),
        (3.2, 0.8000004, 4.0, None),
        (3.2, 0.80001, 4.0, "trimmed"),
        (3.0, 1.9, 4.0, "trimmed"),  # 0.9 s over, 1 s remains
        (3.5, 1.9, None, "skipped"),  # more over than remains
        (1.0, 5.5, None, "skipped"),  # more than 2 s over
        (4.0, 0.5, None, "skipped"),
        (40.0, 0.5, None, "skipped"),
        (2.0, 0.0, None, "skipped"),
    ],
)
def test_segments_end_with_the_audio(tmp_path, offset, duration, end_s, tally):
    folder = must_c(tmp_path / "m")
    append(
        folder / "txt" / "dev.yaml",
        f"- {{duration: {duration}, offset: {offset}, wav: ted_1.wav}}\n",
    )
    append(folder / "txt" / "dev.de", "Moin.\n")
    append(folder / "txt" / "dev.en", "Morning.\n")
    [talk], result = imported("must-c", tmp_path / "m", form="long")
    ends = [s.end_s for s in talk.sentences if s.targets["de"].text == "Moin."]
    assert ends == ([] if end_s is None else [pytest.approx(end_s, abs=1e-9)])
    assert [name for name in ("trimmed", "skipped") if getattr(result, name).places] == (
        [tally] if tally else []
    )


@pytest.mark.parametrize(
    ("rate", "channels", "was"),
    [(8000, 1, "8000 Hz"), (44100, 1, "44100 Hz"), (48000, 2, "48000 Hz 2 channels"),
     (16000, 2, "2 channels")],
)  # fmt: skip
def test_other_audio_is_written_as_16_khz_mono(tmp_path, rate, channels, was):
    must_c(tmp_path / "m", rate=rate, channels=channels)
    [talk], result = imported("must-c", tmp_path / "m", form="long")
    assert talk.path.resolve() == tmp_path.resolve() / "m-out" / "audio" / "ted_1.wav"
    assert abs(talk.samples - 64000) <= 2
    assert len(talk.read_samples()) == talk.samples
    assert result.converted.places == {was: ["ted_1"]}


def test_stereo_is_the_mean_of_its_channels(tmp_path):
    folder = must_c(tmp_path / "m", channels=2)
    [talk], _ = imported("must-c", tmp_path / "m", form="long")
    both, _ = soundfile.read(folder / "wav" / "ted_1.wav", dtype="float32")
    np.testing.assert_allclose(talk.read_samples(), both.mean(axis=1), atol=1 / 32768)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24"])
def test_other_samples_and_headers_are_converted(tmp_path, subtype):
    folder = must_c(tmp_path / "m")
    write_audio(folder / "wav" / "ted_1.wav", 4.0, subtype=subtype)
    [talk], result = imported("must-c", tmp_path / "m", form="long")
    whole, _ = soundfile.read(folder / "wav" / "ted_1.wav", dtype="float32")
    np.testing.assert_allclose(talk.read_samples(), whole, atol=1 / 32768)
    assert result.converted.places == {subtype: ["ted_1"]}


def test_what_stands_after_the_samples_is_no_sound(tmp_path):
    folder = must_c(tmp_path / "m")
    wav = folder / "wav" / "ted_1.wav"
    wav.write_bytes(wav.read_bytes() + b"LIST" + (4).to_bytes(4, "little") + b"INFO")
    [talk], result = imported("must-c", tmp_path / "m", form="long")
    assert talk.samples == 64000
    assert result.converted.places == {"other header": ["ted_1"]}


@pytest.mark.slow
def test_lhotse_reads_the_manifest(tmp_path):
    lhotse = pytest.importorskip("lhotse")
    must_c(tmp_path / "m")
    imported("must-c", tmp_path / "m")
    out = tmp_path / "m-out"
    # lhotse takes paths from where it runs.
    content = (out / "cuts.jsonl").read_text(encoding="utf-8")
    write_text(out / "here.jsonl", content.replace("../m/", f"{tmp_path}/m/"))
    cuts = list(lhotse.CutSet.from_file(out / "here.jsonl"))
    assert [cut.supervisions[0].text for cut in cuts] == [source for source, _ in SENTENCES]
    assert cuts[1].load_audio().shape == (1, 14400)


def test_the_record_names_every_place(tmp_path):
    folder = must_c(tmp_path / "m")
    write_text(folder / "txt" / "dev.de", "Guten Morgen.\n\n\n")
    _, result = imported("must-c", tmp_path / "m")
    record = json.loads((tmp_path / "m-out" / "import.json").read_text(encoding="utf-8"))
    assert record["skipped"] == result.skipped.places
    assert len(record["skipped"]["empty translation"]) == 2
    assert (record["segments"], record["tgt_lang"], record["form"]) == (1, "de", "short")


def test_a_corpus_is_not_overwritten(tmp_path):
    must_c(tmp_path / "m")
    imported("must-c", tmp_path / "m")
    for out in ("m-out", "m-out/cuts.jsonl", "m-out/other.jsonl"):
        with pytest.raises(UsageError, match="there is a corpus already"):
            manifest_path(tmp_path / out)
