"""What was withdrawn, when the first word came, what computing cost: by hand, and by properties."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.eval.behaviour import percentile_ms
from earvoice.eval.history import (
    HISTORIES,
    history_of_runlog,
    history_of_simulstream,
    settle,
)
from earvoice.eval.hypotheses import DataError
from earvoice.eval.runlog import Logged, RecordingHead, RunLog, read_runlog
from earvoice.eval.score import Scored, compute, items_of_sentences
from earvoice.events import Commit, Draft, Stamped, Stream
from tests.eval.test_interop import HEADER, INSTANCE, chunk, log

DE = Stream("translation", "de")


def said(*events, chunk_us=0):
    """Events as (seconds, "c" or "d", text)."""
    kinds = {"c": Commit, "d": Draft}
    return [
        Logged(Stamped(seq, at_s, at_s, kinds[kind](DE, text)), chunk_us, chunk_us * (seq + 1))
        for seq, (at_s, kind, text) in enumerate(events)
    ]


def history(tmp_path, *events, total_us=0):
    path = tmp_path / "log.jsonl"
    RunLog(path).write(RecordingHead("a", 4_000_000, "word"), said(*events), total_us)
    (found,) = history_of_runlog(path)
    return found


def test_what_a_draft_withdraws(tmp_path):
    found = settle(
        history(
            tmp_path,
            (1.0, "d", "Guten Tsg"),
            (2.0, "d", "Guten Tag zu"),  # one word changed
            (3.0, "c", "Guten Tag"),  # one word gone
            (4.0, "c", " zusammen"),
        ),
        "word",
    )
    assert found.units == ("Guten", "Tag", "zusammen")
    assert found.withdrawn == 2
    assert found.settled_us == (1_000_000, 2_000_000, 4_000_000)


def test_a_word_that_grows_is_not_withdrawn_and_settles_when_it_is_whole(tmp_path):
    found = settle(history(tmp_path, (1.0, "c", "zus"), (2.0, "c", "ammen ja")), "word")
    assert (found.units, found.withdrawn) == (("zusammen", "ja"), 0)
    assert found.settled_us == (2_000_000, 2_000_000)


def test_a_commit_and_the_draft_after_it_are_one_step(tmp_path):
    """Between the two events of one push nobody saw the draft vanish."""
    found = settle(
        history(
            tmp_path,
            (1.0, "d", "eins zwei"),
            (2.0, "c", "eins"),
            (2.0, "d", " zwei drei"),
            (3.0, "c", " zwei drei"),
        ),
        "word",
    )
    assert found.withdrawn == 0
    assert found.settled_us == (1_000_000, 1_000_000, 2_000_000)


def test_simulstream_counts_as_its_log_says(tmp_path):
    path = log(
        tmp_path,
        *HEADER,
        chunk(1.0, 0.25, ["eins", "zwo"]),
        chunk(2.0, 1.5, ["zwei"], ["zwo"]),
        chunk(3.0, 0.25),
    )
    (found,) = history_of_simulstream(path)
    settled = settle(found, "word")
    assert (settled.units, settled.withdrawn) == (("eins", "zwei"), 1)
    assert settled.settled_us == (1_250_000, 3_500_000)  # the queue's clock
    assert (found.compute_us, found.source_us) == (2_000_000, 3_000_000)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"id": 0, "metadata": 3}], "line 1: metadata must be"),
        ([chunk(1.0, 0.1, ["a"])], "line 1: id 0 has no metadata"),
        ([*HEADER, chunk(1.0, 0.1, ["a"], ["b"])], "line 3: 1 deleted_tokens, only 0 stand"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        history_of_simulstream(log(tmp_path, *lines))


WORDS = st.lists(st.sampled_from(["ja", "jaja", "nein", "n"]), max_size=4).map(" ".join)


@given(st.lists(st.tuples(st.sampled_from("cd"), WORDS), max_size=12))
def test_what_remains_is_what_was_committed_and_nothing_else_when_no_draft_is_left(
    tmp_path_factory, steps
):
    events = [(1.0 + i, kind, f"{text} ") for i, (kind, text) in enumerate(steps)]
    events.append((99.0, "c", "Ende"))
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    RunLog(path).write(RecordingHead("a", 1, "word"), said(*events), 0)
    (found,) = history_of_runlog(path)
    (hypothesis,) = read_runlog(path)
    settled = settle(found, "word")
    assert settled.units == hypothesis.units
    assert list(settled.settled_us) == sorted(settled.settled_us)
    assert all(a <= b for a, b in zip(settled.settled_us, hypothesis.delays_us, strict=True))
    if all(kind == "c" for kind, _ in steps):
        assert settled.withdrawn == 0
        assert settled.settled_us == hypothesis.delays_us


def figures(tmp_path, capsys, names, *instances, more=()):
    log(tmp_path, *instances)
    arguments = ["eval", "score", "--log", str(tmp_path / "instances.log"), "--json"]
    arguments += ["--log-format", "simuleval", "--tgt-lang", "de", "--metrics", names, *more]
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_log_that_only_appends(tmp_path, capsys):
    found = figures(tmp_path, capsys, "erasure,first_output,rtf", INSTANCE)
    assert found["metrics"]["erasure"] == 0
    assert found["metrics"]["first_output"] == 1100.5  # the queue's clock, which the log has
    assert found["metrics"]["rtf"] == pytest.approx(250.5 / 3700)
    assert "to-the-last-unit" in found["signature"]["rtf"]


def test_what_the_log_does_not_say_has_a_reason(tmp_path, capsys):
    empty = INSTANCE | {"prediction": "", "delays": [], "elapsed": []}
    found = figures(tmp_path, capsys, "erasure,first_output,rtf,swf,degenerate", empty)
    assert set(found["metrics"].values()) == {None}
    assert found["undefined"]["erasure"] == "nothing was written"
    assert "computing" in found["undefined"]["rtf"]


def test_a_run_with_drafts(tmp_path):
    path = tmp_path / "log.jsonl"
    runs = RunLog(path)
    runs.write(
        RecordingHead("a", 4_000_000, "word"),
        said((1.0, "d", "zwo"), (2.0, "c", "zwei"), (3.0, "c", " drei")),
        2_000_000,
    )
    runs.write(RecordingHead("b", 4_000_000, "word"), said((1.5, "c", "vier")), 1_000_000)
    hypotheses = read_runlog(path)
    scored = Scored(
        items_of_sentences(hypotheses, ["zwei drei", "vier"]),
        "short",
        "de",
        hypotheses,
        extras={HISTORIES: lambda: history_of_runlog(path)},
    )
    found = compute(scored, ["erasure", "first_output", "first_output_p95", "rtf"])
    assert found.metrics["erasure"] == pytest.approx(1 / 3)
    assert found.per_item["erasure"] == [0.5, 0.0]
    assert found.metrics["first_output"] == 1750.0  # 2 s, since "zwo" was withdrawn, and 1.5 s
    assert found.metrics["first_output_p95"] == pytest.approx(1975)
    assert found.metrics["rtf"] == 3 / 8


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30), st.integers(0, 100))
def test_a_percentile_lies_between_its_neighbours(values, percent):
    found = percentile_ms(values, percent)
    assert min(values) / 1000 <= found <= max(values) / 1000
    assert percentile_ms(values, 0) == min(values) / 1000
    assert percentile_ms(values, 100) == max(values) / 1000


ANSWERS = json.loads(
    Path(__file__).with_name("simulstream_behaviour.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("index", range(len(ANSWERS)))
def test_equal_to_simulstream(tmp_path, capsys, index):
    """Figures that `tests/reference/simulstream_behaviour.py` wrote down."""
    answer = ANSWERS[index]
    path = log(tmp_path, *answer["log"])
    references = tmp_path / "references.txt"
    references.write_text("ja\nnein\n")
    arguments = ["eval", "score", "--log", str(path), "--log-format", "simulstream", "--json"]
    arguments += ["--tgt-lang", "de", "--unit", answer["unit"], "--metrics", "erasure,rtf"]
    assert main([*arguments, "--references", str(references)]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert found == pytest.approx(answer["answers"], abs=1e-6)
    assert found["erasure"] > 0


def test_a_policy_that_writes_all_at_the_end_but_for_one_word_is_degenerate(tmp_path, capsys):
    # One word of five before the end of 3.7 s, at 0.1 s: 20 % against (3.7 - 0.1) / 3.7 = 97 %.
    late = INSTANCE | {"delays": [100, 3700, 3700, 3700, 3700], "elapsed": []}
    found = figures(tmp_path, capsys, "swf,efsw,degenerate", late)
    assert found["metrics"]["swf"] == 20
    assert found["metrics"]["efsw"] == pytest.approx(100 * 3600 / 3700)
    assert found["metrics"]["degenerate"] == 1
    even = INSTANCE | {"delays": [700, 1400, 2100, 2800, 3700], "elapsed": []}
    assert figures(tmp_path, capsys, "degenerate", even)["metrics"]["degenerate"] == 0


def test_the_wrong_unit_is_noticed(tmp_path, capsys):
    chinese = INSTANCE | {"reference": "今天我们讨论翻译", "source_length": 3700.0, "elapsed": []}
    log(tmp_path, chinese | {"prediction": "今天我们讨论", "delays": [3700]})
    arguments = ["eval", "score", "--log", str(tmp_path / "instances.log"), "--tgt-lang", "zh"]
    arguments += ["--log-format", "simuleval", "--metrics", "al"]
    assert main([*arguments, "--unit", "word"]) == 0
    assert "0.27 words per second" in capsys.readouterr().err
    log(tmp_path, chinese | {"prediction": "今天我们讨论", "delays": [3700] * 6})
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""
