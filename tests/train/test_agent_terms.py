"""Terms for training: near misses of any script, what counts as said, notes of a talk."""

import random

import numpy as np
import pytest
import torch

from earvoice.data.chunks import chunks_of
from earvoice.data.near import near_miss
from earvoice.data.synth.interpreted.terms import term_of_id
from earvoice.data.synth.silent import silent_talk
from earvoice.text.spacing import is_spaceless
from earvoice.train import retrieval
from earvoice.train.agent_mixture import RetrieveMixture
from earvoice.train.agent_terms import TermDraw, TermRoom, names_in
from earvoice.train.corpus_terms import CorpusTerms
from earvoice.train.retrieval import RetrieveExamples


def test_a_near_miss_of_characters_has_other_characters():
    rng = random.Random(1)
    others = ["卡米洛", "特莫拉谷", "星桥"]
    for _ in range(50):
        miss = near_miss("喀弥罗", others, rng)
        assert miss != "喀弥罗"
        assert all("\u4e00" <= char <= "\u9fff" for char in miss)


def test_words_are_whole_where_a_script_shows_them():
    assert retrieval._is_in("go", "we go on", " we go on ")
    assert not retrieval._is_in("go", "we gone", " we gone ")
    assert retrieval._is_in("京大", "北京大学", " 北京 大学 ")
    assert retrieval._long_enough("星桥")
    assert not retrieval._long_enough("to")


def test_terms_of_the_notes_are_told_with_their_translations():
    rng = random.Random(3)
    draw = TermDraw((), [("zh", "en")], TermRoom(6, 200, 4), len)
    right = wrong = 0
    for _ in range(20):
        talk = silent_talk(rng, 6, "train", "zh", interpreted=True)
        notes = {
            (note["source"], note["targets"]["en"]["text"])
            for sentence in talk.sentences
            for note in sentence.notes.get("terms", ())
        }
        chunks = chunks_of(talk, "zh", "en")
        told = draw.told(rng, ("zh", "en"), talk, (chunks[:4], ""), chunks)
        assert len({source for source, _ in told}) == len(told) <= 6
        right += sum(term in notes for term in told)
        wrong += sum(term not in notes for term in told)
        assert sum(len(source) + len(target) for source, target in told) <= 200
    assert right
    assert wrong


def test_a_retriever_learns_the_invented_terms_of_a_window():
    rng = random.Random(4)
    for language in ("zh", "en"):
        talk = silent_talk(rng, 12, "train", language, interpreted=True, focus="terms")
        note = next(note for one in talk.sentences for note in one.notes.get("terms", ()))
        words = tuple(word for one in talk.sentences for word in one.words)
        noted = retrieval._noted(retrieval._Window(talk, 0, words))
        term = str(note["source"]).casefold()
        assert noted[term] == note["id"]
        miss, name = examples([talk])._near(term, noted, [term], rng)
        assert miss != term
        assert term_of_id(name).form(language).casefold() == miss
        assert any(is_spaceless(char) for char in miss) == (language == "zh")


def examples(talks, **mixture):
    return RetrieveExamples(
        RetrieveMixture(**mixture), 640, 32000, talks, None, seed=1, stage="retrieve"
    )


def term_talks(count, language="en"):
    rng = random.Random(6)
    return [
        silent_talk(rng, 12, "train", language, interpreted=True, focus="terms")
        for _ in range(count)
    ]


def test_near_misses_may_be_terms_that_are_said_elsewhere():
    talks = term_talks(20)
    names = {
        str(note["id"])
        for talk in talks
        for one in talk.sentences
        for note in one.notes.get("terms", ())
    }
    rng = random.Random(7)
    found = CorpusTerms(talks)
    for name in sorted(names):
        right = term_of_id(name)
        miss = found.near(rng, right)
        if miss is not None:
            assert miss.id in names
            assert miss.kind == right.kind
            same = sum(a == b for a, b in zip(miss.syllables, right.syllables, strict=True))
            assert 1 <= same < 3
    assert CorpusTerms([]).near(rng, term_of_id(min(names))) is None
    made = examples(talks, said_elsewhere=1.0)
    noted = {term_of_id(name).form("en").casefold(): name for name in names}
    misses = [made._near(term, noted, [term], rng)[1] for term in noted for _ in range(3)]
    assert sum(name in names for name in misses) > 0.8 * len(misses)


def test_keys_of_invented_terms_are_spelled_anew_and_others_stay():
    made = examples(term_talks(1), respelled=1.0)
    noted = {"kamilo": "name:ka-mi-lo", "拉西多": "name:la-si-do"}
    terms = ["kamilo", "拉西多", "the project"]
    seen = {tuple(made._spelled(terms, noted, random.Random(seed))) for seed in range(40)}
    assert len(seen) > 10
    for english, chinese, other in seen:
        assert english.replace("c", "k").replace("h", "").replace("ee", "i") == "kamilo"
        assert len(chinese) == 3
        assert other == "the project"
    assert made._spelled(terms, {}, random.Random(1)) == terms


def test_names_stand_on_both_sides():
    rng = random.Random(5)
    talk = silent_talk(rng, 20, "train", "en")
    chunks = chunks_of(talk, "en", "de")
    for name, target in names_in(chunks):
        assert name == target
        assert any(name in chunk.translation for chunk in chunks)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_term_is_where_its_words_are(language, monkeypatch):
    talks = term_talks(4, language)
    made = examples(talks, batch=6, noted=0.7)
    windows = []
    window = made._window
    monkeypatch.setattr(made, "_window", lambda *args: windows.append(window(*args)) or windows[-1])
    monkeypatch.setattr(made, "_samples", lambda *args: np.zeros(640, dtype=np.float32))
    batch = made.batch(3)
    assert torch.equal(batch.said[..., 1] > 0, batch.present)
    for row, place in batch.present.nonzero().tolist():
        begin, end = (windows[row].start + 640 * n for n in batch.said[row, place].tolist())
        inside = [
            word for word in windows[row].words
            if word.start_s * 16000 >= begin - 641 and word.end_s * 16000 <= end + 641
        ]  # fmt: skip
        assert retrieval._is_in(
            batch.terms[place], retrieval._plain(inside), retrieval._apart(inside)
        )
        assert len(inside) <= batch.terms[place].count(" ") + 4
