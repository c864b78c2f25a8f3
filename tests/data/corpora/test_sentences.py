"""The corpora of single sentences: CoVoST 2 and FLEURS."""

import pytest

from earvoice.errors import DataError, UsageError
from tests.data.corpora.importing import imported, texts
from tests.data.corpora.miniatures import (
    covost2,
    fleurs,
    fleurs_row,
    lines,
    write_audio,
    write_text,
)

ROWS = [
    ("cv_1.mp3", 'He said "hello', 'Er sagte "hallo', "a" * 128),
    ("cv_2.mp3", "Thank you.", "Danke.", "b" * 128),
]


@pytest.mark.parametrize("made", [True, False])
def test_covost_from_the_made_table_or_the_two(tmp_path, made):
    covost2(tmp_path / "c", ROWS, made=made)
    talks, result = imported("covost2", tmp_path / "c", split="test")
    assert [talk.id for talk in talks] == ["cv_1", "cv_2"]
    assert texts(talks) == ['Er sagte "hallo', "Danke."]
    assert [talk.sentences[0].text for talk in talks] == ['He said "hello', "Thank you."]
    assert talks[0].voice == "a" * 16
    assert result.converted.places == {"48000 Hz MP3": ["cv_1", "cv_2"]}
    # An mp3 decoder may leave its padding at the ends.
    assert all(9600 <= talk.samples < 9600 + 2304 for talk in talks)
    assert talks[0].sentences[0].end_s == pytest.approx(talks[0].duration_s, abs=1e-6)


@pytest.mark.parametrize("asked", ["zh", "zh-CN"])
def test_covost_codes_with_a_region(tmp_path, asked):
    covost2(tmp_path / "c", ROWS, tgt="zh-CN")
    talks, _ = imported("covost2", tmp_path / "c", tgt=asked, split="test")
    assert list(talks[0].sentences[0].targets) == ["zh"]


def test_covost_escapes_and_empty_translations(tmp_path):
    rows = [("cv_1.mp3", "C:\\\\dir\\\there", "Ordner", "x"), ("cv_2.mp3", "Hm.", "", "y")]
    covost2(tmp_path / "c", rows)
    talks, result = imported("covost2", tmp_path / "c", split="test")
    assert [talk.sentences[0].text for talk in talks] == ["C:\\dir here"]
    assert result.lines()[-1].endswith("covost_v2.en_de.test.tsv line 3)")
    assert result.lines()[-1].startswith("skipped 1: 1 empty translation (")


def test_covost_tab_in_a_field_is_named(tmp_path):
    covost2(tmp_path / "c", [ROWS[0], ("cv_2.mp3", "Thank\tyou.", "Danke.", "x")])
    with pytest.raises(DataError, match=r"covost_v2\.en_de\.test\.tsv line 3: 5 fields \(a tab"):
        imported("covost2", tmp_path / "c", split="test")


@pytest.mark.parametrize("made", [True, False])
def test_covost_clip_twice_is_named(tmp_path, made):
    covost2(tmp_path / "c", [*ROWS, ROWS[0]], made=made)
    with pytest.raises(DataError, match=r"line 4: 'cv_1\.mp3' was already in .*line 2"):
        imported("covost2", tmp_path / "c", split="test")


def test_covost_split_of_the_two_tables(tmp_path):
    folder = covost2(tmp_path / "c", ROWS, made=False)
    write_text(
        folder / "covost_v2.en_de.tsv",
        lines(
            ["path\ttranslation\tsplit", "cv_1.mp3\tEins\ttrain_covost", "cv_2.mp3\tZwei\tdev",
             "cv_9.mp3\tNeun\ttrain"]
        ),
    )  # fmt: skip
    talks, result = imported("covost2", tmp_path / "c", split="train")
    assert texts(talks) == ["Eins"]
    assert list(result.skipped.places) == ["translation of a clip that validated.tsv lacks"]
    with pytest.raises(UsageError, match="no row of the split 'valid'; there are train, dev, test"):
        imported("covost2", folder, split="valid")


def test_covost_clips_without_ending_or_as_wav(tmp_path):
    rows = [("cv_1", "Yes.", "Ja.", "x"), ("cv_2.mp3", "No.", "Nein.", "y")]
    folder = covost2(tmp_path / "c", rows)
    write_audio(folder / "clips" / "cv_1.mp3", 0.5, 48000)
    (folder / "clips" / "cv_2.mp3").unlink()
    write_audio(folder / "clips" / "cv_2.wav", 0.5)
    assert texts(imported("covost2", tmp_path / "c", split="test")[0]) == ["Ja.", "Nein."]


def test_covost_path_out_of_the_clips_is_refused(tmp_path):
    covost2(tmp_path / "c", [("../../cv_1.wav", "Yes.", "Ja.", "x")])
    with pytest.raises(DataError, match=r"tsv line 2: '\.\./\.\./cv_1\.wav' is not a name"):
        imported("covost2", tmp_path / "c", split="test")


@pytest.mark.parametrize("kind", ["covost2", "fleurs"])
def test_there_is_no_long_form_of_sentences(tmp_path, kind):
    with pytest.raises(UsageError, match="single sentences only; use --form short"):
        imported(kind, tmp_path, form="long")


@pytest.mark.parametrize("kind", ["covost2", "fleurs"])
def test_another_layout_says_what_is_expected(tmp_path, kind):
    with pytest.raises(UsageError, match="expected layout: DIR/"):
        imported(kind, tmp_path)


ENGLISH = [
    fleurs_row(7, "11.wav", "Hello there."),
    fleurs_row(3, "12.wav", "Good night."),
    fleurs_row(7, "13.wav", "Hello there.", gender="MALE"),
]
CHINESE = [
    fleurs_row(3, "91.wav", "晚安。"),
    fleurs_row(7, "92.wav", "你好。"),
    fleurs_row(7, "93.wav", "你好。"),
]


@pytest.mark.parametrize("codes", [("en", "zh"), ("en_us", "cmn_hans_cn")])
def test_fleurs_is_joined_by_id(tmp_path, codes):
    fleurs(tmp_path / "f", ENGLISH, CHINESE)
    talks, result = imported("fleurs", tmp_path / "f", src=codes[0], tgt=codes[1])
    assert [talk.id for talk in talks] == ["11", "12", "13"]
    assert texts(talks, "zh") == ["你好。", "晚安。", "你好。"]
    assert [talk.voice for talk in talks] == ["FEMALE", "FEMALE", "MALE"]
    assert result.lines() == []


def test_fleurs_as_lhotse_keeps_it(tmp_path):
    root = tmp_path / "f"
    write_text(root / "metadata" / "en_us" / "dev.tsv", lines(ENGLISH))
    write_text(root / "metadata" / "cmn_hans_cn" / "dev.tsv", lines(CHINESE))
    for number in (11, 12, 13):
        write_audio(root / "en_us" / "dev" / f"{number}.wav", 0.6)
    assert len(imported("fleurs", root, tgt="zh")[0]) == 3


def test_fleurs_without_a_translation_is_counted(tmp_path):
    fleurs(
        tmp_path / "f",
        ENGLISH,
        [CHINESE[1], fleurs_row(3, "9.wav", "a"), fleurs_row(3, "8.wav", "b")],
    )
    talks, result = imported("fleurs", tmp_path / "f", tgt="zh")
    assert [talk.id for talk in talks] == ["11", "13"]
    assert list(result.skipped.places) == ["sentence with two translations"]
    fleurs(tmp_path / "g", ENGLISH, CHINESE[1:])
    _, result = imported("fleurs", tmp_path / "g", tgt="zh")
    assert result.lines()[0].startswith("skipped 1: 1 sentence not translated (")
    assert result.lines()[0].endswith("dev.tsv line 2)")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("id\tfile\traw\ttext\tchars\tsamples\tgender", r"line 4: the first field is 'id'"),
        (fleurs_row(9, "14.wav", "a\tb"), r"line 4: 9 fields \(a tab inside a field"),
        (fleurs_row(9, "11.wav", "a"), r"line 4: '11\.wav' was already in .*line 1"),
        (fleurs_row(9, "../11.wav", "a"), r"line 4: '\.\./11\.wav' is not a name"),
    ],
)
def test_fleurs_rows_that_are_wrong_are_named(tmp_path, row, message):
    folder = fleurs(tmp_path / "f", ENGLISH, CHINESE)
    table = folder / "en_us" / "dev.tsv"
    table.write_text(table.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dev\.tsv " + message):
        imported("fleurs", tmp_path / "f", tgt="zh")


def test_fleurs_without_recordings_says_what_is_expected(tmp_path):
    folder = fleurs(tmp_path / "f", ENGLISH, CHINESE)
    (folder / "en_us" / "audio" / "dev").rename(tmp_path / "away")
    with pytest.raises(UsageError, match=r"no folder .*dev and no dev\.tar\.gz; .*SPLIT\.tar\.gz"):
        imported("fleurs", tmp_path / "f", tgt="zh")


def test_fleurs_with_two_tables_of_a_language_asks(tmp_path):
    fleurs(tmp_path / "f", ENGLISH, CHINESE, folder="es_419")
    write_text(tmp_path / "f" / "data" / "es_es" / "dev.tsv", lines(CHINESE))
    with pytest.raises(UsageError, match=r"'es' is several tables: .*name the folder"):
        imported("fleurs", tmp_path / "f", tgt="es")
    assert len(imported("fleurs", tmp_path / "f", tgt="es_419")[0]) == 3
