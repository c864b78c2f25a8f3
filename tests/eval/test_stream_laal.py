"""StreamLAAL: equal to simulstream's on logs of our own making, and beside LongYAAL."""

import json
from pathlib import Path

import pytest

from earvoice.cli import main
from earvoice.eval.interop import read_simulstream
from earvoice.eval.references import read_segments
from earvoice.eval.score import compute, items_of_segments
from earvoice.eval.scored import Scored

CASES = json.loads((Path(__file__).parent / "stream_laal.json").read_text(encoding="utf-8"))


def files(folder, case):
    lines = [json.dumps(line, ensure_ascii=False) for line in case["log"]]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "ref.yaml").write_text(json.dumps(case["segments"]))
    (folder / "ref.txt").write_text("\n".join(case["references"]) + "\n", encoding="utf-8")


def computed(folder, case):
    files(folder, case)
    hypotheses = read_simulstream(folder / "log.jsonl", case["unit"])
    segments = read_segments(folder / "ref.yaml", folder / "ref.txt")
    items = items_of_segments(hypotheses, segments)
    names = ("stream_laal", "stream_laal_ca_chunk")
    return compute(Scored(items, "long", "de", hypotheses, segments), names)


def test_equal_to_simulstream(tmp_path):
    assert {case["unit"] for case in CASES} == {"word", "char"}
    for case in CASES:
        found = computed(tmp_path, case).metrics
        expected = {key: 1000 * value for key, value in case["answer"].items()}
        assert found["stream_laal"] == pytest.approx(expected["ideal"], abs=1e-6)
        assert found["stream_laal_ca_chunk"] == pytest.approx(expected["chunk"], abs=1e-6)


def test_each_metric_names_its_segmenter(tmp_path, capsys):
    files(tmp_path, CASES[0])
    arguments = ["--log", str(tmp_path / "log.jsonl"), "--log-format", "simulstream"]
    arguments += ["--segments", str(tmp_path / "ref.yaml"), "--tgt-lang", "de", "--json"]
    arguments += ["--references", str(tmp_path / "ref.txt")]
    code = main(["eval", "score", *arguments, "--metrics", "stream_laal,long_yaal"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert "segmenter:mwer" in found["signature"]["stream_laal"]
    assert "segmenter:soft" in found["signature"]["long_yaal"]
    assert len(found["per_item"]["stream_laal"]) == len(CASES[0]["segments"])


def test_an_empty_output_is_undefined(tmp_path):
    case = dict(CASES[0])
    case["log"] = [
        line | {"generated_tokens": [], "deleted_tokens": []}
        if "computation_time" in line
        else line
        for line in case["log"]
    ]
    found = computed(tmp_path, case)
    assert found.metrics["stream_laal"] is None
    assert found.undefined["stream_laal"] == "nothing was written"
