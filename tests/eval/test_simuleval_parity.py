"""Figures equal to SimulEval 1.1.4's, which `tests/reference/simuleval_answers.py` wrote down."""

import json
from pathlib import Path

import pytest

from earvoice.cli import main

ANSWERS = json.loads(Path(__file__).with_name("simuleval.json").read_text(encoding="utf-8"))
LOGS = {log["name"]: log for log in ANSWERS["logs"]}


@pytest.fixture
def scored(tmp_path, capsys):
    def score(log, metrics):
        path = tmp_path / "instances.log"
        lines = (json.dumps(item, ensure_ascii=False) for item in log["instances"])
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        arguments = ["eval", "score", "--log", str(path), "--log-format", "simuleval", "--json"]
        language = "de" if log["unit"] == "word" else "zh"
        assert main([*arguments, "--tgt-lang", language, "--metrics", ",".join(metrics)]) == 0
        return json.loads(capsys.readouterr().out)

    return score


@pytest.mark.parametrize("name", LOGS)
def test_every_item_and_every_mean(scored, name):
    answers = LOGS[name]["answers"]
    found = scored(LOGS[name], answers)
    assert set(found) == {"metrics", "per_item", "signature", "undefined"}
    for metric, theirs in answers.items():
        assert found["metrics"][metric] == pytest.approx(theirs["all"], abs=1e-6), metric
        if "per_item" in theirs:
            ours = found["per_item"][metric]
            assert [v is None for v in ours] == [v is None for v in theirs["per_item"]], metric
            pairs = zip(ours, theirs["per_item"], strict=True)
            for at, (our, their) in enumerate(pairs):
                if our is not None:
                    assert our == pytest.approx(their, abs=1e-6), (metric, at)


def test_the_logs_have_what_goes_wrong():
    for name in ("random-word", "random-char"):
        items = LOGS[name]["instances"]
        assert any(not item["delays"] for item in items)
        assert any(min(item["delays"], default=0) == item["source_length"] for item in items)
        assert any(len(item["prediction"]) > 2 * len(item["reference"]) for item in items)
        assert any(0 < len(item["prediction"]) < len(item["reference"]) / 2 for item in items)


def test_the_published_figures_of_the_public_example(scored):
    """The figures that SimulEval prints to three places, here where they are exact."""
    names = ["al", "laal", "ap", "dal", "atd", "bleu", "end_offset", "wer"]
    found = scored(LOGS["public"], names)
    items, metrics = found["per_item"], found["metrics"]
    assert items["al"] == pytest.approx([1000, -1000], abs=1e-6)
    assert items["laal"] == pytest.approx([1000, 800], abs=1e-6)
    assert items["ap"] == pytest.approx([11400 / (3700 * 6), 12000 / (4000 * 2)], abs=1e-9)
    assert items["dal"] == pytest.approx([1192, 1240], abs=1e-6)
    assert items["end_offset"] == [0, 0]
    means = {"al": 0, "laal": 900, "dal": 1216, "atd": 1520, "end_offset": 0, "wer": 0.5}
    for name, value in means.items():
        assert metrics[name] == pytest.approx(value, abs=1e-6), name
    assert metrics["ap"] == pytest.approx((11400 / 22200 + 1.5) / 2, abs=1e-9)
    assert round(metrics["ap"], 3) == 1.007
    assert round(metrics["bleu"], 3) == 57.508
