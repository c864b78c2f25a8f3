"""The log of a simulation: whole recordings only, and equal after any kill."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.errors import UsageError
from earvoice.eval.hypotheses import DataError
from earvoice.eval.runlog import Logged, RecordingHead, RunLog, read_runlog
from earvoice.eval.simulate import Recording, simulate
from earvoice.events import Commit, Stamped, Stream
from earvoice.session import Request
from earvoice.testing import FakeInterpreter, scripted
from tests.eval.sounds import packets

DE = Stream("translation", "de")


def logged(seq, heard_s, text, chunk_us=0, total_us=0, wall_s=None):
    stamped = Stamped(seq, heard_s, heard_s if wall_s is None else wall_s, Commit(DE, text))
    return Logged(stamped, chunk_us, total_us)


def written(path, *events, name="a", unit="word"):
    log = RunLog(path)
    log.write(RecordingHead(name, 3_000_000, unit), events, 0)
    return log


def test_a_word_has_the_time_of_its_last_letter(tmp_path):
    path = tmp_path / "log.jsonl"
    written(
        path,
        logged(0, 1.0, "Guten Mor", 10_000, 10_000, 1.01),
        logged(1, 2.0, "gen zu", 20_000, 30_000, 2.02),
        logged(2, 3.0, "sammen.", 5_000, 35_000, 3.005),
    )
    (found,) = read_runlog(path)
    assert found.units == ("Guten", "Morgen", "zusammen.")
    assert found.delays_us == (1_000_000, 2_000_000, 3_000_000)
    assert found.clocks["queue"] == (1_010_000, 2_020_000, 3_005_000)
    assert found.clocks["simuleval"] == (1_010_000, 2_030_000, 3_035_000)
    assert found.clocks["chunk"] == (1_010_000, 2_020_000, 3_005_000)


def test_characters_have_their_own_times(tmp_path):
    path = tmp_path / "log.jsonl"
    written(path, logged(0, 1.0, "你"), logged(1, 2.0, " 好"), unit="char")
    (found,) = read_runlog(path)
    assert found.units == ("你", "好")
    assert found.delays_us == (1_000_000, 2_000_000)
    assert found.text == "你好"


def test_nothing_written_is_a_hypothesis_too(tmp_path):
    path = tmp_path / "log.jsonl"
    written(path)
    (found,) = read_runlog(path)
    assert found.units == ()


RECORDINGS = [
    Recording(RecordingHead(name, round(seconds * 1e6), "word"), lambda s=seconds: packets(s))
    for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 0.5))
]
SCRIPT = scripted([(0.5, "Guten"), (0.9, "Tag"), (1.6, "zusammen")])


def run(path, streams=1, clock="ideal", recordings=RECORDINGS):
    simulate(
        FakeInterpreter(SCRIPT),
        recordings,
        Request("en", "de"),
        RunLog(path),
        streams=streams,
        clock=clock,
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return run(tmp_path_factory.mktemp("run") / "log.jsonl")


def test_streams_together_write_the_same_log(tmp_path, unbroken):
    assert run(tmp_path / "log.jsonl", streams=2) == unbroken


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_kill_at_any_byte_changes_nothing(data, tmp_path_factory, unbroken):
    path = tmp_path_factory.mktemp("killed") / "log.jsonl"
    path.write_bytes(unbroken[: data.draw(st.integers(0, len(unbroken)))])
    assert run(path) == unbroken


def test_the_wall_clock_queues(tmp_path):
    run(tmp_path / "log.jsonl", clock="wall")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    stamped = [line for line in lines if "stamped" in line]
    assert stamped
    for line in stamped:
        assert line["stamped"]["wall_s"] >= line["stamped"]["heard_s"] - 1e-9
    found = {item.name: item for item in read_runlog(tmp_path / "log.jsonl")}
    for queue, piled in zip(
        found["b"].clocks["queue"], found["b"].clocks["simuleval"], strict=True
    ):
        assert queue <= piled + 1


def test_several_streams_on_the_wall_clock_are_refused(tmp_path):
    with pytest.raises(UsageError, match="streams is 2"):
        run(tmp_path / "log.jsonl", streams=2, clock="wall")
    with pytest.raises(UsageError, match="clock is 'sun'"):
        run(tmp_path / "log.jsonl", clock="sun")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"stamped": {}}', "no recording has begun"),
        ('{"recording": {"title": "x"}}', "recording"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, words):
    path = tmp_path / "log.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=rf"log\.jsonl line 2: .*{words}"):
        read_runlog(path)
