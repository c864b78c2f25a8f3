"""Terms of an agent: what is drawn, how ranks and uses are counted, the command's refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from earvoice.agent.codec import control_tokens
from earvoice.cli import main
from earvoice.config import load_yaml
from earvoice.data.synth.engines import is_installed
from earvoice.data.synth.interpreted.terms import split_of_term
from earvoice.errors import UsageError
from earvoice.reproduce import agent, agent_claims, agent_decision
from earvoice.reproduce.agent import Case, drawn_cases, drawn_keys, quick, use_of_terms
from earvoice.reproduce.spec import AGENT_ARMS, ReproduceConfig
from earvoice.text.tokenizer import Tokenizer
from tests.systems.clasi_tiny import MOST, clasi, clasi_config

speaks = pytest.mark.skipif(not is_installed("espeak"), reason="needs espeak-ng")
PAIR = ("en", "zh")
RECIPE = Path(__file__).parents[2] / "recipes/reproduce/clasi.yaml"


@pytest.fixture(scope="module")
def interpreter():
    texts = ["we go to the house", "我们去房子"] * 50
    tokens = Tokenizer.train(texts, 400, extra_specials=control_tokens(("en", "zh"), MOST))
    llm = clasi_config().llm.model_copy(update={"vocab_size": tokens.vocab_size})
    system = clasi(directions=("en-zh",), llm=llm)
    return system.interpreter(tokens)


@pytest.fixture(scope="module")
def cases():
    return drawn_cases(PAIR, 3, seed=4)


@speaks
def test_cases_are_of_the_test_split_and_of_the_seed(cases):
    for case in cases:
        assert split_of_term(case.term.syllables) == "test"
        assert case.term.form("en") in case.said
        assert len(case.samples) > 8000
        assert np.abs(case.samples).max() > 0.01
    other = drawn_cases(PAIR, 1, seed=5)
    assert other[0].term != cases[0].term
    keys = drawn_keys(cases, "en", 60, 1)
    assert len(set(keys)) == len(keys) >= 60


@speaks
def test_what_settings_are_chosen_by_is_not_what_is_measured():
    (case,) = drawn_cases(PAIR, 1, 4, "dev")
    assert split_of_term(case.term.syllables) == "dev"
    strangers = set(drawn_keys([case], "en", 40, 1, "dev")) - case.said
    assert not strangers & set(drawn_keys([case], "en", 40, 1))


@speaks
def test_everything_is_measured(interpreter):
    found = quick(interpreter, cases=2, keys=30, seed=1)
    assert set(found) >= {"term_recall_with", "term_recall_without", "retriever_top1"}
    assert all(0 <= value <= 100 for value in found.values())
    assert found["retriever_top1"] <= found["retriever_top5"] <= found["retriever_top10"]


@speaks
def test_a_rank_counts_what_is_not_said(cases):
    case = cases[0]
    keys = [case.term.form("en"), "Other", "Rival", "Companion"]
    said = Case(case.samples, case.term, frozenset({keys[0], "Companion"}))
    scores = torch.tensor([0.5, 0.2, 0.7, 0.9])
    assert agent._rank(scores, keys, said, "en") == 1


@speaks
def test_uses_are_counted(cases, interpreter, monkeypatch):
    def writes_the_first(_interpreter, _case, terms, pair):
        return f"我们去{terms[0].form(pair[1])}" if terms else "我们去"

    monkeypatch.setattr(agent, "_translated", writes_the_first)
    use = use_of_terms(interpreter, cases, PAIR, seed=1)
    assert (use["right"].recall, use["right"].precision, use["right"].f1) == (100, 100, 100)
    assert (use["wrong"].recall, use["wrong"].false_use) == (0, 100)
    assert use["none"] == agent.Use(0, 0, 0)


def test_only_languages_with_terms():
    with pytest.raises(UsageError, match="en-zh and zh-en"):
        drawn_cases(("en", "de"), 1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fasst", "--quick"], "--quick is for clasi"),
        (
            ["clasi", "--quick", "--cases", "0"],
            "--cases is 0 and --keys 1000, they must be 1 and 20 or more",
        ),
        (["clasi", "--quick", "--least-score", "1.5"], "--least-score is 1.5, it must be 0 to 1"),
        (["clasi", "--quick", "--seeds", "3,4"], "--quick draws with one"),
        (["clasi", "--quick", "--seeds", "-1"], "--quick draws with one, 0 or more"),
        (["clasi", "--quick", "--claims", "terms"], "--claims does not go with --quick"),
        (["clasi", "--quick", "--steps-scale", "2"], "--steps-scale does not go with --quick"),
        (["clasi"], "--test is missing"),
    ],
)
def test_what_is_refused(words, message, capsys):
    assert main(["reproduce", *words]) != 0
    assert message in capsys.readouterr().err


@speaks
@pytest.mark.parametrize("measures", ["retriever", "terms", "memory", "decision"])
def test_a_claim_has_rows_for_its_arms(interpreter, monkeypatch, tmp_path, measures):
    (tmp_path / "model.json").write_text("{}")
    monkeypatch.setattr(agent_claims, "find", lambda _name: tmp_path)
    monkeypatch.setattr(agent_claims, "load", lambda _folder: interpreter)
    monkeypatch.setattr(agent_claims, "MANIFEST", "model.json")
    spec = load_yaml(RECIPE, ReproduceConfig)
    for curve in ("LEAST_S", "CHUNKS", "WAITS"):
        monkeypatch.setattr(agent_decision, curve, getattr(agent_decision, curve)[-1:])
    cases = 1 if measures == "decision" else 2
    claim = spec.claims[measures].model_copy(update={"cases": cases, "keys": 30})
    found = agent_claims.run_agent(claim, 1)
    assert {row["arm"] for row in found["rows"]} == set(AGENT_ARMS[measures])
    figure = "bleu" if measures == "decision" else "score"
    assert all(0 <= row[figure] <= 100 for row in found["rows"])
    named = {(s.better, s.on) for s in claim.statements}
    assert named <= {(row["arm"], row["on"]) for row in found["rows"]}
