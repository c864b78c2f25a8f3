"""From a corpus on disk through an aligner's TextGrids to batches of the stage that needs them."""

import json
import math
import random

import pytest

from earvoice.data.collate import Collator, Grid
from earvoice.data.corpora.align import align_corpus
from earvoice.data.corpora.for_aligner import export_corpus
from earvoice.data.corpora.grids import Grids, TierNames
from earvoice.data.corpora.textgrid import Interval, TextGrid, Tier, read_textgrid, textgrid_text
from earvoice.data.long import lengthen_corpus
from earvoice.data.manifest import load_talks
from earvoice.data.windows import Cut, cut_utterances
from earvoice.errors import ConfigError, DataError, UsageError
from earvoice.train.examples import check_times
from tests.data.corpora.importing import imported
from tests.data.corpora.miniatures import must_c, write_text
from tests.tiny import tokenizer

# Sentences are at 0.05 to 0.95 s, 1.05 to 1.95 s, 2.05 to 2.95 s.
SAID = (
    (0.10, 0.40, "good"), (0.40, 0.80, "morning"),
    (1.10, 1.20, "the"), (1.20, 1.50, "<unk>"), (1.50, 1.60, "is"), (1.70, 1.90, "late"),
    (2.10, 2.40, "thank"), (2.40, 2.80, "you"),
)  # fmt: skip
PHONES = (
    (0.00, 0.10, "sil"), (0.10, 0.40, "G"), (0.40, 0.80, "AO1"), (0.80, 1.10, ""),
    (1.10, 1.60, "DH"), (1.60, 1.70, ""), (1.70, 1.90, "ɫ"), (2.10, 2.80, "spn"),
)  # fmt: skip


def tier(name, rows):
    us = [(round(start * 1e6), round(end * 1e6), text) for start, end, text in rows]
    return Tier(name, tuple(Interval(*row) for row in us))


def write_grid(path, *tiers, end_s=4.0):
    grid = TextGrid(0, round(end_s * 1e6), tiers)
    return write_text(path, textgrid_text(grid))


@pytest.fixture
def grids(tmp_path):
    """The aligner's folder: one file, in a folder of the speaker."""
    folder = tmp_path / "grids"
    write_grid(folder / "spk.1" / "ted_1.TextGrid", tier("words", SAID), tier("phones", PHONES))
    return folder


def corpus(tmp_path, form="short"):
    must_c(tmp_path / form)
    imported("must-c", tmp_path / form, form=form)
    return tmp_path / f"{form}-out"


def align(folder, grids, out, *, drop=False, names=None):
    names = names or TierNames()
    result = align_corpus(folder, Grids(grids), names, out, drop_unaligned=drop)
    return list(load_talks(out)), result


def times(words):
    return [(w.text, round(w.start_s, 6), round(w.end_s, 6)) for w in words]


def said(talks):
    return [[w.text for w in s.words] for talk in talks for s in talk.sentences]


WORDS = [["Good", "morning."], ["The", "train", "is", "late."], ["Thank", "you."]]


def test_a_talk_takes_the_times_of_its_textgrid(tmp_path, grids):
    [talk], result = align(corpus(tmp_path, "long"), grids, tmp_path / "out")
    assert said([talk]) == WORDS
    assert times(talk.sentences[1].words) == [
        ("The", 1.1, 1.2), ("train", 1.2, 1.5), ("is", 1.5, 1.6), ("late.", 1.7, 1.9),
    ]  # fmt: skip
    assert [[p.symbol for p in s.phones] for s in talk.sentences] == [
        ["g", "ao"], ["dh", "pau", "ɫ"], ["spn"],
    ]  # fmt: skip
    assert (result.cuts, result.sentences, result.words, result.phones) == (1, 3, 8, 6)
    assert result.skipped.total == 0


def test_every_cut_takes_its_stretch_of_the_recording(tmp_path, grids):
    talks, _ = align(corpus(tmp_path), grids, tmp_path / "out")
    assert said(talks) == WORDS
    assert times(talks[2].sentences[0].words) == [("Thank", 0.05, 0.35), ("you.", 0.35, 0.75)]
    assert talks[2].read_samples().size == 14400


def test_long_spans_take_the_times_of_their_sentences(tmp_path, grids):
    lengthen_corpus(corpus(tmp_path, "long"), tmp_path / "spans", 2.5)
    talks, _ = align(tmp_path / "spans", grids, tmp_path / "out")
    assert said(talks) == [WORDS[0] + WORDS[1], WORDS[2]]
    assert times(talks[0].sentences[0].words)[2] == ("The", 1.05, 1.15)


def test_a_textgrid_may_be_of_one_cut(tmp_path):
    rows = [(0.05, 0.35, "thank"), (0.35, 0.75, "you")]
    write_grid(tmp_path / "grids" / "ted_1-0002.TextGrid", tier("words", rows), end_s=0.9)
    talks, result = align(corpus(tmp_path), tmp_path / "grids", tmp_path / "out")
    assert said(talks) == [[], [], WORDS[2]]
    assert times(talks[2].sentences[0].words) == [("Thank", 0.05, 0.35), ("you.", 0.35, 0.75)]
    line = tmp_path / "short-out" / "cuts.jsonl"
    assert result.skipped.places == {"no TextGrid": [f"{line} line 1", f"{line} line 2"]}


def test_nothing_else_of_a_line_changes(tmp_path, grids):
    folder = corpus(tmp_path)
    align(folder, grids, tmp_path / "deep" / "out")
    for before, after in zip(
        *((f / "cuts.jsonl").read_text().splitlines() for f in (folder, tmp_path / "deep/out")),
        strict=True,
    ):
        old, new = json.loads(before), json.loads(after)
        for cut in (old, new):
            del cut["supervisions"][0]["alignment"], cut["recording"]["sources"]
        assert old == new
    [_, talk, _] = load_talks(tmp_path / "deep" / "out")
    assert talk.path.is_file()
    assert talk.sentences[0].targets["de"].needs == ()


def replaced(grids, old, new):
    path = grids / "spk.1" / "ted_1.TextGrid"
    text = path.read_text()
    assert old in text
    write_text(path, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "reason", "place"),
    [
        ('"late"', '"early"', "with other words", "line 36: 'early' for 'late.'"),
        ('"late"', '""', "with other words", "line 36: ends before 'late.'"),
        ('"the"', '"<unk>"', "", ""),
        ('"is"', '"<unk>"\n! ', "", ""),
    ],
)
def test_a_sentence_with_other_words_is_counted_with_its_line(
    tmp_path, grids, old, new, reason, place
):
    replaced(grids, old, new)
    talks, result = align(corpus(tmp_path), grids, tmp_path / "out")
    assert said(talks)[::2] == WORDS[::2]
    assert said(talks)[1] == ([] if reason else WORDS[1])
    path = grids / "spk.1" / "ted_1.TextGrid"
    assert result.skipped.places == ({reason: [f"{path} {place}"]} if reason else {})
    record = json.loads((tmp_path / "out" / "align.json").read_text())
    assert record["skipped"] == result.skipped.places


def test_mostly_unknown_words_are_a_sign_of_the_wrong_dictionary(tmp_path, grids):
    for word in ("the", "is"):
        replaced(grids, f'"{word}"', '"<unk>"')
    _, result = align(corpus(tmp_path), grids, tmp_path / "out")
    assert list(result.skipped.places) == ["with mostly unknown words"]


def test_a_sentence_the_aligner_left_out(tmp_path):
    write_grid(tmp_path / "grids" / "ted_1.TextGrid", tier("words", SAID[2:]))
    talks, result = align(corpus(tmp_path), tmp_path / "grids", tmp_path / "out", drop=True)
    assert said(talks) == WORDS[1:]
    assert [talk.id for talk in talks] == ["ted_1-0001", "ted_1-0002"]
    assert result.skipped.told("left out").startswith("left out 1: 1 not aligned (")
    assert result.phones == 0


def test_short_sentences_and_remarks_are_left_out(tmp_path, grids):
    folder = must_c(
        tmp_path / "m", sentences=(("(Laughter)", "Ha."), ("♫ --", "Ha."), ("Thank you.", "D."))
    )
    listed = folder / "txt" / "dev.yaml"
    write_text(
        listed, listed.read_text().replace("duration: 0.9, offset: 0", "duration: 0.3, offset: 0")
    )
    imported("must-c", tmp_path / "m", form="long")
    [talk], result = align(tmp_path / "m-out", grids, tmp_path / "out", drop=True)
    assert said([talk]) == [WORDS[2]]
    assert list(result.skipped.places) == ["shorter than 320 ms", "nothing to say"]


def test_speakers_have_tiers_of_their_own(tmp_path):
    write_grid(
        tmp_path / "grids" / "ted_1.TextGrid",
        tier("spk.1 - words", SAID[:2] + SAID[6:]), tier("spk.1 - phones", PHONES[:3]),
        tier("spk.2 - words", SAID[2:6]), tier("spk.2 - phones", PHONES[4:7]),
    )  # fmt: skip
    [talk], _ = align(corpus(tmp_path, "long"), tmp_path / "grids", tmp_path / "out")
    assert said([talk]) == WORDS
    assert [p.symbol for p in talk.sentences[1].phones] == ["dh", "pau", "ɫ"]
    lengthen_corpus(tmp_path / "long-out", tmp_path / "spans")
    [span], _ = align(tmp_path / "spans", tmp_path / "grids", tmp_path / "spans-out")
    assert said([span]) == [WORDS[0] + WORDS[1] + WORDS[2]]


def test_other_words_mean_other_needs(tmp_path, grids):
    folder = corpus(tmp_path)
    path = folder / "cuts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["supervisions"][0]["custom"]["targets"]["de"]["needs"] = [0]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    talks, _ = align(folder, grids, tmp_path / "out")
    assert [s.targets["de"].needs for talk in talks for s in talk.sentences] == [(), (), ()]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (TierNames("Wörter"), r"line 5: no tier 'Wörter'; there are: 'words', 'phones'"),
        (TierNames(phones="phonemes"), r"line 5: no tier 'phonemes'; there are"),
    ],
)
def test_a_tier_that_is_not_there_is_named(tmp_path, grids, names, message):
    with pytest.raises(DataError, match=r"ted_1\.TextGrid " + message):
        align(corpus(tmp_path), grids, tmp_path / "out", names=names)
    assert list((tmp_path / "out").iterdir()) == []


def test_other_names_of_tiers(tmp_path):
    write_grid(tmp_path / "g" / "ted_1.TextGrid", tier("ORT", SAID), tier("KAN", PHONES))
    talks, result = align(
        corpus(tmp_path), tmp_path / "g", tmp_path / "out", names=TierNames("ORT", "KAN")
    )
    assert (said(talks), result.phones) == (WORDS, 6)


def test_the_textgrid_of_another_recording_is_refused(tmp_path):
    write_grid(tmp_path / "g" / "ted_1.TextGrid", tier("words", SAID), end_s=60.0)
    with pytest.raises(DataError, match=r"line 5: lasts 60\.0 s, the audio of ted_1-0000 4\.0 s"):
        align(corpus(tmp_path), tmp_path / "g", tmp_path / "out")


def test_two_textgrids_of_one_name_are_refused(tmp_path, grids):
    write_grid(grids / "ted_1.TextGrid", tier("words", SAID))
    with pytest.raises(DataError, match=r"grids/ted_1\.TextGrid has the name of .*spk\.1/ted_1"):
        Grids(grids)


def test_folders_that_are_none(tmp_path, grids):
    with pytest.raises(UsageError, match="there is no folder"):
        Grids(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"has no file \*\.TextGrid"):
        Grids(tmp_path / "empty")
    folder = corpus(tmp_path)
    with pytest.raises(UsageError, match="there is a corpus in .* already"):
        align(folder, grids, folder)


def test_no_word_times_at_all_is_an_error(tmp_path):
    write_grid(tmp_path / "g" / "ted_9.TextGrid", tier("words", SAID))
    with pytest.raises(DataError, match="no sentence has word times; skipped 3: 3 no TextGrid"):
        align(corpus(tmp_path), tmp_path / "g", tmp_path / "out")
    assert not (tmp_path / "out" / "cuts.jsonl").exists()


@pytest.mark.parametrize("form", ["short", "long"])
def test_what_the_aligner_reads_and_back(tmp_path, form):
    folder = corpus(tmp_path, form)
    result = export_corpus(folder, tmp_path / "mfa")
    assert (result.recordings, result.utterances, result.speech_us) == (1, 3, 2_700_000)
    assert sorted(path.name for path in (tmp_path / "mfa").iterdir()) == [
        "ted_1.TextGrid", "ted_1.wav",
    ]  # fmt: skip
    [talk, *_] = load_talks(folder)
    assert (tmp_path / "mfa" / "ted_1.wav").read_bytes() == talk.path.read_bytes()
    grid = read_textgrid(tmp_path / "mfa" / "ted_1.TextGrid")
    assert [tier.name for tier in grid.tiers] == ["spk.1"]
    rows = [(i.start_us, i.end_us, i.text) for i in grid.tiers[0].intervals]
    assert rows == [
        (0, 50_000, ""), (50_000, 950_000, "Good morning."),
        (950_000, 1_050_000, ""), (1_050_000, 1_950_000, "The train is late."),
        (1_950_000, 2_050_000, ""), (2_050_000, 2_950_000, "Thank you."),
        (2_950_000, 4_000_000, ""),
    ]  # fmt: skip
    # An aligner that shares each utterance out evenly.
    words = []
    for start, end, text in rows:
        said_here = text.lower().replace(".", "").split()
        for n, word in enumerate(said_here):
            length = (end - start) / len(said_here) / 1e6
            words.append((start / 1e6 + n * length, start / 1e6 + (n + 1) * length, word))
    write_grid(tmp_path / "back" / "ted_1.TextGrid", tier("words", words))
    talks, again = align(folder, tmp_path / "back", tmp_path / "out")
    assert (said(talks), again.skipped.total) == (WORDS, 0)


def test_overlapping_sentences_stand_in_two_tiers(tmp_path):
    folder = must_c(tmp_path / "m")
    listed = folder / "txt" / "dev.yaml"
    write_text(listed, listed.read_text().replace("offset: 1.05", "offset: 0.5"))
    imported("must-c", tmp_path / "m", form="long")
    export_corpus(tmp_path / "m-out", tmp_path / "mfa")
    grid = read_textgrid(tmp_path / "mfa" / "ted_1.TextGrid")
    assert [(t.name, [i.text for i in t.intervals if i.text]) for t in grid.tiers] == [
        ("spk.1", ["Good morning.", "Thank you."]), ("spk.1 2", ["The train is late."]),
    ]  # fmt: skip


def test_a_folder_in_use_is_not_exported_to(tmp_path):
    write_text(tmp_path / "mfa" / "mine.txt", "")
    with pytest.raises(UsageError, match="is there and not empty"):
        export_corpus(corpus(tmp_path), tmp_path / "mfa")


def test_waco_takes_an_aligned_corpus_and_no_other(tmp_path, grids):
    folder = corpus(tmp_path, "long")
    with pytest.raises(ConfigError, match="no word times"):
        check_times(list(load_talks(folder)), "waco", "waco")
    [talk], _ = align(folder, grids, tmp_path / "out", drop=True)
    check_times([talk], "waco", "waco")
    window = cut_utterances(talk, "de", Cut(4, 0.96, 100, 3, hold=False), random.Random(1), 0)
    collator = Collator(tokenizer(), Grid(15360, 640, 1280), {"g": 1}, None)
    batch = collator([window], random.Random(1), audio=True)
    assert len(batch.word_spans) == 8
    # A word of 0.1 to 0.4 s after the window's start lies on embeddings of 80 ms.
    first, end = ((at_s - window.start_s) / 0.08 for at_s in (0.1, 0.4))
    assert batch.word_spans[0].tolist() == [0, math.floor(first), math.ceil(end) - 1]
