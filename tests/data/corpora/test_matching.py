"""Words of a text and words of an aligner: what is the same, what is left open, what is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.corpora.matching import Mismatch, letters, match_words
from earvoice.data.corpora.textgrid import Interval


def said(*texts):
    """One interval a second; the line is its number."""
    return [Interval(n * 10**6, (n + 1) * 10**6, text, n) for n, text in enumerate(texts)]


def matched(text, *aligner):
    """(word, first and last second) of each."""
    found = match_words(text, said(*aligner))
    assert isinstance(found, list), found
    return [(word.text, word.start_us // 10**6, word.end_us // 10**6) for word in found]


def spoken(text, *aligner):
    return [word for word, _, _ in matched(text, *aligner)]


def test_case_and_punctuation_do_not_matter():
    aligner = ["", "good", "morning", "<eps>", "he", "SAID", "sil"]
    assert matched("“Good morning,” he said.", *aligner) == [
        ("“Good", 1, 2), ("morning,”", 2, 3), ("he", 4, 5), ("said.", 5, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "aligner", "words"),
    [
        ("Don’t go", ["don't", "go"], ["Don’t", "go"]),
        ("the dog's tail", ["the", "dog", "'s", "tail"], ["the", "dog's", "tail"]),
        ("well-known men", ["well", "known", "men"], ["well-known", "men"]),
        ("l' amico", ["l'amico"], ["l' amico"]),
        ("1,000 people", ["1000", "people"], ["1,000", "people"]),
        ("Straße", ["STRASSE"], ["Straße"]),
        ("cafe\u0301", ["café"], ["cafe\u0301"]),
        ("ab c", ["a", "bc"], ["ab c"]),
        ("yes -- no …", ["yes", "no"], ["yes", "no"]),
    ],
)
def test_one_word_may_be_two_and_two_one(text, aligner, words):
    assert spoken(text, *aligner) == words


@pytest.mark.parametrize(
    ("text", "aligner", "words"),
    [
        ("the GPU is fast", ["the", "<unk>", "is", "fast"], ["the", "GPU", "is", "fast"]),
        ("the GPU", ["the", "spn"], ["the", "GPU"]),
        ("foo-barish men", ["foo", "<unk>", "men"], ["foo-barish", "men"]),
        ("un-barish men", ["<unk>", "barish", "men"], ["un-barish", "men"]),
        ("a b", ["a", "<unk>", "b"], ["a", "b"]),  # for nothing
        ("a ♫ b", ["a", "<unk>", "b"], ["a", "b"]),
        ("a sp b", ["a", "sp", "b"], ["a", "sp", "b"]),
        ("a b", ["a", "sp", "b"], ["a", "b"]),
    ],
)
def test_an_unknown_word_is_a_word_a_part_or_nothing(text, aligner, words):
    assert spoken(text, *aligner) == words


@pytest.mark.parametrize("noise", [[], ["[bracketed]"], ["<unk>", "<unk>"], ["spn"]])
def test_a_remark_may_be_noise(noise):
    assert spoken("yes (Piano music) no", "yes", *noise, "no") == ["yes", "no"]


def test_a_remark_may_be_spoken():
    assert spoken("yes (I think) no", "yes", "i", "think", "no") == ["yes", "(I", "think)", "no"]


def test_the_first_word_after_a_remark_keeps_its_unknown():
    assert matched("(Laughter) GPU now", "<unk>", "now") == [("GPU", 0, 1), ("now", 1, 2)]


@pytest.mark.parametrize(
    ("text", "aligner", "line", "expected"),
    [
        ("we go on", ["we", "", "went", "on"], 2, "go"),
        ("we go on", ["we", "go"], None, "on"),
        ("we go", ["we", "go", "on"], 2, ""),
        ("we go", ["", ""], None, "we"),
        ("a b c", ["a", "<unk>", "<unk>", "<unk>", "c"], 4, "b"),  # which of them is b?
    ],
)
def test_other_words_are_named(text, aligner, line, expected):
    found = match_words(text, said(*aligner))
    assert isinstance(found, Mismatch)
    assert (found.interval and found.interval.line, found.expected) == (line, expected)


def test_hundreds_of_unknown_words_end():
    text = " ".join(f"w{n}-x" for n in range(120))
    assert isinstance(match_words(text, said(*["<unk>"] * 300)), Mismatch)


WORDS = st.text("abcé'-.,\"", min_size=1, max_size=5).filter(letters)


@given(st.data())
def test_times_are_those_of_the_pieces(data):
    words = data.draw(st.lists(WORDS, min_size=1, max_size=8))
    intervals, expected = [], []
    clock = 0
    for word in words:
        for _ in range(data.draw(st.integers(0, 2))):
            silence = data.draw(st.sampled_from(["", "<eps>", "sil"]))
            intervals.append(Interval(clock, clock := clock + 1, silence))
        begin = clock
        plain = letters(word)
        cut = data.draw(st.integers(0, len(plain) - 1))
        for piece in filter(None, (plain[:cut], plain[cut:])):
            intervals.append(Interval(clock, clock := clock + 1, piece.upper()))
        expected.append((word, begin, clock))
    found = match_words(" ".join(words), intervals)
    assert [(w.text, w.start_us, w.end_us) for w in found] == expected


@given(st.lists(WORDS, max_size=6), st.lists(WORDS | st.sampled_from(["<unk>", "sil"]), max_size=6))
def test_any_two_texts_match_or_do_not(words, aligner):
    found = match_words(" ".join(words), said(*aligner))
    if isinstance(found, Mismatch):
        assert [letters(word) for word in words] != [letters(word) for word in aligner]
        return
    assert " ".join(word.text for word in found) == " ".join(words)
    assert all(a.end_us <= b.start_us for a, b in itertools.pairwise(found))
