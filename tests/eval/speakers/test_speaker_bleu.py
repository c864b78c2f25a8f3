"""BLEU of conversations: equal to trying every permutation on the texts themselves."""

import itertools
import random

import pytest
from hypothesis import given, settings
from sacrebleu.metrics import BLEU

from earvoice.eval.speakers.speaker_bleu import sag_bleu, sat_bleu
from earvoice.eval.speakers.utterances import by_speaker
from tests.eval.speakers.talk import said, session, sides, turns

TALK = session(
    turns(("A", "der Zug nach Bonn fährt um acht"), ("B", "vielen Dank für die schnelle Hilfe")),
    turns(
        ("1", "vielen Dank für die schnelle Hilfe"), ("2", "der Zug nach Bonn fährt heute um acht")
    ),
)


def by_texts(one):
    """(lines, references) of the permutation with the highest corpus BLEU of the session."""
    references, lines = (
        [" ".join(item.text for item in items) for items in by_speaker(side).values()]
        for side in (one.reference, one.hypothesis)
    )
    size = max(len(references), len(lines))
    references += [""] * (size - len(references))
    lines += [""] * (size - len(lines))
    orders = [[lines[i] for i in order] for order in itertools.permutations(range(size))]
    return max(orders, key=lambda order: BLEU().corpus_score(order, [references]).score), references


def test_speakers_in_another_order_are_the_same():
    same = turns(("A", "der Zug nach Bonn fährt"), ("B", "vielen Dank für alles"))
    other = turns(("B", "der Zug nach Bonn fährt"), ("A", "vielen Dank für alles"))
    assert sat_bleu([session(same, other)], "de").value == pytest.approx(100)


def test_the_wrong_speaker_costs_only_where_speakers_count():
    reference = turns(("A", "der Zug nach Bonn fährt"), ("B", "vielen Dank für die Hilfe"))
    hypothesis = turns(("1", "der Zug nach Bonn fährt"), ("1", "vielen Dank für die Hilfe"))
    one = session(reference, hypothesis)
    assert sag_bleu([one], "de").value == pytest.approx(100)
    assert sat_bleu([one], "de").value < 80


def test_one_corpus_figure_of_all_sessions():
    other = session(turns(("A", "das ist gut so ja")), turns(("1", "das ist nicht gut so")))
    found = sat_bleu([TALK, other], "de")
    pairs = [by_texts(TALK), by_texts(other)]
    lines, references = ([text for pair in pairs for text in pair[i]] for i in (0, 1))
    assert found.value == pytest.approx(BLEU().corpus_score(lines, [references]).score)
    assert len(found.per_session) == 2
    assert "tok:13a" in found.signature


@settings(max_examples=25, deadline=None)
@given(sides(most=6), sides(most=6))
def test_equal_to_trying_every_permutation(reference, hypothesis):
    one = session(reference, hypothesis)
    if not one.reference and not one.hypothesis:
        return
    lines, references = by_texts(one)
    expected = BLEU().corpus_score(lines, [references]).score
    assert sat_bleu([one], "de").value == pytest.approx(expected)
    assert sat_bleu([one], "de", exact_speakers=0).value <= expected + 1e-9


def test_many_speakers_are_paired_by_swaps():
    rng = random.Random(3)
    words = "ja nein der die das Haus Baum Zug fährt steht kommt nach Bonn um acht neun".split()
    reference = [said(f"r{i}", " ".join(rng.choices(words, k=30)), i) for i in range(12)]
    order = rng.sample(range(12), 12)
    hypothesis = [said(f"h{i}", reference[j].text, i) for i, j in enumerate(order)]
    found = sat_bleu([session(reference, hypothesis)], "de")
    assert found.searched == 1
    assert found.value == pytest.approx(100)


def test_the_tokenizer_follows_the_language():
    one = session(turns(("A", "今天天气很好")), turns(("1", "今天天气好")))
    found = sag_bleu([one], "zh")
    assert found.value > 30
    assert "tok:zh" in found.signature


def test_silence():
    assert sat_bleu([session(turns(("A", "a b")), [])], "de").value == 0
    assert sag_bleu([session(turns(("A", "a b")), [])], "de").value == 0
