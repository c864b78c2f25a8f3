import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.text.stream import TextStream
from earvoice.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["Guten Tag das Haus ist groß"] * 20, 320)


def ids_of(tokenizer, numbers):
    return [number % tokenizer.vocab_size for number in numbers]


@given(st.lists(st.integers(0, 10**6), max_size=40))
def test_shown_text_joins_to_the_decoded_text(tokenizer, numbers):
    ids = ids_of(tokenizer, numbers)
    stream = TextStream(tokenizer)
    shown = "".join(stream.push([token_id]) for token_id in ids) + stream.finish()
    assert shown == tokenizer.decode(ids).rstrip(" ")


@given(st.text(max_size=30), st.lists(st.integers(0, 60), max_size=6))
def test_how_ids_are_grouped_does_not_matter(tokenizer, text, cuts):
    ids = tokenizer.encode(text)
    edges = [0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]
    stream = TextStream(tokenizer)
    parts = [stream.push(ids[start:end]) for start, end in itertools.pairwise(edges)]
    assert "".join(parts) + stream.finish() == tokenizer.decode(ids).rstrip(" ")
    # Nothing but the end of the stream may show a broken character.
    assert "\ufffd" in text or not any("\ufffd" in part for part in parts)


def test_characters_are_whole_and_spaces_lead(tokenizer):
    stream = TextStream(tokenizer)
    ids = tokenizer.encode("Guten Tag 👋 das")
    shown = [stream.push([token_id]) for token_id in ids]
    assert [part for part in shown if part] == ["Guten", " Tag", " 👋", " das"]
    assert not any(part.endswith(" ") for part in shown)


def test_an_unfinished_character_shows_at_the_end_only(tokenizer):
    stream = TextStream(tokenizer)
    ids = tokenizer.encode("👋")
    assert stream.push(ids[:-1]) == ""
    assert stream.finish() == "\ufffd"
