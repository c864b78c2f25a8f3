"""Turns: what is written is read back; what is broken loses no audio and crashes nothing."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.agent.codec import AgentCodec, Ask, Known, control_tokens
from earvoice.agent.turns import marks_after, read_turn, step
from earvoice.errors import CheckpointError
from earvoice.text.tokenizer import Tokenizer
from tests.agent.hostile import STRINGS

MOST = 20
TEXTS = ["wir gehen in das Haus und in den Garten.", "we go to the house, and the garden."] * 50


@functools.cache
def codec():
    specials = control_tokens(("en", "de"), MOST)
    return AgentCodec(Tokenizer.train(TEXTS, 420, extra_specials=specials), MOST)


words = st.text("abc xyz.", max_size=12).map(lambda text: " ".join(text.split()))


@given(
    st.builds(Ask, st.just("en"), st.just("de"), st.just("st"), st.booleans(), st.booleans()),
    st.integers(1, MOST), words, words, words,
)  # fmt: skip
def test_an_answer_is_read_back(ask, cut, said, tail, translation):
    tokens = codec().answer(ask, cut, said, tail, translation)
    turn = read_turn(codec().pieces(tokens), MOST, whole=ask.whole)
    assert turn.fault is None
    assert turn.cut == (MOST if ask.whole else cut)
    transcript, text = codec().words(turn)
    assert text == translation
    if ask.cot and (translation or ask.whole):
        assert transcript == said


def test_an_empty_turn_is_two_tokens():
    tokens = codec().answer(Ask("en", "de"), 0)
    assert len(tokens) == 2
    turn = read_turn(codec().pieces(tokens), 9, whole=False)
    assert (turn.cut, turn.translation, turn.fault) == (0, (), None)


def test_silence_moves_the_cut_off():
    turn = read_turn(codec().pieces(codec().answer(Ask("en", "de"), 5)), 9, whole=False)
    assert (turn.cut, turn.translation, turn.fault) == (5, (), None)


def ids(text):
    """`<cut_3>` and other names are control tokens, all else is text."""
    tokenizer = codec().tokenizer
    return [
        token
        for part in text.split()
        for token in ([tokenizer.special_id(part)] if part[0] == "<" else tokenizer.encode(part))
    ]


@pytest.mark.parametrize(
    ("text", "cut", "translation"),
    [
        ("<asr> we go <cut_3> to <st> wir gehen", 3, "wir gehen"),  # it was cut short
        ("<asr> we go <cut_3> to <st> wir <mem> gehen </s>", 3, "wir"),
        ("<asr> we go <cut_15> <st> wir gehen </s>", 9, "wir gehen"),  # beyond the window
        ("<asr> we go <st> wir gehen </s>", 0, ""),  # no cut-off: heard again
        ("<asr> we go <cut_3> to", 0, ""),
        ("<st> wir gehen </s>", 0, ""),
        ("wir gehen </s>", 0, ""),
        ("<cut_0> <st> wir </s>", 0, ""),  # a translation of nothing
        ("<cut_3> <cut_4> </s>", 0, ""),
        ("</s>", 0, ""),
        ("", 0, ""),
    ],
)
def test_broken_turns(text, cut, translation):
    turn = read_turn(codec().pieces(ids(text)), 9, whole=False)
    assert turn.fault
    assert turn.cut == cut
    assert codec().words(turn)[1] == translation


@settings(max_examples=300)
@given(st.lists(st.integers(0, 419), max_size=30), st.integers(0, MOST), st.booleans())
def test_any_tokens_are_a_turn(tokens, end, whole):
    tokens = [token for token in tokens if token < codec().tokenizer.vocab_size]
    turn = read_turn(codec().pieces(tokens), end, whole=whole)
    assert 0 <= turn.cut <= end
    _, translation = codec().words(turn)
    if not whole and not turn.cut:
        assert not translation, "what is not cut off is heard again, so nothing may be said of it"
    if whole:
        assert turn.cut == end


@given(st.data(), st.booleans())
def test_a_guided_turn_is_always_legal(data, whole):
    tokens, place = [], "start"
    while place != "end" and len(tokens) < 12:
        marks, cut, text = marks_after(place, whole=whole)
        legal = codec().legal(marks, 9 if cut else None, text=text)
        if len(tokens) >= 10:  # a decoder that runs out of room chooses the shortest way
            legal = codec().legal(marks, 9 if cut else None, text=False)
        tokens.append(data.draw(st.sampled_from(sorted(legal))))
        place = step(place, codec().mark(tokens[-1]), whole=whole)
        assert place is not None
    turn = read_turn(codec().pieces(tokens), 9, whole=whole)
    assert turn.fault is None or place != "end" or turn.fault == "a translation of nothing"


@pytest.mark.parametrize("text", STRINGS)
def test_no_text_of_others_reaches_a_control_token(text):
    text = f"{text}a"  # never empty
    known = Known(text, text, text, ((text, text), (text, "x")))
    plain = Known("a", "a", "a", (("a", "a"), ("a", "a")))
    ask = Ask("en", "de")
    tokenizer = codec().tokenizer

    def controls(known):
        prompt = codec().prompt(known, ask)
        return [t for t in (*prompt.before, *prompt.after) if tokenizer.is_special(t)]

    assert controls(known) == controls(plain)


def test_a_vocabulary_without_them_is_refused():
    with pytest.raises(CheckpointError, match="cut_0"):
        AgentCodec(Tokenizer.train(TEXTS, 300), 3)
