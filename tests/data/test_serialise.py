"""Serialised targets and the pieces they are made for."""

import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.data.conversation_examples import ExampleMaker, draw, quiet_spans, tile
from earvoice.data.conversations import (
    Conversation,
    Turn,
    conversation_from_cut,
    cut_from_conversation,
    load_conversations,
)
from earvoice.data.manifest import Target, TimedPhone, TimedWord
from earvoice.data.serialise import asr_items, parse, st_items
from earvoice.errors import DataError, UsageError


def turn(speaker, start_s, words, target, needs=()):
    """Words of half a second each."""
    timed = tuple(
        TimedWord(text, start_s + 0.5 * n, start_s + 0.5 * (n + 1))
        for n, text in enumerate(words.split())
    )
    language, into = ("en", "es") if speaker == "self" else ("es", "en")
    end_s = timed[-1].end_s
    phones = (TimedPhone("ah", start_s, end_s),)
    return Turn(speaker, language, start_s, end_s, timed, into, Target(target, needs), "", phones)


TURNS = (
    turn("self", 0.0, "where is the station", "dónde está la estación", (0, 1, 2, 3)),
    turn("other", 0.8, "claro", "right"),
    turn("other", 3.0, "está aquí", "it is here", (0, 0, 1)),
)


def conversation(turns=TURNS, length_s=6.0, path=None):
    samples = round(length_s * 16000)
    return Conversation("c", path, 2, 16000, samples, tuple(turns), {"self": "v"}, {"snr_db": 3.0})


def texts(items):
    return " ".join(item.text for item in items)


def test_words_are_in_the_order_of_their_ends_with_a_tag_at_each_change():
    assert texts(asr_items(TURNS)) == (
        "<SELF> where is <OTHER> claro <SELF> the station <OTHER> está aquí"
    )


def test_a_tag_before_every_word():
    items = asr_items(TURNS, "word")
    assert [item.is_tag for item in items] == [True, False] * 7
    assert texts(items[:6]) == "<SELF> where <SELF> is <OTHER> claro"


def test_turns_are_translated_in_the_order_of_their_ends():
    assert texts(st_items(TURNS)) == (
        "<OTHER> right <SELF> dónde está la estación <OTHER> it is here"
    )
    whole = st_items(TURNS)
    assert [item.end_s for item in whole[:3]] == [1.3, 1.3, 2.0]
    assert [item.start_s for item in whole[3:7]] == [0.5, 1.0, 1.5, 2.0]
    assert texts(st_items(TURNS[:1], "word")).count("<SELF>") == 4


def test_parsing_gives_the_runs_back():
    assert parse(texts(asr_items(TURNS)).split()) == [
        ("self", "where is"), ("other", "claro"), ("self", "the station"), ("other", "está aquí"),
    ]  # fmt: skip
    assert parse("lost <SELF> <SELF> yes".split()) == [("self", "yes")]


@given(
    st.lists(
        st.tuples(st.sampled_from(["self", "other"]), st.floats(0, 9), st.integers(1, 4)),
        min_size=1, max_size=8,
    ),
    st.sampled_from(["change", "word"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nobody_is_mistaken(drawn, tagging):
    turns = [turn(s, at, " ".join(f"{s}{n}" for n in range(k)), "x") for s, at, k in drawn]
    items = asr_items(turns, tagging)
    ends = [item.end_s for item in items if not item.is_tag]
    assert ends == sorted(ends)
    said = [(who, word) for who, run in parse([i.text for i in items]) for word in run.split()]
    assert all(word.startswith(who) for who, word in said)
    assert len(said) == sum(k for _, _, k in drawn)
    assert len([i for i in st_items(turns) if not i.is_tag]) == len(turns)


class Letters:
    """A vocabulary of single letters."""

    def encode_word(self, word):
        return [ord(letter) for letter in word]

    def special_id(self, name):
        return {"<SELF>": 1, "<OTHER>": 2}[name]


def recorded(folder: Path, length_s=6.0):
    samples = np.arange(2 * round(length_s * 16000), dtype="<i2").reshape(-1, 2)
    path = folder / "c.wav"
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    return conversation(path=path, length_s=length_s), samples.T.astype(np.float32) / 32768


def test_an_example_has_the_sound_and_the_tokens_of_its_piece(tmp_path):
    item, samples = recorded(tmp_path)
    first, second = tile(item, 3.5)
    assert (first.start_s, first.end_s) == (0.0, 2.5)
    example = ExampleMaker(Letters())(second)
    assert np.array_equal(example.samples, samples[:, 40000:])
    assert example.asr_tokens == (2, *map(ord, "estáaquí"))
    assert example.asr_end_s == pytest.approx((1.0,) * 5 + (1.5,) * 4)
    assert example.st_tokens == (2, *map(ord, "itishere"))
    assert example.st_end_s == pytest.approx((1.5,) * 9)
    assert example.st_need_s == pytest.approx((1.0,) * 5 + (1.5,) * 4)
    assert example.phones[0][0].start_s == pytest.approx(0.5)
    assert ExampleMaker(Letters(), channels=(1,))(first).samples.shape == (1, 40000)


def test_quiet_places_and_pieces():
    item = conversation()
    assert quiet_spans(item) == [(0.0, 0.0), (2.0, 3.0), (4.0, 6.0)]
    assert [len(piece.turns) for piece in tile(item, 100.0)] == [3]
    assert [len(piece.turns) for piece in tile(item, 1.0)] == [2, 1]
    rng = random.Random(1)
    for _ in range(50):
        piece = draw(item, rng, 0.5, 10.0)
        assert piece is not None
        assert all(t.start_s >= piece.start_s and t.end_s <= piece.end_s for t in piece.turns)
    assert draw(item, rng, 7.0, 9.0) is None


def test_a_conversation_survives_its_manifest(tmp_path):
    item = conversation(path=tmp_path / "c.wav")
    again = conversation_from_cut(cut_from_conversation(item, "c.wav"), tmp_path)
    assert again == item


@pytest.mark.parametrize("line", ["{}", "[1]", '{"type": "MonoCut"}', "not json"])
def test_a_line_that_is_no_conversation_is_named(tmp_path, line):
    (tmp_path / "cuts.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="line 1 is not a conversation"):
        list(load_conversations(tmp_path))
    with pytest.raises(UsageError, match="no corpus manifest"):
        list(load_conversations(tmp_path / "nowhere"))
