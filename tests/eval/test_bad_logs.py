"""Logs and what lies beside them, wrong in every way we know: one line, its place, its exit code.

Every case runs the real command in this process, so that a traceback would fail the test.
"""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.eval.chunks import read_cuts
from earvoice.eval.hypotheses import DataError
from earvoice.eval.interop import read_simuleval, read_simulstream
from earvoice.eval.runlog import read_recordings
from earvoice.eval.speakers.reading import read_utterances
from earvoice.eval.terms import read_glossary
from tests.eval.made_runs import made_run
from tests.eval.test_bad_input import VALUE, answer
from tests.eval.test_interop import HEADER, INSTANCE, chunk, log

SCRATCH = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fails(capsys):
    """Runs a command that must fail; gives the one line it says."""

    def run(*arguments, code=DataError.exit_code):
        found = main(["eval", *map(str, arguments), "--tgt-lang", "de"])
        out, err = capsys.readouterr()
        assert (found, out) == (code, ""), err
        assert err.startswith("earvoice: error: ")
        assert err.count("\n") == 1
        return err

    return run


SIMULEVAL = ("score", "--log", "instances.log", "--log-format", "simuleval")
SIMULSTREAM = ("score", "--log", "instances.log", "--log-format", "simulstream")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delays": [1000, 1000, 2000, 3700, -1]}, r"delays\[4\] is -1.*, it must be 0 or more"),
        ({"delays": [1, 2, 3, 4, float("nan")]}, r"delays\[4\]: value is nan, it must be finite"),
        ({"delays": [1, 2, 3, 4, 10**400]}, r"delays\[4\]: value is beyond"),
        ({"delays": [1, 2, 3, 4], "elapsed": []}, r"5 words and 4 delays; .*--unit\?\)"),
        ({"delays": None}, r"delays is NoneType, it must be a list of numbers"),
        ({"elapsed": [-1.0] * 5}, r"elapsed\[0\] is -1\.0, it must be 0 or more"),
        ({"elapsed": "soon"}, r"elapsed is str"),
        ({"source_length": -1.0}, r"source_length is -1\.0, it must be 0 or more"),
        ({"source_length": True}, r"source_length is True, it must be a number"),
        ({"prediction": "eins \ud800 drei vier f"}, r"prediction holds a lone surrogate"),
        ({"reference": "\udfff"}, r"reference holds a lone surrogate"),
        ({"reference": 7}, r"no reference; name a file with --references"),
        ({"source": [3], "index": 1, "reference": None}, r"no reference"),
    ],
)
def test_a_wrong_instance(folder, fails, change, words):
    other = INSTANCE | {"source": ["b.wav"]} | change
    (folder / "instances.log").write_text(json.dumps(INSTANCE) + "\n" + json.dumps(other) + "\n")
    assert re.search(r"instances\.log line 2: .*" + words, fails(*SIMULEVAL))


def test_two_hypotheses_of_one_recording_in_short_form(folder, fails):
    log(folder, INSTANCE, INSTANCE)
    err = fails(*SIMULEVAL)
    assert "instances.log line 2: 'a' was already in instances.log line 1" in err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*HEADER, chunk(1.0, -0.1, ["a"])], r"line 3: computation_time is -0\.1, .* 0 or more"),
        ([*HEADER, chunk(-1.0, 0.1)], r"line 3: total_audio_processed is -1\.0, .* 0 or more"),
        ([*HEADER, chunk(float("inf"), 0.1)], r"line 3: total_audio_processed is inf, .* finite"),
        ([*HEADER, chunk(1.0, 0.1) | {"generated_tokens": [1]}], r"generated_tokens\[0\].* text"),
        ([*HEADER, chunk(1.0, 0.1) | {"deleted_tokens": "x"}], r"deleted_tokens is 'x', it must"),
        ([*HEADER, chunk(1.0, 0.1, ["\ud800"])], r"line 3: generated_tokens\[0\].* lone surrogate"),
        ([*HEADER, HEADER[1]], r"line 3: .talk. was already in instances\.log line 2"),
        ([{"id": []}], r"line 1: id is \[\], it must be a number or text"),
        ([INSTANCE], r"line 1: id is missing"),
        ([{"model_loading_time": 1.0}], r"instances\.log: no recordings"),
    ],
)
def test_a_wrong_simulstream_log(folder, fails, lines, words):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "instances.log").write_text(text)
    assert re.search(words, fails(*SIMULSTREAM))


HEAD = {"name": "a", "source_us": 3_000_000, "unit": "word"}
END = {"end": "a", "total_us": 0}
STAMPED = {"seq": 0, "heard_s": 1.0, "wall_s": 1.0, "event": {"type": "finished"}}
EVENT = {"stamped": STAMPED, "chunk_us": 0, "total_us": 0}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"recording": HEAD | {"source_us": "long"}}], r"line 1: source_us is 'long', it must be"),
        (
            [{"recording": HEAD | {"source_us": -1}}],
            r"line 1: source_us is -1, it must be 0 or mor",
        ),
        ([{"recording": HEAD | {"name": 3}}], r"line 1: recording: name is 3, it must be text"),
        ([{"recording": HEAD | {"unit": "line"}}], r"unit is 'line', it must be word or char"),
        ([{"recording": HEAD | {"unit": []}}], r"unit is \[\], it must be word or char"),
        ([{"recording": HEAD | {"settled": 1}}], r"settled is 1, it must be commit or shown"),
        ([{"recording": {"name": "a", "unit": "word"}}], r"recording: source_us is missing; there"),
        ([{"recording": HEAD | {"title": ""}}], r"recording: title is unknown; there are name"),
        ([{"recording": []}], r"line 1: recording is \[\], it must be an object"),
        ([{"recording": HEAD}, {"recording": HEAD}], r"line 2: recording 'a' .* has no end before"),
        ([{"recording": HEAD}, END | {"end": "b"}], r"line 2: end is 'b', it must be 'a'"),
        ([{"recording": HEAD}, END | {"total_us": None}], r"line 2: total_us is None"),
        (
            [{"recording": HEAD}, END, {"recording": HEAD}],
            r"line 3: recording 'a' was there before",
        ),
        ([{"recording": HEAD}, {"chunk_us": 1}], r"line 2: it must have recording, stamped or end"),
        ([{"recording": HEAD}, EVENT | {"chunk_us": -1}], r"line 2: chunk_us is -1, it must be 0"),
        ([{"recording": HEAD}, EVENT | {"stamped": 1}], r"line 2: stamped: expected an object"),
        (
            [{"recording": HEAD}, EVENT | {"stamped": STAMPED | {"heard_s": float("nan")}}],
            r"line 2: event: NaN is not a JSON number",
        ),
        (
            [{"recording": HEAD}, EVENT | {"stamped": STAMPED | {"heard_s": -1.0}}],
            r"line 2: Stamped\.heard_s is -1\.0, it must be 0 s or more",
        ),
        ([INSTANCE], r"line 1: no recording has begun; is it a log of .*--log-format"),
        ([], r"log\.jsonl: no recordings"),
    ],
)
def test_a_wrong_log_of_ours(folder, fails, lines, words):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text)
    assert re.search(r"log\.jsonl.*" + words.removeprefix("log\\.jsonl"), fails("score", "."))


@pytest.mark.parametrize("action", ["score", "compare", "regime", "report", "export"])
def test_a_run_that_is_not_there(folder, fails, action, capsys):
    more = {"report": ["--out", "r.html"], "export": ["--to", "simuleval", "--out", "e"]}
    err = fails(action, "none", *more.get(action, ()))
    assert "cannot read none" in err
    assert "No such file" in err


@pytest.mark.parametrize("action", ["score", "compare", "regime", "report"])
def test_what_lies_in_a_run(folder, fails, action):
    more = ("--out", "r.html") if action == "report" else ()
    run = made_run(folder / "run", talks=2)
    whole = (run / "references.txt").read_bytes()
    for raw, words in (
        (whole + b"mehr\n", r"references\.txt has 9 lines, run/segments\.yaml has 8 segments; lin"),
        (whole.replace(b" ", b"\t", 1), r"references\.txt line 1: a tab after"),
        (b"\xff" + whole, r"references\.txt line 1: byte 0 is not UTF-8"),
        (b"", r"references\.txt has 0 lines"),
    ):
        (run / "references.txt").write_bytes(raw)
        assert re.search(words, fails(action, "run", *more))
    (run / "references.txt").unlink()
    assert "run: has segments.yaml and no references.txt" in fails(action, "run", *more)
    (run / "references.txt").write_bytes(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n"))
    (run / "run.json").write_text('{\n"model": }')
    assert re.search(r"run\.json line 2: not JSON", fails(action, "run", *more))


def test_lines_and_recordings_of_short_form_are_paired_by_place(folder, fails):
    log(folder, INSTANCE, INSTANCE | {"source": ["b.wav"]})
    (folder / "ref.txt").write_text("eins\n")
    named = (*SIMULEVAL, "--references", "ref.txt")
    assert "ref.txt has 1 lines, there are 2 recordings; instances.log line 2 has no" in fails(
        *named
    )
    (folder / "ref.txt").write_text("eins\nzwei\ndrei\n")
    assert "ref.txt line 3: has no partner; there are 2 recordings" in fails(*named)
    (folder / "src.txt").write_text("")
    assert "src.txt has 0 lines" in fails(*SIMULEVAL, "--sources", "src.txt")


def test_a_segment_beyond_the_audio_in_short_form(folder, fails):
    log(folder, {"recording": HEAD}, END).rename(folder / "log.jsonl")
    (folder / "segments.yaml").write_text("- {offset: 0, duration: 9, wav: a.wav}\n")
    (folder / "references.txt").write_text("ja\n")
    assert "segments.yaml entry 1: the segment ends at 9 s, recording 'a' at 3 s" in fails(
        "score", "."
    )


@pytest.mark.parametrize(
    ("delays", "words"),
    [
        ([1, 2, 3, 4, 9e6], r"line 1: a delay is 9e\+06 ms, the source ends at 3700 ms"),
        ([1, 2, 3, 2, 4], r"line 1: delay 4 is 2 ms, less than the one before, 3 ms"),
    ],
)
@pytest.mark.parametrize("action", ["score", "compare"])
def test_delays_that_nobody_can_mean_are_warned_of(folder, capsys, delays, words, action):
    log(folder, INSTANCE | {"delays": delays, "elapsed": []})
    name = ("--log",) if action == "score" else ()
    arguments = [*name, "instances.log", "--log-format", "simuleval", "--tgt-lang", "de"]
    assert main(["eval", action, *arguments]) == 0
    err = capsys.readouterr().err
    assert re.search(r"warning: instances\.log " + words, err)
    assert len(re.findall(r"line 1: (?:a )?delay", err)) == 1


@pytest.mark.parametrize(
    ("option", "text", "code", "words"),
    [
        ("--terms", "src\ttrg\tsegment\na\tb\t" + "9" * 5000 + "\n", 7, r"terms line 2: segment"),
        ("--terms", "a\n", 7, r"terms line 1: 1 columns, there must be src and trg"),
        ("--terms", "", 7, r"terms: no terms"),
        ("--words", b'\xff{"id": 1}\n', 2, r"words line 1 is not a talk: 'utf-8' codec"),
        ("--words", b"[]\n", 2, r"words line 1 is not a talk"),
        ("--chunks", '{"recording": "a", "cuts_s": [NaN]}\n', 7, r"chunks line 1: cuts_s must be"),
        ("--chunks", '{"recording": 1, "cuts_s": []}\n', 7, r"chunks line 1: recording is 1, it"),
        ("--speakers", "a 1 A x 2 ja\n", 7, r"speakers line 1: start is 'x'"),
    ],
)
@pytest.mark.parametrize("action", ["score", "compare"])
def test_what_lies_beside_a_run(folder, fails, action, option, text, code, words):
    made_run(folder / "run", talks=1)
    path = folder / option.removeprefix("--")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert re.search(words, fails(action, "run", option, path.name, code=code))


def mutated(objects):
    """The lines of a log with any value in the place of any field, or a field more or less."""

    def changed(draw):
        lines = json.loads(json.dumps(objects))
        for _ in range(draw(st.integers(0, 3))):
            inside = draw(st.sampled_from(lines))
            while isinstance(inside, dict) and inside:
                key = draw(st.sampled_from(sorted(inside)))
                if not isinstance(inside[key], dict) or draw(st.booleans()):
                    inside[key] = draw(VALUE)
                    break
                inside = inside[key]
        return lines

    return st.composite(changed)()


LOGS = {
    read_simuleval: [INSTANCE, INSTANCE],
    read_simulstream: [*HEADER, chunk(1.0, 0.1, ["a"]), chunk(2.0, 0.1, ["b"], ["a"])],
    read_recordings: [{"recording": HEAD}, EVENT, END],
}
LISTS = {
    read_glossary: [{"src": "a", "trg": "b", "recording": "r", "segment": 1}],
    read_cuts: [{"recording": "a", "cuts_s": [1.0]}],
}


@SCRATCH
@given(data=st.data())
@pytest.mark.parametrize("read", [*LOGS, *LISTS], ids=lambda read: read.__name__)
def test_any_fields_are_read_or_refused(tmp_path, data, read):
    lines = data.draw(mutated({**LOGS, **LISTS}[read]))
    path = tmp_path / "log"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    unit = ("word",) if read in (read_simuleval, read_simulstream) else ()
    found = answer(lambda: read(path, *unit))
    if isinstance(found, DataError):
        assert str(found).startswith(str(path))
        assert "\n" not in str(found)


@SCRATCH
@given(raw=st.binary(max_size=60) | st.text("a1\t \n{}[]:\",.-<>;'", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path, raw):
    for name in ("x.stm", "x.json"):
        path = tmp_path / name
        path.write_bytes(raw)
        readers = [read_utterances, read_glossary, read_cuts, read_recordings]
        for read in readers:
            found = answer(lambda read=read, path=path: read(path))
            assert not isinstance(found, DataError) or str(path) in str(found)
