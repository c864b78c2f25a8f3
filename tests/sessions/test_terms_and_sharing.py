"""Terms as sessions know them, and ends of sessions that hear one speaker."""

import gc
import threading

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earvoice.agent import glossary as glossaries
from earvoice.agent.foreign import clean
from earvoice.agent.glossary import Entry, Glossary
from earvoice.agent.glossary_files import read_glossary
from earvoice.agent.turns import Turn
from earvoice.audio import Audio
from earvoice.errors import DataError, UsageError
from earvoice.events import Finished
from earvoice.models.retriever import Retriever
from earvoice.policies import WaitK
from earvoice.session import Request
from earvoice.sessions.hearing import MOST_PAST_ROWS
from earvoice.sessions.term_index import TermStore
from tests.sessions.sharing import alone, counting, packets, speech, text, told
from tests.systems.clasi_tiny import clasi, tiny_clasi, tokenizer

REQUEST = Request("en", "de")
NAMES = ["house", "garden", "Krzysztof", "a b", "zebra", "violin", "cello", "harp"]
characters = st.one_of(
    st.sampled_from("eé \t\n\u200b\u200d\u0301\u0323\u202e\ufeff\u2000\u212b\x1f"), st.characters()
)


@pytest.fixture(scope="module")
def made():
    return tiny_clasi(least_score=0.0, seed=6)  # of those that talk


# ---------------------------------------------------------------- terms


@settings(max_examples=500)
@given(st.text(characters, max_size=12))
@example("e\u200b\u0301")
def test_what_is_clean_stays_as_it_is(given_text):
    once = clean(given_text)
    assert clean(once) == once


def test_a_term_is_found_under_its_own_source():
    entry = Entry("Cafe\u200b\u0301", "Kaffeehaus")
    glossary = Glossary([entry])
    assert glossary.get(entry.source) is entry
    assert len(glossary.edit(remove=[entry.source])) == 0


def test_an_edit_that_hides_an_odd_term_is_restored(made):
    # Of this source, what it is compared by is no source of the same term.
    glossary = Glossary([Entry("ß\u0301"), Entry("garden")])
    request = Request("en", "de", glossary=glossary)
    session = made.open(request)
    session.update(glossary=glossary.edit(remove=["ß\u0301"]))
    assert list(made.restore(request, made.save(session)).glossary) == [Entry("garden")]


def test_languages_of_an_entry_are_tags():
    entry = Entry("AI", "人工智能", src_lang="en-US", tgt_lang="ZH")
    assert (entry.src_lang, entry.tgt_lang) == ("en", "zh")
    assert entry.serves("en", "zh")
    assert Entry("a", src_lang="eng", tgt_lang="zh_Hant").serves("en", "zh")
    for tag in ("", "german", "e", "de de", 3):
        with pytest.raises(UsageError, match="src_lang is .*must be a language code"):
            Entry("a", src_lang=tag)
    with pytest.raises(UsageError, match="tgt_lang is"):
        Entry("a", tgt_lang="?")


def test_languages_in_a_file_are_tags(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("house,Haus,eng,de-AT\nsea,mer,en,FR\n", "utf-8")
    assert [entry.source for entry in read_glossary(path, "en-US", "de").glossary] == ["house"]
    path.write_text("house,Haus\nsea,Meer,noun\n", "utf-8")
    with pytest.raises(DataError, match="line 2: src_lang is 'noun'"):
        read_glossary(path, "en", "de")


def test_without_a_retriever_terms_of_other_languages_take_no_room():
    bare = clasi(retriever=None).interpreter(tokenizer())
    others = [Entry(name, "x", src_lang="fr") for name in NAMES]
    bare.open(Request("en", "de", glossary=Glossary([*others, Entry("house yard", "Hof")])))
    with pytest.raises(UsageError, match="5 entries for en to de"):
        bare.open(Request("en", "de", glossary=Glossary([*others, *map(Entry, "abcde")])))


def test_a_remembered_term_that_now_is_of_other_languages_is_not_told(made):
    session = made.open(Request("en", "de", glossary=Glossary([Entry("house", "Haus")])))
    session.memory._terms["house"] = "Haus"
    assert session.known().terms == (("house", "Haus"),)
    session.update(glossary=Glossary([Entry("house", "maison", tgt_lang="fr"), Entry("garden")]))
    assert session.known().terms == ()


# ---------------------------------------------------------------- an unfinished character


def test_wait_k_holds_an_unfinished_character_back(made):
    tokens = tokenizer().encode("das 😀 Haus")
    first = next(i for i, t in enumerate(tokens) if tokenizer().piece(t) == "<0xF0>")
    for cut in range(1, len(tokens)):
        session = made.open(Request("en", "de", WaitK(1, 2)))
        session.push(Audio.of(speech(0.24)))
        session.begun = ()
        events = session._say_words(Turn(translation=tuple(tokens[:cut])), 100)
        session = _again(made, session)
        events += session._say_words(Turn(translation=tuple(tokens)), 100)
        assert "".join(event.text for event in events) == "das 😀 Haus", cut - first


def _again(made, session):
    """The session, saved and restored."""
    return made.restore(session.request, made.save(session))


def test_what_closes_a_window_says_what_was_held(made):
    tokens = tuple(tokenizer().encode("das 😀"))
    session = made.open(Request("en", "de", WaitK(1, 2)))
    events = session._say_words(Turn(translation=tokens[:-1]), 100)
    events += session._events(Turn(translation=tokens, cut=0), "", "das 😀")
    assert text(events) == "das 😀"


# ---------------------------------------------------------------- vectors


@pytest.fixture
def embedded(monkeypatch):
    """How many terms are embedded from now on."""
    counts = []
    real = Retriever.key_vectors

    def counted(self, states, real_letters):
        counts.append(len(states))
        return real(self, states, real_letters)

    monkeypatch.setattr(Retriever, "key_vectors", counted)
    return counts


def many(count=60):
    return [Entry(f"{name} {number}") for number in range(count // 4) for name in NAMES[:4]]


def test_a_term_is_embedded_once(embedded, monkeypatch):
    monkeypatch.setattr(glossaries, "_MOST_EDITS", 12)
    made = tiny_clasi()
    glossary = Glossary(many())
    session = made.open(Request("en", "de", glossary=glossary))
    assert sum(embedded) == 60
    made.open(Request("en", "de", glossary=Glossary(many())))  # the same file, read again
    assert sum(embedded) == 60
    for number in range(20):
        glossary = glossary.edit(add=[Entry(f"new {number}")])
        session.update(glossary=glossary)
        assert sum(embedded) == 60 + number + 1
    assert len(glossary.base) > 60, "edits were folded"
    session.update(glossary=glossary.edit(add=[Entry(NAMES[0] + " 3", "Haus")]))
    assert sum(embedded) == 80, "another target sounds like the one before"


def test_vectors_that_were_copied_find_what_new_ones_do():
    torch.manual_seed(1)
    made = tiny_clasi()
    retriever = made.model.retriever
    old, new = many(40), many(60)
    copied = TermStore(retriever, new, (TermStore(retriever, old),))
    fresh = TermStore(retriever, new)
    assert np.abs(copied.vectors - fresh.vectors).max() < 1e-6
    queries = fresh.vectors[[3, 50]]
    assert copied.index.nearest(queries, 8) == fresh.index.nearest(queries, 8)
    edited = Glossary(old).edit(add=new[40:])
    session = made.open(Request("en", "de", glossary=Glossary(old)))
    session.update(glossary=edited)
    found, _ = session.spotter.view.nearest(torch.from_numpy(queries), 60)
    assert set(found) == set(new)


def test_neighbours_go_on_while_terms_are_embedded(made, monkeypatch):
    neighbour = made.open(REQUEST)
    embedding, heard = threading.Event(), threading.Event()
    real = Retriever.keys

    def slow(self, spelt):
        if threading.current_thread() is opener:
            embedding.set()
            assert heard.wait(60), "the neighbour waits for the glossary"
        return real(self, spelt)

    monkeypatch.setattr(Retriever, "keys", slow)
    request = Request("en", "de", glossary=Glossary(map(Entry, ["oboe", "tuba", "flute"])))
    opened = []
    opener = threading.Thread(target=lambda: opened.append(made.open(request)))
    opener.start()
    assert embedding.wait(60)
    step = threading.Thread(target=lambda: neighbour.push(Audio.of(speech(0.5))))
    step.start()
    step.join(30)
    stuck = step.is_alive()
    heard.set()
    opener.join()
    step.join()
    assert not stuck
    assert opened


# ---------------------------------------------------------------- an end behind others


def in_use(made):
    gc.collect()
    return made.hearings._pool.rows - len(made.hearings._pool._free)


def what_it_hears(session):
    """The speech embeddings that a session is given from now on."""
    found, hear = [], session.hear

    def listening(frames, speech, samples):
        found.append(speech)
        hear(frames, speech, samples)

    session.hear = listening
    return found


@pytest.mark.parametrize(("ahead", "taken", "ends"), [(2, 0, 0.5), (3, 1, 1.5), (30, 9, 9.3)])
def test_one_may_end_while_another_is_ahead(made, ahead, taken, ends):
    """`ahead` steps are encoded when the one behind, after `taken`, ends in the middle of one."""
    step = made.segment_samples
    samples = speech((ahead + 1.5) * step / 16_000, seed=5)
    before = in_use(made)
    quick, slow = made.open(REQUEST), made.open(REQUEST)
    made.share([quick, slow])
    said = quick.push(Audio.of(samples[: ahead * step]))
    brief = samples[: int(ends * step)]
    heard = what_it_hears(slow)
    slow.feed(Audio.of(brief))
    behind = [event for _ in range(taken) for event in made.advance([slow])[0]]
    assert len(quick.listener.hearing.past.rows) <= MOST_PAST_ROWS
    behind += slow.finish()
    assert slow.finish() == []
    single = made.open(REQUEST)
    want_heard = what_it_hears(single)
    want = told(single.push(Audio.of(brief)), single.finish())
    assert told(behind) == want
    assert bool(text(want)) == (ends > 9), "the long one says something"
    assert torch.allclose(torch.cat(heard), torch.cat(want_heard), atol=1e-5)
    assert in_use(made) == before + 1
    assert not quick.listener.hearing.past.rows
    for packet in packets(samples[ahead * step :]):
        said += quick.push(packet)
    assert told(said, quick.finish()) == alone(made, REQUEST, samples)
    assert in_use(made) == before


def test_one_may_end_behind_others_that_are_gone(made):
    step = made.segment_samples
    samples = speech(4.5 * step / 16_000, seed=6)
    quick, slow = made.open(REQUEST), made.open(REQUEST)
    made.share([quick, slow])
    quick.push(Audio.of(samples))
    del quick
    gc.collect()
    slow.feed(Audio.of(samples[: 2 * step + 7]))
    assert told(slow.finish()) == alone(made, REQUEST, samples[: 2 * step + 7])


def test_one_that_is_restored_behind_others_may_end(made):
    step = made.segment_samples
    samples = speech(6.5 * step / 16_000, seed=7)
    quick, slow = made.open(REQUEST), made.open(REQUEST)
    made.share([quick, slow])
    quick.push(Audio.of(samples))
    brief = samples[: 3 * step + 99]
    slow.feed(Audio.of(brief))
    said = made.advance([slow])[0]
    saved = made.save(slow)
    for other in (tiny_clasi(least_score=0.0, seed=6), made):
        again = other.restore(REQUEST, saved)
        leader = quick if other is made else other.open(REQUEST)
        other.share([leader, again])
        count = counting(other)
        rest = other.advance([again])[0] + other.advance([again])[0]
        assert count.samples == 0, "what was encoded is not encoded again"
        other.hearings._encode = count.inner
        assert told(said, rest, again.finish()) == alone(other, REQUEST, brief)


def test_the_past_is_as_long_as_the_slowest_is_behind(made):
    step = made.segment_samples
    one, two = made.open(REQUEST), made.open(REQUEST)
    made.share([one, two])
    hearing = one.listener.hearing
    one.push(Audio.of(speech(20 * step / 16_000)))
    assert len(hearing.past.samples) == len(hearing.kept) == 20
    assert len(hearing.past.rows) <= MOST_PAST_ROWS
    two.push(Audio.of(speech(20 * step / 16_000)[: 15 * step]))
    assert len(hearing.kept) == 5
    assert 5 <= len(hearing.past.samples) <= 5 + 20 // MOST_PAST_ROWS + 1
    two.push(Audio.of(speech(20 * step / 16_000)[15 * step :]))
    assert not hearing.past.samples
    assert not hearing.past.rows
    single = made.open(REQUEST)
    single.push(Audio.of(speech(1.0)))
    assert not single.listener.hearing.past.samples, "one alone needs no past"
    assert [one.finish()[-1], two.finish()[-1]] == [Finished()] * 2
