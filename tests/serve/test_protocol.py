"""The messages: strict, and the published schema is the one that is used."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.serve.errors import ERRORS, Fault
from earvoice.serve.protocol import (
    Ack,
    ErrorMessage,
    Start,
    Update,
    read_client,
    read_server,
    schema,
    write,
)

DOC = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '"start"',
        '{"type":"nothing"}',
        '{"type":"ack","seq":-1}',
        '{"type":"ack","seq":1.0}',
        '{"type":"ack","seq":true}',
        '{"type":"ack","seq":"1"}',
        '{"type":"ack","seq":1,"seq":2}',
        '{"type":"ack","seq":1,"more":2}',
        '{"type":"ack","seq":' + "9" * 5000 + "}",
        '{"type":"ack","seq":NaN}',
        '{"type":"start","model":"../../x"}',
        '{"type":"start","model":"a\\u0000b"}',
        '{"type":"start","tgt_lang":"de/../x"}',
        '{"type":"start","policy":"' + "a" * 1000 + '"}',
        '{"type":"start","audio":{"rate_hz":16000.5}}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"type":"ping","event_id":"\\ud800"}',
    ],
)
def test_what_does_not_fit_is_a_fault_that_can_be_survived(text):
    with pytest.raises(Fault) as caught:
        read_client(text)
    assert caught.value.code == "message_invalid"
    assert not caught.value.fatal
    assert len(str(caught.value)) < 500


def test_a_fault_names_the_message_and_the_key_but_not_the_value():
    with pytest.raises(Fault) as caught:
        read_client('{"type":"ack","event_id":"mine","seq":"SECRET"}')
    assert caught.value.event_id == "mine"
    assert "seq" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@given(st.text(max_size=200) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_no_text_does_anything_but_parse_or_fault(text):
    try:
        read_client(text)
    except Fault as fault:
        assert fault.code == "message_invalid"  # noqa: PT017


@pytest.mark.parametrize(
    "message", [Start(model="m", tgt_lang="de"), Ack(seq=3), Update(policy="wait-k:k=3")]
)
def test_a_message_is_read_as_it_was_written(message):
    assert read_client(write(message)) == message


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_can_be_told(code):
    message = ErrorMessage.of(Fault(code, "why", event_id="e", retry_after_s=1.0))
    assert read_server(write(message)) == message
    assert message.fatal == (message.close is not None)


def test_no_fault_closes_as_if_all_was_well():
    assert 1000 not in {kind.close for kind in ERRORS.values()}


def test_the_published_schema_is_the_one_that_is_used():
    block = DOC.read_text(encoding="utf-8").split("```json schema\n")[1].split("\n```")[0]
    assert json.loads(block) == json.loads(json.dumps(schema()))


def test_every_error_code_is_explained_in_the_document():
    text = DOC.read_text(encoding="utf-8")
    for code, kind in ERRORS.items():
        close = "" if kind.close is None else str(kind.close)
        assert f"| `{code}` | {close} |" in text
