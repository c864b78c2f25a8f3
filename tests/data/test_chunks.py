"""Semantic chunks: every word once, in order, and cut where both languages divide.

words   I went home early, because the train was late.
        0                1                   2           seconds
"""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earvoice.data.chunks import ChunkRule, chunks_of, clean_places
from earvoice.data.manifest import SpokenSentence, Talk, Target, TimedWord
from earvoice.data.synth.silent import silent_talk


def sentence(text, translation, needs=(), *, word_s=0.3, pause_s=0.0, start_s=0.0):
    words = []
    for word in text.split():
        words.append(TimedWord(word, start_s, start_s + word_s))
        start_s += word_s + pause_s
    target = Target(translation, tuple(needs))
    return SpokenSentence(words[0].start_s, words[-1].end_s, tuple(words), (), text, {"de": target})


def talk(*sentences):
    return Talk("t", None, 16000, 16000 * 60, "v", "e", sentences)


def said(chunks):
    return [(chunk.transcript, chunk.translation) for chunk in chunks]


EARLY = ("I went home early, because the train was late.", "Ich ging heim, weil der Zug spät war.")


def test_a_clause_is_a_chunk():
    one = sentence(*EARLY, (0, 1, 3, 4, 6, 6, 8, 8))
    assert said(chunks_of(talk(one), "en", "de")) == [
        ("I went home early,", "Ich ging heim,"),
        ("because the train was late.", "weil der Zug spät war."),
    ]


def test_where_the_translation_turns_round_there_is_no_cut():
    one = sentence(*EARLY, (8, 8, 8, 8, 8, 8, 8, 8))
    assert len(chunks_of(talk(one), "en", "de")) == 1
    one = sentence(*EARLY, (0, 1, 3, 4, 2, 6, 8, 8))  # a word of the rest belongs to the first part
    assert len(chunks_of(talk(one), "en", "de")) == 1


def test_without_needs_equally_many_marks_are_pairs():
    assert len(chunks_of(talk(sentence(*EARLY)), "en", "de")) == 2
    assert len(chunks_of(talk(sentence(EARLY[0], "Ich, ach, ging.")), "en", "de")) == 1


def test_a_cut_off_is_in_the_pause_and_close_to_the_word():
    near = sentence(*EARLY, (0, 1, 3, 4, 6, 6, 8, 8), pause_s=0.1)
    far = sentence(*EARLY, (0, 1, 3, 4, 6, 6, 8, 8), pause_s=0.8)
    for one, after_s in ((near, 0.05), (far, 0.1)):
        first = chunks_of(talk(one), "en", "de")[0]
        assert first.end_s == pytest.approx(first.words[-1].end_s + after_s)


def test_long_chunks_end_anywhere_clean():
    text = " ".join(f"w{n}" for n in range(24))
    one = sentence(text, text, tuple(range(24)), word_s=0.5)
    chunks = chunks_of(talk(one), "en", "de")
    assert len(chunks) > 1
    rule = ChunkRule()
    assert all(c.words[-1].end_s - c.words[0].start_s <= rule.most_s for c in chunks)
    assert chunks_of(talk(one), "en", "de", ChunkRule(most_s=100.0)) == chunks_of(
        talk(one), "en", "de", ChunkRule(most_s=12.0)
    )


def test_without_word_times_a_sentence_is_a_chunk():
    bare = SpokenSentence(1.0, 3.0, (), (), "Good day.", {"de": Target("Guten Tag.")})
    (chunk,) = chunks_of(talk(bare), "en", "de")
    assert (chunk.words, chunk.translation, chunk.end_s) == ((), "Guten Tag.", 3.1)


@given(st.integers(0, 10**6))
def test_every_word_once_and_in_order(seed):
    whole = silent_talk(random.Random(seed), 6, "train")
    chunks = chunks_of(whole, "en", "de")
    spoken = [word for one in whole.sentences for word in one.words]
    assert list(itertools.chain(*(chunk.words for chunk in chunks))) == spoken
    text = " ".join(one.targets["de"].text for one in whole.sentences)
    assert " ".join(chunk.translation for chunk in chunks) == text
    edges = [chunks[0].start_s, *(chunk.end_s for chunk in chunks)]
    assert edges == sorted(edges)
    for chunk, following in itertools.pairwise(chunks):
        assert chunk.words[-1].end_s <= chunk.end_s <= following.words[0].start_s + 1e-6
    assert sum(chunk.ends_sentence for chunk in chunks) == len(whole.sentences)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=9))
def test_clean_places_by_definition(needs):
    one = sentence(" ".join("abcdefghij"), " ".join("x" * len(needs)), needs)
    for place, count in clean_places(one, "de").items():
        assert max(needs[:count]) <= place < min(needs[count:])
