"""Runs beside each other: curves, matched latency, what cannot be compared, regimes."""

import json
import re

import numpy as np
import pytest

from earvoice.cli import main
from earvoice.errors import UsageError
from earvoice.eval.curves import Outside, area, best_within, gap, line_of, quality_at
from earvoice.eval.hypotheses import DataError
from earvoice.eval.regime import regime_of
from tests.eval.made_runs import made_run

X, Y = np.array([1.0, 2.0, 4.0]), np.array([20.0, 30.0, 34.0])


def test_between_points_is_a_straight_line():
    assert quality_at(X, Y, 1.5) == 25.0
    assert quality_at(X, Y, 3.0) == 32.0
    assert quality_at(X[::-1], Y[::-1], 3.0) == 32.0  # order of the points does not matter


@pytest.mark.parametrize("at_s", [0.99, 4.01])
def test_nothing_is_said_beyond_the_points(at_s):
    with pytest.raises(Outside, match=r"outside the measured 1\.00 to 4\.00 s"):
        quality_at(X, Y, at_s)


def test_the_area_is_of_trapezoids():
    assert area(X, Y) == 25.0 + 2 * 32.0
    with pytest.raises(Outside, match="not within the measured"):
        area(X[1:], Y[1:])


def test_the_best_within_a_limit_is_a_measured_point():
    assert best_within(X, Y, 2.0) == 30.0
    assert best_within(X, Y, 3.9) == 30.0
    with pytest.raises(Outside, match=r"the fastest is 1\.00 s"):
        best_within(X, Y, 0.5)


def test_a_gap_is_the_mean_over_common_latencies():
    base = (np.array([1.0, 3.0]), np.array([10.0, 30.0]))
    ours = (np.array([2.0, 4.0]), np.array([25.0, 25.0]))
    assert gap(ours, base) == pytest.approx(0.0)  # +5 at 2 s, -5 at 3 s
    assert gap((X, Y + 2.0), (X, Y)) == pytest.approx(2.0)
    with pytest.raises(Outside, match="no common latencies"):
        gap((X, Y), (X + 9.0, Y))


def test_points_of_one_latency_are_averaged():
    x, y = line_of(np.array([1.0, 1.0, 2.0]), np.array([10.0, 20.0, 30.0]))
    assert (x.tolist(), y.tolist()) == ([1.0, 2.0], [15.0, 30.0])
    with pytest.raises(Outside, match="1 latency: a line needs two"):
        line_of(np.array([1.0, 1.0]), np.array([10.0, 20.0]))


def compared(*arguments, capsys):
    code = main(["eval", "compare", *map(str, arguments), "--tgt-lang", "de", "--json"])
    out, err = capsys.readouterr()
    return json.loads(out) if code == 0 else (code, err)


METRICS = ("--metrics", "bleu,chrf,long_yaal,long_yaal_ca_queue,empty_segments", "--samples", "200")


@pytest.fixture
def grid(tmp_path):
    """Two systems at three policies each; the second is 300 ms later and better."""
    return [
        made_run(tmp_path / f"{model}{k}", model=model, k=k, talks=8, late_s=late, errors=errors)
        for model, late in (("a", 0.0), ("b", 0.3))
        for k, errors in ((1, 5), (2, 9), (3, 15 if model == "a" else 40))
    ]


def test_two_systems_at_three_policies(grid, capsys):
    found = compared(*grid, *METRICS, capsys=capsys)
    assert found["resampled"] == {"by": "talk", "groups": 8, "items": 32}
    assert [run["policy"] for run in found["runs"]][:2] == ["wait-k:k=1,n=3", "wait-k:k=2,n=3"]
    for run in found["runs"]:
        for name, figure in run["metrics"].items():
            if figure["value"] is not None:
                assert figure["low"] <= figure["value"] <= figure["high"], name
    assert len(found["differences"]) == 5 * 5
    for row in found["differences"]:
        if row["p_bootstrap"] is not None:
            assert row["p_bootstrap_holm"] >= row["p_bootstrap"]
    alone = {curve["system"]: curve for curve in found["curves"] if curve["against"] is None}
    assert {name: curve["runs"] for name, curve in alone.items()} == {
        "a": ["a1", "a2", "a3"],
        "b": ["b1", "b2", "b3"],
    }
    against = [curve for curve in found["curves"] if curve["against"] == "a"]
    assert [curve["system"] for curve in against] == ["b"]
    outside = against[0]["figures"]["at 4 s"]
    assert outside["value"] is None
    assert "outside the measured" in outside["undefined"]


def test_later_by_300_ms_is_a_difference_of_300_ms(tmp_path, capsys):
    # DAL, since it has no cut-off: LAAL counts fewer units of a later run.
    one = made_run(tmp_path / "one", talks=8)
    two = made_run(tmp_path / "two", talks=8, late_s=0.3)
    found = compared(one, two, "--metrics", "long_dal", capsys=capsys)
    (row,) = found["differences"]
    assert row["difference"]["value"] == pytest.approx(300.0)
    assert row["p_randomisation"] == pytest.approx(2 / 256)
    assert row["p_bootstrap"] < 0.01


def test_a_run_against_itself(tmp_path, capsys):
    one = made_run(tmp_path / "one", talks=6)
    found = compared(one, one, "--metrics", "bleu,long_yaal", capsys=capsys)
    assert {run["name"] for run in found["runs"]} == {"one (1)", "one (2)"}
    for row in found["differences"]:
        assert row["difference"]["value"] == 0.0
        assert (row["p_bootstrap"], row["p_randomisation"]) == (1.0, 1.0)


def test_one_run_and_one_talk(tmp_path, capsys):
    one = made_run(tmp_path / "one", talks=1)
    found = compared(one, capsys=capsys)
    assert found["differences"] == []
    assert found["warnings"] == ["one talk: there are no intervals and no tests"]
    assert "one group" in found["runs"][0]["metrics"]["bleu"]["undefined"]


def test_runs_on_other_data_are_not_compared(tmp_path, capsys):
    one, two = made_run(tmp_path / "one", talks=2), made_run(tmp_path / "two", talks=3)
    code, message = compared(one, two, capsys=capsys)
    assert code == DataError.exit_code
    assert "has 8 items and" in message
    other = made_run(tmp_path / "other", talks=2)
    (other / "references.txt").write_text("anders\n" * 8)
    code, message = compared(one, other, capsys=capsys)
    assert (code, "item 1 is" in message) == (DataError.exit_code, True)


def test_short_form_is_drawn_by_sentence_in_any_order(tmp_path, capsys):
    def line(name, text):
        delays = [1000.0 * (i + 1) for i in range(len(text.split()))]
        value = {"prediction": text, "delays": delays, "elapsed": [], "source_length": 4000.0}
        return json.dumps(value | {"source": [f"{name}.wav"], "reference": f"{name} zwei drei"})

    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("\n".join([line("a", "a zwei drei"), line("b", "b zwei drei")]) + "\n")
    two.write_text("\n".join([line("b", "b zwei"), line("a", "a zwei drei")]) + "\n")
    found = compared(one, two, "--log-format", "simuleval", capsys=capsys)
    assert found["resampled"] == {"by": "sentence", "groups": 2, "items": 2}
    assert found["runs"][0]["metrics"]["units"]["value"] == 6
    assert found["runs"][1]["metrics"]["units"]["value"] == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--samples", "3"), "--samples is 3"),
        (("--swaps", "0"), "--swaps is 0"),
        (("--metrics", ","), "--metrics is ','"),
        (("--metrics", "speed"), "no metric 'speed'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, capsys, arguments, words):
    code, message = compared(made_run(tmp_path / "one", talks=1), *arguments, capsys=capsys)
    assert code == UsageError.exit_code
    assert words in message


def test_a_damaged_note_is_named(tmp_path, capsys):
    one = made_run(tmp_path / "one", talks=1)
    (one / "run.json").write_text("[1]")
    code, message = compared(one, capsys=capsys)
    assert code == DataError.exit_code
    assert re.search(r"run\.json: must be an object", message)


@pytest.mark.parametrize(
    ("latency_s", "name"),
    [(0.0, "low"), (2.0, "low"), (2.001, "high"), (4.0, "high"), (4.1, "beyond"), (-1.0, "low")],
)
def test_the_border_belongs_to_the_faster_regime(latency_s, name):
    assert regime_of(latency_s, (2.0, 4.0)) == name


def regime(*arguments, capsys):
    code = main(["eval", "regime", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out if code == 0 else err


@pytest.mark.parametrize(
    ("late_s", "words"),
    [(0.0, "low (0 to 2 s)"), (2.0, "high (2 to 4 s)"), (5.0, "beyond (> 4 s)")],
)
def test_a_regime_has_its_figure_and_its_border(tmp_path, capsys, late_s, words):
    run = made_run(tmp_path / "run", k=1, talks=3, sentences=6, late_s=late_s)
    code, shown = regime(run, "--tgt-lang", "de", capsys=capsys)
    assert code == 0
    assert f"IWSLT 2026: {words}: long_yaal " in shown
    assert "development set" in shown


def test_a_language_without_a_rule_is_undefined_in_2025(tmp_path, capsys):
    run = made_run(tmp_path / "run", k=1, talks=3)
    code, shown = regime(run, "--tgt-lang", "it", "--json", capsys=capsys)
    found = {answer["year"]: answer for answer in json.loads(shown)["regimes"]}
    assert code == 0
    assert found[2026]["name"] == "low"
    assert found[2026]["to_border_s"] == pytest.approx(2.0 - found[2026]["latency"]["value"])
    assert found[2025]["name"] is None


def test_short_form_has_no_regime(tmp_path, capsys):
    run = made_run(tmp_path / "run", talks=1)
    (run / "segments.yaml").unlink()
    (run / "sources.txt").unlink()
    (run / "references.txt").write_text("eins zwei\n")
    code, message = regime(run, "--tgt-lang", "de", capsys=capsys)
    assert code == UsageError.exit_code
    assert "short form" in message
    code, message = regime("--tgt-lang", "de", capsys=capsys)
    assert code == UsageError.exit_code
