"""Utterances from STM and SegLST files and from our own log."""

import contextlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.eval.hypotheses import DataError
from earvoice.eval.runlog import Logged, RecordingHead, RunLog
from earvoice.eval.speakers.from_runlog import read_runlog_utterances
from earvoice.eval.speakers.reading import read_utterances
from earvoice.eval.speakers.utterances import paired
from earvoice.events import Boundary, Commit, Draft, EventFormatError, Stamped, Stream, loads
from tests.eval.speakers.talk import said

SEGMENT = {
    "session_id": "talk",
    "speaker": "A",
    "start_time": 0.1,
    "end_time": "2.35",
    "words": "Guten Tag",
}


def written(folder, content, name="ref.stm"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_stm(tmp_path):
    path = written(
        tmp_path,
        "\ufeff;; made for this test\r\n"
        "talk 1 Anna 0.1 2.35 <o,f0,female> Guten  Tag\r\n"
        "\n"
        "talk 1 Berg 2.35 2.35\n"
        "talk\t1 Berg 3 4 <SELF> ja\n",
    )
    first, second, third = read_utterances(path)
    assert (first.session, first.speaker, first.text) == ("talk", "Anna", "Guten  Tag")
    assert (first.start_us, first.end_us) == (100_000, 2_350_000)
    assert second.text == ""
    assert third.text == "<SELF> ja"
    assert third.where == f"{path} line 5"


def test_seglst(tmp_path):
    other = SEGMENT | {"speaker": 2, "words": "", "channel": 1}
    path = written(tmp_path, json.dumps([SEGMENT, other], indent=1), "ref.json")
    first, second = read_utterances(path)
    assert (first.start_us, first.end_us, first.speaker) == (100_000, 2_350_000, "A")
    assert second.speaker == "2"
    assert (first.where, second.where) == (f"{path} line 2", f"{path} line 9")
    assert read_utterances(written(tmp_path, "[]", "empty.json")) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("talk 1 A 0 1 a\ntalk 1 A 0\n", "line 2: has 4 fields"),
        ("talk 1 A soon 1 a\n", "line 1: start is 'soon'"),
        ("talk 1 A 0 nan a\n", "line 1: end is 'nan'"),
        ("talk 1 A -1 1 a\n", "line 1: start is -1 s, it must be 0"),
        ("talk 1 A 0 1e99 a\n", "line 1: end is 1e99 s, it must be 0 to"),
        ("talk 1 A 2 1 a\n", "line 1: from 2 s to 1 s"),
        ("talk 1 A 0 1 IGNORE_TIME_SEGMENT_IN_SCORING\n", "line 1: .*not supported"),
        (b"talk 1 A 0 1 \xff\n", "line 1: byte 13 is not UTF-8"),
    ],
)
def test_a_wrong_stm_line_is_named(tmp_path, content, words):
    with pytest.raises(DataError, match=rf"ref\.stm {words}"):
        read_utterances(written(tmp_path, content))


def wrong(**keys):
    return json.dumps([SEGMENT, SEGMENT | keys], indent=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", ": must be a JSON list of segments, it is dict"),
        ("[\n{,\n]", " line 2: not JSON"),
        ("[1] 2", " line 1: not JSON"),
        ("[" * 100_000, ": not JSON"),
        ("[\n\n1]", " line 3: must be an object, it is int"),
        ('[{"speaker": "A"}]', " line 1: session_id is missing"),
        (wrong(words=["a"]), r" line 9: words is \['a'\], it must be text"),
        (wrong(speaker=None), " line 9: speaker is None"),
        (wrong(speaker=True), " line 9: speaker is True"),
        (wrong(start_time=float("nan")), " line 9: start_time is 'NaN'"),
        (wrong(end_time=[]), r" line 9: end_time is \[\]"),
        (wrong(end_time=False), " line 9: end_time is False"),
        (wrong(end_time=0), " line 9: from 0.1 s to 0 s"),
    ],
)
def test_a_wrong_segment_is_named(tmp_path, content, words):
    with pytest.raises(DataError) as caught:
        read_utterances(written(tmp_path, content, "ref.json"))
    assert re.search(rf"ref\.json{words}", str(caught.value)), caught.value


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80) | st.text('[]{},:"0a \n.-e', max_size=40).map(str.encode))
def test_any_bytes_are_utterances_or_an_error_of_ours(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    for name in ("x.stm", "x.json"):
        with contextlib.suppress(DataError):
            read_utterances(written(folder, content, name))


def test_sides_are_paired_by_recording():
    reference = [said("A", "a", session="one"), said("A", "b", session="two")]
    found = paired(reference, [said("1", "b", session="two")])
    assert [item.name for item in found.items] == ["one", "two"]
    assert found.unwritten == ("one",)
    with pytest.raises(DataError, match="here: recording 'three' has no references.*one, two"):
        paired(reference, [said("1", "b", session="three")])
    with pytest.raises(DataError, match="recording 'three' has no references"):
        paired(reference, [], ["three"])


A, B = Stream("translation", "de", "A"), Stream("translation", "de", "B")
ASR = Stream("transcript", "en", "A")


def logged(folder, *events):
    log = RunLog(folder / "log.jsonl")
    stamped = [
        Logged(Stamped(seq, heard_s, heard_s, event), 0, 0)
        for seq, (heard_s, event) in enumerate(events)
    ]
    log.write(RecordingHead("talk", 9_000_000, "word"), stamped, 0)
    return log.path


def test_turns_of_our_log(tmp_path):
    path = logged(
        tmp_path,
        (1.0, Commit(A, "Guten Mor")),
        (1.5, Draft(B, "ja")),
        (2.0, Commit(B, "ja", (1.2, 1.6))),
        (2.0, Commit(ASR, "good")),
        (3.0, Commit(A, "gen zu", (0.8, 2.9))),
        (3.5, Boundary(A, "chunk")),
        (4.0, Commit(A, "sammen.")),
        (4.0, Boundary(A, "sentence")),
        (5.0, Commit(A, " Bis bald.")),
        (6.0, Commit(A, " ")),
    )
    found, names = read_runlog_utterances(path)
    assert names == ["talk"]
    shown = [(item.speaker, item.text, item.start_us, item.end_us) for item in found]
    assert shown == [
        ("A", "Guten Morgen", 800_000, 2_900_000),
        ("B", "ja", 1_200_000, 1_600_000),
        ("A", "zusammen.", 800_000, 4_000_000),
        ("A", "Bis bald.", 5_000_000, 5_000_000),
    ]
    assert found[0].words_us == ((1_000_000, 1_000_000), (800_000, 2_900_000))
    (asr,), _ = read_runlog_utterances(path, "transcript")
    assert (asr.speaker, asr.text) == ("A", "good")


def test_streams_without_a_speaker_are_one_speaker(tmp_path):
    path = logged(tmp_path, (1.0, Commit(Stream("translation", "de"), "Hallo")))
    (found,), _ = read_runlog_utterances(path)
    assert found.speaker == "-"


def test_sentences_without_spaces_stay_apart(tmp_path):
    zh = Stream("translation", "zh", "A")
    events = ((1.0, Commit(zh, "你好")), (1.0, Boundary(zh, "sentence")), (2.0, Commit(zh, "再见")))
    found, _ = read_runlog_utterances(logged(tmp_path, *events), unit="char")
    assert [item.text for item in found] == ["你好", "再见"]


commits = st.tuples(
    st.sampled_from([A, B]), st.text("ab ", max_size=4), st.booleans(), st.integers(0, 9)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(commits, max_size=12))
def test_no_word_is_lost_or_parted(tmp_path_factory, lines):
    events = []
    for stream, text, ends, heard_s in lines:
        events.append((float(heard_s), Commit(stream, text)))
        if ends:
            events.append((float(heard_s), Boundary(stream, "turn")))
    found, _ = read_runlog_utterances(logged(tmp_path_factory.mktemp("run"), *events))
    for stream in (A, B):
        text = "".join(line[1] for line in lines if line[0] == stream)
        words = [w for item in found if item.speaker == stream.speaker for w in item.text.split()]
        assert words == text.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"stamped": {}}', "no recording has begun"),
        ('{"recording": 3}', "recording is 3, it must be an object"),
        (
            '{"recording": {"name": "a", "source_us": 1, "unit": "word", "settled": "shown"}}\n'
            '{"end": "a", "total_us": 0}',
            "settled is 'shown'",
        ),
    ],
)
def test_a_wrong_line_of_our_log_is_named(tmp_path, line, words):
    path = written(tmp_path, f"\n{line}\n", "log.jsonl")
    with pytest.raises(DataError, match=rf"log\.jsonl line 2: .*{words}"):
        read_runlog_utterances(path)


def test_events_that_are_none_and_recordings_twice(tmp_path):
    head = '{"recording": {"name": "a", "source_us": 1, "unit": "word"}}'
    end = '{"end": "a", "total_us": 0}'
    with pytest.raises(EventFormatError):
        loads("{}")
    with pytest.raises(DataError, match=r"line 2: "):
        read_runlog_utterances(written(tmp_path, f'{head}\n{{"stamped": {{}}}}\n', "log.jsonl"))
    with pytest.raises(DataError, match=r"line 3: recording 'a' was there before"):
        read_runlog_utterances(written(tmp_path, f"{head}\n{end}\n" * 2, "log.jsonl"))
