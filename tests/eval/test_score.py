"""From files to figures: references, segments, metrics by name."""

import json
import re

import pytest

from earvoice.cli import main
from earvoice.errors import UsageError
from earvoice.eval.hypotheses import DataError, Hypothesis
from earvoice.eval.references import Segment, read_segments
from earvoice.eval.score import score
from earvoice.eval.scored import is_of_sentences, items_of_recordings
from tests.eval.test_interop import HEADER, INSTANCE, chunk, log

YAML = (
    "- {offset: 0.0, duration: 2.0, wav: talk.wav}\n- {offset: 2.5, duration: 1.5, wav: talk.wav}\n"
)


@pytest.fixture
def long_form(tmp_path):
    log(
        tmp_path,
        *HEADER,
        chunk(1.0, 0.25, ["eins", "zwei"]),
        chunk(3.0, 0.25, ["drei"]),
        chunk(4.0, 0.25, ["vier"]),
    )
    (tmp_path / "ref.yaml").write_text(YAML)
    (tmp_path / "ref.txt").write_text("eins zwei\ndrei vier\n")
    return tmp_path


def scored(folder, *more, capsys):
    code = main(
        [
            *("eval", "score", "--log", str(folder / "instances.log"), "--tgt-lang", "de"),
            *("--json", *more),
        ]
    )
    out, err = capsys.readouterr()
    return code, json.loads(out) if code == 0 else err


LONG = ("--log-format", "simulstream", "--segments", "ref.yaml", "--references", "ref.txt")


def test_long_form(long_form, capsys, monkeypatch):
    monkeypatch.chdir(long_form)
    metrics = "long_yaal,long_laal,long_yaal_ca_queue,bleu,empty_segments"
    code, found = scored(long_form, *LONG, "--metrics", metrics, capsys=capsys)
    assert code == 0
    # First segment: 1 s and 1 s of 2 s; second, from 2.5 s on: 0.5 s, and 1.5 s which is the end.
    assert found["per_item"]["long_yaal"] == [500.0, 500.0]
    assert found["per_item"]["long_laal"] == [500.0, pytest.approx((500 + 1500 - 750) / 2)]
    assert found["metrics"]["long_yaal_ca_queue"] == 750.0
    assert found["metrics"]["empty_segments"] == 0
    assert "tok:13a" in found["signature"]["bleu"]


def test_short_form(tmp_path, capsys):
    log(tmp_path, INSTANCE)
    code, found = scored(tmp_path, "--log-format", "simuleval", capsys=capsys)
    assert code == 0
    assert found["metrics"]["al"] == pytest.approx(1000)
    assert found["metrics"]["dal"] == pytest.approx(1192)
    assert found["metrics"]["end_offset"] == 0


def test_an_empty_output_is_undefined_with_a_reason(tmp_path, capsys):
    log(tmp_path, INSTANCE | {"prediction": "", "delays": [], "elapsed": []})
    code, found = scored(tmp_path, "--log-format", "simuleval", capsys=capsys)
    assert code == 0
    assert found["metrics"]["al"] is None
    assert found["undefined"]["al"] == "nothing was written"
    assert found["metrics"]["bleu"] == 0
    assert found["metrics"]["empty_segments"] == 1


def test_a_clock_the_log_does_not_have_is_undefined(tmp_path, capsys):
    log(tmp_path, INSTANCE | {"elapsed": []})
    arguments = ("--log-format", "simuleval", "--metrics", "al_ca_queue")
    _, found = scored(tmp_path, *arguments, capsys=capsys)
    assert found["metrics"]["al_ca_queue"] is None
    assert "computing" in found["undefined"]["al_ca_queue"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ref.txt": "eins zwei\n"}, r"ref\.txt has 1 lines, .*ref\.yaml has 2 segments; line 2"),
        ({"ref.yaml": YAML.replace("talk", "other")}, "'talk' has no segments; there are other"),
        ({"ref.yaml": YAML + YAML.replace("talk", "b"), "ref.txt": "a\nb\nc\nd\n"}, "'b' has no"),
        ({"ref.yaml": "offset: 1\n"}, "must be a list"),
        ({"ref.yaml": YAML.replace("2.5", "soon")}, "entry 2: offset is 'soon'"),
        ({"ref.yaml": YAML.replace("2.5", "-2.5")}, "entry 2: .*negative"),
        ({"ref.yaml": "- {offset: 0, duration: 1}\n- []\n"}, "entry 1: must have wav"),
        ({"ref.yaml": "- [\n"}, "ref.yaml line 2: not YAML"),
        ({"ref.txt": b"eins\xff\nzwei\n"}, "line 1: byte 4 is not UTF-8"),
    ],
)
def test_wrong_references_are_named(long_form, capsys, monkeypatch, files, words):
    monkeypatch.chdir(long_form)
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (long_form / name).write_bytes(raw)
    code, message = scored(long_form, *LONG, capsys=capsys)
    assert code == DataError.exit_code
    assert re.search(words, message), message


def test_an_unknown_metric_is_answered_with_all_there_are():
    with pytest.raises(UsageError, match="no metric 'speed' for short form; there are bleu"):
        score([], ["speed"], "de", long_form=False)
    with pytest.raises(UsageError, match="no metric 'al_ca_sun'"):
        score([], ["al_ca_sun"], "de", long_form=False)


def test_the_end_of_a_recording_is_the_end_of_its_last_segment(long_form):
    first, second = read_segments(long_form / "ref.yaml", long_form / "ref.txt")
    assert (first.end_us, second.end_us) == (4_000_000, 1_500_000)


def test_a_run_of_sentences_is_short_form_and_matched_by_name(tmp_path):
    """Every recording one segment; the log is in another order than the references."""

    def hypothesis(name, text):
        units = tuple(text.split())
        return Hypothesis(name, "word", units, (1_000_000,) * len(units), 2_000_000, "log")

    def segment(name, reference):
        return Segment(name, 0, 2_000_000, 2_000_000, reference, None, "ref")

    spoken = [hypothesis("b", "vier fünf"), hypothesis("a", "eins zwei")]
    segments = [segment("a", "eins zwei"), segment("b", "vier sechs")]
    assert is_of_sentences(segments)
    first, second = items_of_recordings(spoken, segments)
    assert (first.text, first.reference) == ("eins zwei", "eins zwei")
    assert (second.text, second.reference) == ("vier fünf", "vier sechs")
    assert not is_of_sentences([*segments, segments[0]])
    with pytest.raises(DataError, match="'b' has no hypothesis"):
        items_of_recordings(spoken[1:], segments)
