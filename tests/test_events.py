import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.events import (
    Boundary,
    Commit,
    Draft,
    EventFormatError,
    Finished,
    Note,
    Stamped,
    Stream,
    dumps,
    from_json,
    loads,
    shown_text,
    to_json,
)

texts = st.text(max_size=12)
seconds = st.floats(0, 1e6)
streams = st.builds(
    Stream,
    st.sampled_from(["translation", "transcript"]),
    st.text(min_size=1, max_size=5),
    st.none() | texts,
)
spans = st.none() | st.tuples(seconds, seconds).map(lambda pair: tuple(sorted(pair)))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
events = st.one_of(
    st.builds(Commit, streams, texts, spans),
    st.builds(Draft, streams, texts),
    st.builds(Boundary, streams, st.sampled_from(["sentence", "chunk", "turn"])),
    st.builds(Note, texts, st.dictionaries(texts, values, max_size=3)),
    st.just(Finished()),
)
stamped_events = st.builds(Stamped, st.integers(0, 10**9), seconds, seconds, events)
DE = Stream("translation", "de")


@given(stamped_events)
def test_round_trip(stamped):
    line = dumps(stamped)
    assert "\n" not in line
    assert loads(line) == stamped


@given(stamped_events, st.data())
def test_a_missing_or_added_key_is_named(stamped, data):
    value = json.loads(dumps(stamped))
    where = data.draw(st.sampled_from([value, value["event"]]))
    key = data.draw(st.sampled_from(sorted(where)))
    removed = where.pop(key)
    with pytest.raises(EventFormatError, match=key):
        loads(json.dumps(value))
    where[key] = removed
    where["surplus"] = 1
    with pytest.raises(EventFormatError, match=r"surplus is unknown; the keys are"):
        loads(json.dumps(value))


@given(st.text(max_size=60) | st.recursive(values, st.lists).map(json.dumps))
def test_anything_else_is_a_format_error(line):
    with pytest.raises(EventFormatError):
        loads(line)


STAMPED = '{"seq": 0, "heard_s": 0, "wall_s": 0, "event": %s}'


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ('{"type": "commit", "stream": 3, "text": "", "span": null}', "commit.stream"),
        ('{"type": "remove"}', "event.type is 'remove', it must be one of"),
        ('{"type": ["commit"]}', "event.type"),
        ('{"type": "finished", "type": "finished"}', "twice"),
        ('{"type": "note", "kind": "x", "data": [1]}', "note.data"),
        ('{"type": "note", "kind": "x", "data": {"a": NaN}}', "NaN"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_events(event, message):
    with pytest.raises(EventFormatError, match=message):
        loads(STAMPED % event)


@pytest.mark.parametrize("seq", ["-1", "1.0", "true", '"1"', "null"])
def test_bad_sequence_numbers(seq):
    with pytest.raises(EventFormatError, match="seq"):
        loads((STAMPED % '{"type": "finished"}').replace('"seq": 0', f'"seq": {seq}'))


def test_bad_values_are_refused_when_made():
    with pytest.raises(EventFormatError, match=r"Commit\.span"):
        Commit(DE, "x", (2.0, 1.0))
    with pytest.raises(EventFormatError, match="surrogate"):
        Commit(DE, "\ud800")
    with pytest.raises(EventFormatError, match="Stream.role is 'x', it must be one of"):
        Stream("x", "de")
    with pytest.raises(EventFormatError, match="Boundary.kind"):
        Boundary(DE, "page")
    with pytest.raises(EventFormatError, match="heard_s"):
        Stamped(0, float("nan"), 0, Finished())


def test_json_keys():
    assert to_json(Commit(DE, " Tag", (0.5, 1.0))) == {
        "type": "commit",
        "stream": {"role": "translation", "language": "de", "speaker": None},
        "text": " Tag",
        "span": [0.5, 1.0],
    }
    assert from_json({"type": "finished"}) == Finished()


def test_shown_text_is_commits_and_the_last_draft():
    said = [Commit(DE, "Guten"), Commit(DE, " Tag"), Draft(DE, " zus"), Draft(DE, " zusammen")]
    other = Commit(Stream("transcript", "en"), "Hello")
    assert shown_text([*said, other], DE) == "Guten Tag zusammen"
    assert shown_text([*said, Commit(DE, ",")]) == "Guten Tag,"
    assert shown_text([]) == ""
