"""The judge's adapter: what is sent, what is read, and that nothing is sent unasked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.errors import UsageError
from earvoice.eval.judge import JUDGE, Judge, JudgeError, verdict
from earvoice.eval.score import compute
from earvoice.eval.scored import Item, Scored

GOOD = {"key_information": True, "correct": True, "expression": True}


def answer(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def item(text):
    return Item(text, "Haus", lambda _: None, frozenset(), "r", "house")


def test_a_share_of_fragments(monkeypatch):
    sent = []

    def send(url, body, headers):
        sent.append((url, json.loads(body), headers))
        return answer({**GOOD, "correct": "Haus" in body.decode().split("translation")[-1]})

    judge = Judge("http://localhost:1/v1/", "m", "secret", send)
    items = (item("Haus"), item("Maus"), item(" "))
    found = compute(Scored(items, "long", "de", extras={JUDGE: judge}), ["judged"])
    assert found.per_item["judged"] == [100.0, 0.0, 0.0]
    assert found.metrics["judged"] == pytest.approx(100 / 3)
    assert len(sent) == 2, "an empty translation is not sent"
    url, body, headers = sent[0]
    assert url == "http://localhost:1/v1/chat/completions"
    assert json.loads(body["messages"][1]["content"])["translation"] == "Haus"
    assert headers["Authorization"] == "Bearer secret"


def test_without_a_judge_there_is_no_figure():
    found = compute(Scored((item("x"),), "long", "de"), ["judged"])
    assert found.metrics["judged"] is None
    assert "--judge-url" in found.undefined["judged"]


def test_answers_in_a_fence_are_read():
    assert verdict(answer(f"```json\n{json.dumps(GOOD)}\n```"))
    assert not verdict(answer({**GOOD, "expression": False}))


@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(answer)))
def test_anything_else_is_one_clear_error(raw):
    with pytest.raises(JudgeError, match="judge"):
        verdict(raw)


@pytest.mark.parametrize("value", [1, "true", None])
def test_only_true_and_false_count(value):
    with pytest.raises(JudgeError, match="true or false"):
        verdict(answer({**GOOD, "correct": value}))


def test_only_http_is_a_url():
    with pytest.raises(UsageError, match="http"):
        Judge("file:x", "m")


def test_an_endpoint_that_is_not_there_is_one_error():
    with pytest.raises(JudgeError, match="127.0.0.1"):
        Judge("http://127.0.0.1:9", "m").valid(item("Haus"))
