"""The same errors as meeteval 0.4.3 (tests/reference/meeteval_answers.py wrote its answers)."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from earvoice.eval.speakers.cp_wer import cp_errors
from earvoice.eval.speakers.di_cp_wer import di_cp_errors
from earvoice.eval.speakers.orc_wer import orc_errors
from earvoice.eval.speakers.tcp_wer import tcp_errors
from earvoice.eval.speakers.utterances import Utterance
from earvoice.eval.speakers.words import Rules
from tests.eval.speakers.talk import session

OURS = {
    "cp_wer": cp_errors,
    "tcp_wer": tcp_errors,
    "tcp_wer_1s": lambda one, rules: tcp_errors(one, rules, 1_000_000),
    "orc_wer": orc_errors,
    "orc_wer_greedy": lambda one, rules: orc_errors(one, rules, exact_steps=-1),
    "di_cp_wer": di_cp_errors,
}


def utterances(side):
    return [
        Utterance(
            item["session_id"],
            item["speaker"],
            round(item["start_time"] * 1_000_000),
            round(item["end_time"] * 1_000_000),
            item["words"],
            "meeteval.json",
        )
        for item in side
    ]


@pytest.fixture(scope="module")
def conversations():
    path = Path(__file__).with_name("meeteval.json")
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


@pytest.mark.parametrize("metric", OURS)
def test_equal_errors(conversations, metric):
    compared = 0
    for entry in conversations:
        if entry["meeteval"][metric] is None:  # meeteval stops where one side is empty
            continue
        one = session(utterances(entry["reference"]), utterances(entry["hypothesis"]))
        found = OURS[metric](one, Rules())
        assert [found.errors, found.words] == entry["meeteval"][metric], entry
        compared += 1
    assert compared >= 55
