"""What we write for other tools, our readers read back exactly."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.eval.hypotheses import DataError
from earvoice.eval.interop import (
    read_simuleval,
    read_simulstream,
    write_simuleval,
    write_simulstream,
)
from earvoice.eval.runlog import RunLog, read_recordings
from earvoice.eval.written import hypothesis_of
from tests.eval.made_corpus import corpus, simulated
from tests.eval.made_runlogs import recorded
from tests.eval.test_runlog import DE, logged

UNITS = st.sampled_from(["word", "char"])


@given(recorded(), UNITS)
def test_simulstream_and_back(tmp_path_factory, made, unit):
    # A simulstream log says by U+2581 that its tokens are pieces of words; ours are whole.
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    want = hypothesis_of(made, unit)
    if any("\u2581" in word for word in want.units):
        return
    if made.head.settled == "shown" and any(
        "\u2581" in getattr(event.stamped.event, "text", "") for event in made.events
    ):
        return
    write_simulstream(path, [made, replace(made, head=replace(made.head, name="b"))], unit)
    first, second = read_simulstream(path, unit)
    for found, name in ((first, "a"), (second, "b")):
        clocks = dict(want.clocks) if want.units else {}
        assert (found.name, found.units, found.delays_us) == (name, want.units, want.delays_us)
        assert found.source_us == want.source_us
        assert dict(found.clocks) == clocks


@given(recorded(), UNITS)
def test_simuleval_and_back(tmp_path_factory, made, unit):
    path = tmp_path_factory.mktemp("log") / "instances.log"
    want = hypothesis_of(made, unit)
    write_simuleval(path, [want], {"a": " zwei  Wörter\n"})
    (found,) = read_simuleval(path, unit)
    assert (found.name, found.units, found.delays_us) == ("a", want.units, want.delays_us)
    assert (found.source_us, found.reference) == (want.source_us, "zwei Wörter")
    if any(found.clocks):
        assert found.clocks["simuleval"] == want.clocks["simuleval"]


@given(recorded())
def test_a_log_and_back(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    RunLog(path).write(made.head, made.events, made.total_us)
    (found,) = read_recordings(path)
    assert (found.head, found.events, found.total_us) == (made.head, made.events, made.total_us)


@pytest.mark.parametrize("name", ["", "a/b", " a"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    path = tmp_path / "log.jsonl"
    RunLog(path).write(replace(_head(), name=name), [logged(0, 1.0, "Tag")], 0)
    hypothesis = hypothesis_of(read_recordings(path)[0])
    with pytest.raises(DataError, match="cannot be told by a file name"):
        write_simuleval(tmp_path / "out", [hypothesis], {name: "x"})


def _head():
    from earvoice.eval.runlog import RecordingHead

    return RecordingHead("a", 1_000_000, "word")


def test_pieces_of_words_are_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [
        {"id": 0, "metadata": {"wav_name": "x/talk.wav"}},
        *(
            {
                "id": 0,
                "total_audio_processed": heard,
                "computation_time": 0,
                "generated_tokens": new,
                "deleted_tokens": gone,
            }
            for heard, new, gone in [
                (1.0, ["\u2581Mor", "gen"], []),
                (2.0, ["\u2581zu", "samm"], []),
                (3.0, ["\u2581da"], []),
                (4.0, [], ["\u2581da"]),
                (5.0, [], ["samm"]),
                (6.0, ["\u2581ja", "."], []),
            ]
        ),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = read_simulstream(path, "word")
    assert found.units == ("Morgen", "zu", "ja.")
    assert found.delays_us == (1_000_000, 5_000_000, 6_000_000)
    (found,) = read_simulstream(path, "char")
    assert found.text == "Morgenzuja."


def test_the_command_writes_what_the_tools_want(model, tmp_path, capsys):
    run = simulated(corpus(tmp_path / "data"), tmp_path / "run", "--model", model)
    for tool, names in (
        ("simuleval", {"instances.log", "config.yaml"}),
        ("simulstream", {"metrics.jsonl", "eval.yaml"}),
    ):
        out = tmp_path / tool
        capsys.readouterr()
        assert main(["eval", "export", str(run), "--to", tool, "--out", str(out)]) == 0
        found = {path.name for path in out.iterdir()}
        assert found == names | {"segments.yaml", "references.txt"}
        assert tool in capsys.readouterr().out
    note = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**note, "tgt_lang": "zh"}))
    assert main(["eval", "export", str(run), "--to", "simulstream", "--out", str(out)]) == 0
    assert "char" in (out / "eval.yaml").read_text(), "the run's own language says the unit"
    assert main(["eval", "export", str(run), "--to", "simuleval", "--out", str(run)]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["eval", "export", str(tmp_path / "empty"), "--to", "simuleval", "--out", "x"]) == 7


def test_a_withdrawn_word_counts_from_when_it_came_back(tmp_path):
    from earvoice.events import Draft

    def draft(seq, heard_s, text):
        event = logged(seq, heard_s, "")
        return replace(event, stamped=replace(event.stamped, event=Draft(DE, text)))

    path = tmp_path / "log.jsonl"
    events = [
        draft(0, 1.0, "eins zwo"),
        draft(1, 2.0, "eins zwei drei"),
        draft(2, 3.0, "eins"),
        draft(3, 3.0, "eins zwei"),
        logged(4, 4.0, "eins zwei"),
    ]
    RunLog(path).write(replace(_head(), settled="shown"), events, 0)
    (made,) = read_recordings(path)
    assert hypothesis_of(made).delays_us == (1_000_000, 3_000_000)
    write_simulstream(tmp_path / "out", [made], "word")
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()][2:]
    assert [(line["generated_tokens"], line["deleted_tokens"]) for line in lines] == [
        (["eins", "zwo"], []),
        (["zwei", "drei"], ["zwo"]),
        (["zwei"], ["zwei", "drei"]),
        ([], []),
        ([], []),
    ]
    committed = replace(made, head=replace(made.head, settled="commit"))
    assert hypothesis_of(committed).delays_us == (4_000_000, 4_000_000)
