"""From a spoken word to its settled translation: alignment, times, and what must be known."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.eval.finalization import aligned
from earvoice.eval.runlog import RecordingHead, RunLog
from tests.eval.test_behaviour import said

TALK = {
    "id": "a",
    "words": [["the", 0.5, 0.7], ["cat", 0.8, 1.2], ["sleeps", 1.5, 2.0], ["Yes", 3.0, 3.4]],
}


@pytest.fixture
def run(tmp_path):
    """Two sentences: "Die Katze schläft ." needs the, cat, sleeps; "Ja" needs yes."""
    RunLog(tmp_path / "log.jsonl").write(
        RecordingHead("a", 4_000_000, "word"),
        said(
            (1.0, "c", "Die"),
            (1.5, "d", " Katzen"),
            (2.0, "c", " Katze"),
            (2.5, "c", " schlief"),
            (4.0, "c", " Ja"),
        ),
        0,
    )
    (tmp_path / "segments.yaml").write_text(
        "- {offset: 0.4, duration: 2, wav: a.wav}\n- {offset: 3, duration: 1, wav: a.wav}\n"
    )
    (tmp_path / "references.txt").write_text("Die Katze schläft\nJa\n")
    return tmp_path


def manifest(folder, needs=((0, 1, 2), (0,)), texts=("Die Katze schläft", "Ja"), words=True):
    from earvoice.data.manifest import (
        SpokenSentence,
        Talk,
        Target,
        TimedWord,
        cut_from_talk,
        write_manifest,
    )

    spoken = [TimedWord(*word) for word in TALK["words"]]
    sentences = tuple(
        SpokenSentence(
            part[0].start_s, part[-1].end_s, tuple(part) if words else (), (), text, {"de": target}
        )
        for part, text, target in (
            (spoken[:3], "the cat sleeps", Target(texts[0], needs[0])),
            (spoken[3:], "Yes", Target(texts[1], needs[1])),
        )
    )
    folder.mkdir(exist_ok=True)
    talk = Talk("a", folder / "audio" / "a.wav", 16000, 64000, "v", "e", sentences)
    write_manifest(folder, [cut_from_talk(talk, "audio/a.wav")])
    return folder


def scored(run, *more, capsys):
    names = "finalization,finalization_p95"
    arguments = ["eval", "score", str(run), "--tgt-lang", "de", "--metrics", names, "--json"]
    code = main([*arguments, *more])
    out, err = capsys.readouterr()
    return json.loads(out) if code == 0 else err


def test_from_the_end_of_the_spoken_word_to_the_last_change(run, capsys):
    found = scored(run, "--words", str(manifest(run / "corpus")), capsys=capsys)
    # Die 1.0 - 0.7, Katze 2.0 - 1.2, schlief 2.5 - 2.0 in the place of schläft; Ja 4.0 - 3.4.
    assert found["per_item"]["finalization"] == [500.0, 600.0]
    assert found["metrics"]["finalization"] == 550.0
    assert found["metrics"]["finalization_p95"] == pytest.approx(770.0)
    assert found["signature"]["finalization"] == "p50|units:4/4|clock:run|ms"


def test_in_short_form_a_recording_is_all_its_sentences(run, capsys):
    (run / "segments.yaml").unlink()
    (run / "references.txt").write_text("Die Katze schläft Ja\n")
    found = scored(run, "--words", str(manifest(run / "corpus")), capsys=capsys)
    assert found["metrics"]["finalization"] == 550.0


def test_what_is_not_known_is_a_reason(run, capsys):
    assert "--words" in scored(run, capsys=capsys)["undefined"]["finalization"]
    unknown = manifest(run / "corpus", needs=((), ()))
    found = scored(run, "--words", str(unknown), capsys=capsys)
    assert "which source word" in found["undefined"]["finalization"]
    without = manifest(run / "imported", words=False)
    found = scored(run, "--words", str(without), capsys=capsys)
    assert found["metrics"] == {"finalization": None, "finalization_p95": None}
    assert "which source word" in found["undefined"]["finalization"]
    found = scored(run, "--words", str(manifest(run / "c")), "--unit", "char", capsys=capsys)
    assert "counted in characters" in found["undefined"]["finalization"]


def test_another_text_is_an_error_and_not_a_shift(run, capsys):
    other = manifest(run / "corpus", texts=("Der Hund schläft", "Ja"))
    message = scored(run, "--words", str(other), capsys=capsys)
    assert "'Der Hund schläft' where the reference has 'Die Katze schläft'" in message


def test_a_need_beyond_the_sentence_is_named(run, capsys):
    other = manifest(run / "corpus", needs=((0, 1, 3), (0,)))
    message = scored(run, "--words", str(other), capsys=capsys)
    assert "talk 'a': 'Die Katze schläft' needs word 3, its sentence has words 0 to 2" in message


@pytest.mark.parametrize("action", ["compare", "report"])
def test_without_word_times_comparing_says_why(run, action, capsys):
    more = ["--out", str(run / "r.html")] if action == "report" else ["--json"]
    names = "finalization,segment_finalization"
    code = main(["eval", action, str(run), "--tgt-lang", "de", "--metrics", names, *more])
    assert code == 0
    out = capsys.readouterr().out
    said = (run / "r.html").read_text(encoding="utf-8") if action == "report" else out
    assert "name a manifest with --words, or ask for segment_finalization" in said


def segments_alone(run, *more, capsys):
    names = "segment_finalization,segment_finalization_p95"
    arguments = ["eval", "score", str(run), "--tgt-lang", "de", "--metrics", names, "--json"]
    assert main([*arguments, *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_segment_needs_no_word_times(run, capsys):
    found = segments_alone(run, capsys=capsys)
    # The first ends at 2.4 s, its last word came at 2.5; the second ends at 4 s, as its word comes.
    assert found["per_item"]["segment_finalization"] == [pytest.approx(100.0), 0.0]
    assert found["metrics"]["segment_finalization"] == pytest.approx(50.0)
    assert found["metrics"]["segment_finalization_p95"] == pytest.approx(95.0)
    assert found["signature"]["segment_finalization"] == "p50|items:2/2|clock:run|ms"
    assert segments_alone(run, "--unit", "char", capsys=capsys)["metrics"] == found["metrics"]


def test_in_short_form_it_is_from_the_end_of_the_recording(run, capsys):
    (run / "segments.yaml").unlink()
    (run / "references.txt").write_text("Die Katze schläft Ja\n")
    found = segments_alone(run, capsys=capsys)
    assert found["per_item"]["segment_finalization"] == [0.0]


def test_recordings_in_another_order_than_the_references(tmp_path, capsys):
    """Each keeps its own times."""
    log = RunLog(tmp_path / "log.jsonl")
    for name, at_s in (("b", 3.0), ("a", 1.0)):
        log.write(RecordingHead(name, 2_000_000, "word"), said((at_s, "c", "Ja")), 0)
    (tmp_path / "segments.yaml").write_text(
        "- {offset: 0, duration: 2, wav: a.wav}\n- {offset: 0, duration: 2, wav: b.wav}\n"
    )
    (tmp_path / "references.txt").write_text("Ja\nJa\n")
    found = segments_alone(tmp_path, capsys=capsys)
    assert found["per_item"]["segment_finalization"] == [-1000.0, 1000.0]


def test_nothing_written_has_no_finalization(tmp_path, capsys):
    RunLog(tmp_path / "log.jsonl").write(RecordingHead("a", 2_000_000, "word"), [], 0)
    (tmp_path / "references.txt").write_text("Ja\n")
    found = segments_alone(tmp_path, capsys=capsys)
    assert found["metrics"]["segment_finalization"] is None
    assert found["undefined"]["segment_finalization"] == "nothing was written"


WORDS = st.lists(st.sampled_from(["a", "B.", "c,", "…", "d"]), max_size=12)


@given(WORDS, WORDS)
def test_an_alignment_is_one_to_one_and_in_order(reference, text):
    pairs = aligned(reference, text)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    if reference == text:
        assert pairs == [(i, i) for i in range(len(text))]
