"""References and segments as they really lie on disks: read right, or refused by file and line."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.eval.hypotheses import DataError
from earvoice.eval.lines import read_json_lines, read_lines
from earvoice.eval.references import read_references, read_segments
from tests.eval.test_interop import HEADER, chunk, log

SEGMENTS = [
    {"offset": 0.0, "duration": 2.0, "wav": "a/talk.wav"},
    {"offset": 2.5, "duration": 1.5, "wav": "a/talk.wav"},
]
OPTIONS = ("--log-format", "simulstream", "--segments", "ref.yaml", "--references", "ref.txt")
SCRATCH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path)
    log(tmp_path, *HEADER, chunk(1.0, 0.25, ["eins", "zwei"]), chunk(4.0, 0.25, ["drei"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, segments=SEGMENTS, references="eins zwei\ndrei\n"):
    (folder / "ref.yaml").write_text(json.dumps(segments), encoding="utf-8")
    raw = references if isinstance(references, bytes) else references.encode()
    (folder / "ref.txt").write_bytes(raw)


def scored(capsys, *more, language="de"):
    code = main(
        ["eval", "score", "--log", "instances.log", "--tgt-lang", language, *OPTIONS, *more]
    )
    out, err = capsys.readouterr()
    return code, out, err


def changed(place, **fields):
    return [entry | (fields if i == place else {}) for i, entry in enumerate(SEGMENTS)]


@pytest.mark.parametrize(
    ("segments", "references", "words"),
    [
        (SEGMENTS + SEGMENTS[1:], "a\nb\n", r"ref\.txt has 2 lines, ref\.yaml has 3 .*line 3"),
        (SEGMENTS, "a\nb\nc\n", r"ref\.txt has 3 lines, ref\.yaml has 2 .*line 3"),
        (SEGMENTS, "eins\tzwei\ndrei\n", r"ref\.txt line 1: a tab after 'eins'"),
        (SEGMENTS, b"eins\n\xe4\n", r"ref\.txt line 2: byte 5 is not UTF-8"),
        (changed(1, duration=9.5), "a\nb\n", r"ref\.yaml entry 2: .*ends at 12 s, .*'talk' at 4 s"),
        (changed(0, offset=2500), "a\nb\n", r"ref\.yaml entry 1: .*in seconds\?"),
        (changed(1, wav="b/talk.wav"), "a\nb\n", r"entry 2: wav 'b/talk\.wav' has the same name"),
        (changed(1, wav=""), "a\nb\n", r"entry 2: wav is ''"),
        (changed(1, wav="more.wav"), "a\nb\n", r"ref\.txt line 2: recording 'more' has no hyp"),
        (changed(1, offset=1e300), "a\nb\n", r"entry 2: offset is beyond 1e\+15"),
        (changed(1, offset=10**400), "a\nb\n", r"entry 2: offset is beyond 1e\+15"),
        (changed(1, offset=True), "a\nb\n", r"entry 2: offset is True, it must be a number"),
        (changed(1, duration=None), "a\nb\n", r"entry 2: duration is None"),
    ],
)
def test_refused(folder, capsys, segments, references, words):
    write(folder, segments, references)
    code, _, err = scored(capsys)
    assert code == DataError.exit_code
    assert re.search(words, err), err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {offset: 1\n- [\n", r"ref\.yaml line \d: not YAML"),
        ("- a: 1\n\tb: 2\n", r"ref\.yaml line 2: not YAML"),
        ("- {offset: !!int ''}\n", r"ref\.yaml: not YAML"),
        ("- {offset: 2001-99-99}\n", r"ref\.yaml: not YAML"),
        ("- {? {} : 1}\n", r"ref\.yaml line 1: not YAML"),
        ("- " * 5000, r"ref\.yaml"),
        ("", r"ref\.yaml: must be a list"),
    ],
)
def test_what_is_no_yaml(folder, capsys, text, words):
    (folder / "ref.yaml").write_text(text)
    code, _, err = scored(capsys)
    assert code == DataError.exit_code
    assert re.search(words, err), err


def test_two_hypotheses_of_one_recording_are_named_with_their_lines(folder, capsys):
    second = [line | {"id": 1} for line in HEADER if "id" in line]
    log(folder, *HEADER, chunk(4.0, 0.25, ["drei"]), *second, chunk(4.0, 0.25, ["x"]) | {"id": 1})
    code, _, err = scored(capsys)
    assert code == DataError.exit_code
    assert re.search(r"instances\.log line \d+: 'talk' was already in .* line \d+", err)


def test_byte_order_mark_and_carriage_returns_change_nothing(folder, capsys):
    _, plain, _ = scored(capsys)
    write(folder, SEGMENTS, b"\xef\xbb\xbfeins zwei\r\ndrei\r\n")
    (folder / "ref.yaml").write_bytes(b"\xef\xbb\xbf" + (folder / "ref.yaml").read_bytes())
    assert scored(capsys) == (0, plain, "")


def test_a_little_beyond_the_audio_is_rounding(folder, capsys):
    write(folder, changed(1, duration=2.4))
    code, _, _ = scored(capsys)
    assert code == 0


def test_a_word_that_is_a_sentence_is_named(folder, capsys):
    log(folder, *HEADER, chunk(4.0, 0.25, ["今天" * 150]))
    code, _, err = scored(capsys, "--unit", "word", language="zh")
    assert code == 0
    assert re.search(r"instances\.log line \d+: a word of 300 characters, .*--unit char\?", err)


def test_segments_out_of_order_are_named(folder, capsys):
    write(folder, SEGMENTS[::-1])
    _, _, err = scored(capsys)
    assert "ref.yaml entry 2: begins at 0 s, before the segment above it at 2.5 s" in err


def test_json_is_read_as_json(folder):
    write(folder, changed(0, offset=1e-05))
    assert read_segments(folder / "ref.yaml", folder / "ref.txt")[0].offset_us == 10


def answer(read):
    """What reading gives, or the DataError it raises; anything else fails the test."""
    try:
        return read()
    except DataError as error:
        return error


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
ENTRY = st.fixed_dictionaries(
    {}, optional={"offset": VALUE, "duration": VALUE, "wav": VALUE | st.just("talk.wav")}
)


@SCRATCH
@given(st.lists(ENTRY | VALUE, max_size=3), st.text(max_size=20))
def test_any_segments_are_read_or_refused(tmp_path, segments, references):
    write(tmp_path, segments, references.encode("utf-8", "surrogatepass"))
    found = answer(lambda: read_segments(tmp_path / "ref.yaml", tmp_path / "ref.txt"))
    if isinstance(found, DataError):
        assert str(tmp_path) in str(found)
        assert "\n" not in str(found)
    else:
        assert len(found) == len(segments)


@SCRATCH
@given(st.binary(max_size=60) | st.text("-{}[]:,!&*?|>'\"%@ \nabc01", max_size=40))
def test_any_bytes_are_read_or_refused(tmp_path, raw):
    write(tmp_path)
    path = tmp_path / "ref.yaml"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    for read in (
        lambda: read_segments(path, tmp_path / "ref.txt"),
        lambda: list(read_json_lines(path)),
        lambda: read_references(path),
    ):
        found = answer(read)
        assert not isinstance(found, DataError) or str(path) in str(found)


@SCRATCH
@given(st.lists(st.text(st.characters(exclude_characters="\n\r\t", codec="utf-8"), max_size=8)))
def test_a_line_is_what_a_newline_ends(tmp_path, lines):
    """No other character ends one: not U+2028, not a form feed."""
    path = tmp_path / "lines.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes(b"\xef\xbb\xbf" + "".join(line + end for line in lines).encode())
        assert read_lines(path) == lines
    assert read_references(path) == [line.strip() for line in lines]
