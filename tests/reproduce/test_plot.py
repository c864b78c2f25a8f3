"""The picture of a report: scores, dots without a lag, curves over whichever lag there is."""

import pytest

from earvoice.reproduce.plot import plot

pyplot = pytest.importorskip("matplotlib.pyplot")


def mean(value, half=None):
    return {"value": value, "half": half, "seeds": 1}


def drawn(rows, tmp_path, monkeypatch):
    """The axes of a picture of these rows."""
    kept = []
    monkeypatch.setattr(pyplot, "close", kept.append)
    path = tmp_path / "claims.png"
    plot({"claims": {"claim": {"rows": rows}}}, path)
    assert path.stat().st_size > 1000
    return kept[0].axes[0]


def test_scores_of_an_agent_are_percent(tmp_path, monkeypatch):
    rows = [
        {"arm": arm, "on": "use", "point": point, "score": mean(40.0, half)}
        for arm, half in (("with glossary", 3.0), ("without", None))
        for point in ("recall", "F1")
    ]
    axes = drawn(rows, tmp_path, monkeypatch)
    assert axes.get_xlabel() == "percent"
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["with glossary, recall", "with glossary, F1", "without, recall", "without, F1"]


@pytest.mark.parametrize(
    ("on", "lag", "shown"),
    [
        ("decision", "long_yaal_ms", "LongYAAL, ideal clock, s"),
        ("talks", "laal_ms", "LAAL, ideal clock, s"),
        ("spans", "laal_ca_simuleval_ms", "computation-aware LAAL (SimulEval's), s"),
    ],
)
def test_curves_are_over_the_lag_there_is(on, lag, shown, tmp_path, monkeypatch):
    rows = [
        {
            "arm": arm,
            "on": on,
            "point": f"k={k}",
            "bleu": mean(50.0 + k, 1.0),
            lag: mean(1000.0 * k),
        }
        for arm in ("learned", "wait-k")
        for k in (1, 2)
    ]
    axes = drawn(rows, tmp_path, monkeypatch)
    assert axes.get_xlabel() == shown
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["learned", "wait-k"]
    assert list(axes.lines[0].get_xdata()) == [1.0, 2.0]


def test_arms_without_a_lag_are_dots(tmp_path, monkeypatch):
    rows = [{"arm": arm, "on": "all", "point": "", "bleu": mean(30.0)} for arm in ("one", "two")]
    axes = drawn(rows, tmp_path, monkeypatch)
    assert axes.get_xlabel() == "BLEU"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
