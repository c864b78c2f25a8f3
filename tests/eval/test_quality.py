"""Quality equals sacrebleu called directly; a tokenizer that is missing is a reason."""

import json

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.cli import main
from earvoice.errors import UsageError
from earvoice.eval.latency import Timed
from earvoice.eval.score import METRICS, Item, Scored, compute, defaults
from tests.eval.test_interop import INSTANCE, log


def scored(pairs, language="de", form="short"):
    items = [
        Item(text, reference, lambda clock: Timed((), 1, 1), frozenset(), "a")
        for reference, text in pairs
    ]
    return Scored(items, form, language)


TEXT = st.lists(st.sampled_from("das ist ein Haus , wo niemand wohnt .".split()), max_size=9)
PAIRS = st.lists(st.tuples(TEXT.map(" ".join), TEXT.map(" ".join)), min_size=1, max_size=5)


@settings(deadline=None)
@given(PAIRS)
def test_parity_with_sacrebleu_called_directly(pairs):
    references, texts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = compute(scored(pairs), ["bleu", "chrf", "ter"])
    for name, corpus, sentence in (
        ("bleu", sacrebleu.corpus_bleu, sacrebleu.sentence_bleu),
        ("chrf", sacrebleu.corpus_chrf, sacrebleu.sentence_chrf),
        ("ter", sacrebleu.corpus_ter, sacrebleu.sentence_ter),
    ):
        assert found.metrics[name] == pytest.approx(corpus(texts, [references]).score, abs=1e-6)
        each = [sentence(text, [line]).score for line, text in zip(references, texts, strict=True)]
        assert found.per_item[name] == pytest.approx(each, abs=1e-6)
        assert "version:" in found.signature[name]


@pytest.mark.parametrize(("language", "tokenizer"), [("de-AT", "13a"), ("zh", "zh"), ("yue", "zh")])
def test_the_tokenizer_follows_the_language(language, tokenizer):
    found = compute(scored([("今天我们讨论翻译。", "今天我们讨论。")], language), ["bleu"])
    assert f"tok:{tokenizer}" in found.signature["bleu"]


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_a_missing_tokenizer_is_a_reason_with_what_to_install(monkeypatch, language):
    monkeypatch.setattr("earvoice.eval.quality.find_spec", lambda name: None)
    found = compute(scored([("a", "a")], language), ["bleu", "chrf"])
    assert found.metrics["bleu"] is None
    assert f"pip install 'sacrebleu[{language}]'" in found.undefined["bleu"]
    assert found.metrics["chrf"] == 100


def test_no_items_have_no_figures():
    for form in ("short", "long"):
        found = compute(scored([], form=form), defaults(form))
        values = {name: value for name, value in found.metrics.items() if value is not None}
        assert set(values.values()) <= {0.0}
        assert set(values) <= {"empty_segments", "units"}
        assert set(found.undefined) == set(found.metrics) - set(values)


@pytest.mark.parametrize(
    ("name", "near"), [("blue", "'bleu'"), ("laal_ca_queu", "'laal_ca_queue'"), ("chrF", "'chrf'")]
)
def test_an_unknown_metric_is_answered_with_the_nearest(name, near):
    with pytest.raises(UsageError, match=f"did you mean {near}"):
        compute(scored([]), [name])


def test_only_empty_predictions_are_undefined_and_no_failure(tmp_path, capsys):
    empty = INSTANCE | {"prediction": "", "delays": [], "elapsed": []}
    log(tmp_path, empty, empty | {"source": ["b.wav"]})
    arguments = ["eval", "score", "--log", str(tmp_path / "instances.log"), "--tgt-lang", "de"]
    assert main([*arguments, "--log-format", "simuleval"]) == 0
    printed = capsys.readouterr().out
    assert "laal              undefined: nothing was written" in printed
    assert "empty_segments           2.000" in printed


def test_the_help_names_every_metric(capsys):
    with pytest.raises(SystemExit):
        main(["eval", "score", "--help"])
    printed = capsys.readouterr().out
    for name, metric in METRICS.items():
        assert metric.group == "computing" or f" {name} " in printed
        assert metric.what


def test_sources_and_references_go_line_by_line(tmp_path, capsys):
    log(tmp_path, INSTANCE)
    (tmp_path / "sources.txt").write_text("one\ntwo\n")
    arguments = ["eval", "score", "--log", str(tmp_path / "instances.log"), "--tgt-lang", "de"]
    arguments += ["--log-format", "simuleval", "--sources", str(tmp_path / "sources.txt")]
    assert main([*arguments, "--json"]) == 7
    assert "sources.txt line 2: has no partner; there are 1 recordings" in capsys.readouterr().err
    (tmp_path / "sources.txt").write_text("one two three net\n")
    (tmp_path / "terms.tsv").write_text("net\tfünf\n")
    arguments += ["--src-lang", "en", "--terms", str(tmp_path / "terms.tsv"), "--json"]
    assert main([*arguments, "--metrics", "term_false_use, term_recall"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"] == {"term_false_use": 0, "term_recall": 1}
