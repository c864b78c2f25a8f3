"""The agent loop: windows move on whatever the model says, glossaries count from the next turn."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earvoice.agent.codec import Ask
from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Commit, Finished, Note
from earvoice.policies import FixedChunks, HoldN, WaitK
from earvoice.session import Request
from earvoice.sessions.agent_session import stands_in
from earvoice.sessions.agent_window import AgentWindow
from tests.systems.clasi_tiny import MOST, clasi, tiny_clasi, tokenizer

STEP = 3840  # 0.24 s: three embeddings of 80 ms
few = settings(max_examples=5, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def interpreter():
    return tiny_clasi(least_score=0.0)


def noise(duration_s, seed=0):
    generator = np.random.default_rng(seed)
    return Audio(0.3 * generator.uniform(-1, 1, (1, round(16000 * duration_s))).astype("f4"))


class Scripted:
    """An interpreter's turns replaced by given ones; everything else is real."""

    def __init__(self, interpreter, monkeypatch, turns):
        self.prompts, self.asks = [], []
        self._turns = iter(turns)
        self._codec = interpreter.settings.codec
        monkeypatch.setattr(interpreter, "_turns", self._answer)

    def _answer(self, sessions):
        (session,) = sessions
        ask, known = session.ask(), session.known()
        self.asks.append((ask, session.end))
        self.prompts.append(known)
        turn = next(self._turns, None)
        if turn is None:
            return [self._codec.answer(ask, 0)] if not ask.whole else [()]
        return [turn if isinstance(turn, tuple) else self._codec.answer(ask, **turn)]


def texts(events, role="translation"):
    return [e.text for e in events if isinstance(e, Commit) and e.stream.role == role]


def test_a_turn_is_said_remembered_and_cut_off(interpreter, monkeypatch):
    turns = [{"cut": 0}, {"cut": 5, "words": "we go", "translation": "wir gehen"}, {"cut": 0}]
    script = Scripted(interpreter, monkeypatch, turns)
    session = interpreter.open(Request("en", "de", transcript=True))
    events = session.push(noise(1.2 + 0.24 * 2))  # asked from 11 embeddings (0.9 s) on
    assert texts(events) == ["wir gehen"]
    assert texts(events, "transcript") == ["we go"]
    (commit,) = [e for e in events if isinstance(e, Commit) and e.stream.role == "translation"]
    assert commit.span == (0.0, 0.4)
    assert session.window.start == 5
    assert session.memory.transcript == "we go"
    assert script.prompts[0].transcript == ""
    session.push(noise(0.5))
    assert script.prompts[-1].translation == "wir gehen"


def test_a_full_window_is_closed_and_moves_on(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    session = interpreter.open(Request("en", "de"))
    session.push(noise(12.0))
    whole = [end for ask, end in script.asks if ask.whole]
    assert len(whole) >= 4
    assert all(MOST * 0.7 < end <= MOST for end in whole)
    assert session.window.start > 90
    assert session.finish()[-1] == Finished()


def test_all_audio_is_heard_to_the_end(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    session = interpreter.open(Request("en", "de"))
    session.push(noise(1.0))
    session.finish()
    ask, end = script.asks[-1]
    assert ask.whole
    assert session.window.start == end == 15  # 1.0 s fills five steps of three embeddings


@few
@given(st.lists(st.lists(st.integers(0, 10**6), max_size=12), max_size=30))
def test_malformed_turns_lose_no_audio(interpreter, turns):
    with pytest.MonkeyPatch.context() as patch:
        tokens = [tuple(token % tokenizer().vocab_size for token in turn) for turn in turns]
        script = Scripted(interpreter, patch, tokens)
        session = interpreter.open(Request("en", "de"))
        before = 0
        events = []
        for number in range(6):
            events += session.push(noise(0.4, number))
            assert before <= session.window.start
            assert len(session.window) <= MOST
            before = session.window.start
        events += session.finish()
    heard = 6 * 6400
    assert session.window.start * 1280 >= heard, "all of it was in some finished turn"
    assert events[-1] == Finished()
    said = [event for event in events if isinstance(event, Note) and event.kind == "turn_broken"]
    assert all(event.data["fault"] for event in said)
    assert script.asks


def test_a_glossary_counts_from_the_next_turn_and_for_this_session_only(interpreter, monkeypatch):
    turn = {"cut": 1, "words": "a", "translation": "im Garten"}
    script = Scripted(interpreter, monkeypatch, [turn] * 9)
    glossary = Glossary([Entry("garden", "Garten")])
    session, other = (interpreter.open(Request("en", "de", glossary=g)) for g in (glossary, None))
    events = session.push(noise(1.2))
    assert script.prompts[-1].terms == (("garden", "Garten"),)
    used = [event for event in events if isinstance(event, Note) and event.kind == "terms_used"]
    assert used[0].data["terms"][0]["target"] == "Garten"
    edited = glossary.edit(add=[Entry("house", "Haus"), Entry("garden", "Park")])
    assert session.update(glossary=edited) == []
    session.push(noise(0.8))
    assert set(script.prompts[-1].terms) == {("house", "Haus"), ("garden", "Park")}
    session.update(glossary=edited.edit(remove=["garden"]))
    session.push(noise(0.5))
    assert script.prompts[-1].terms == (("house", "Haus"),)
    other.push(noise(1.2))
    assert script.prompts[-1].terms == ()


def test_a_term_heard_before_an_edit_is_still_known(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    glossary = Glossary(map(Entry, ["house", "garden", "zebra", "cello", "violin", "harp"]))
    session = interpreter.open(Request("en", "de", glossary=glossary))
    session.push(noise(1.2))
    told = script.prompts[-1].terms
    assert told
    session.update(glossary=glossary.edit(add=[Entry("oboe")]))
    session.push(noise(0.24))
    assert set(told) & set(script.prompts[-1].terms)


def test_terms_that_come_later_are_listened_for_where_the_stream_is(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    terms = Glossary(map(Entry, ["house", "garden", "zebra", "cello", "violin", "harp"]))
    always = interpreter.open(Request("en", "de", glossary=terms))
    later = interpreter.open(Request("en", "de"))
    emptied = interpreter.open(Request("en", "de", glossary=terms))
    emptied.update(glossary=Glossary())
    for session in (always, later, emptied):
        session.push(noise(1.2))
    later.update(glossary=terms)
    emptied.update(glossary=terms)
    assert later.spotter.heard == emptied.spotter.heard == always.spotter.heard > 0
    told = []
    for session in (always, later, emptied):
        for number in range(4):  # until nothing is left of what was found before the edit
            session.push(noise(0.5, number))
        told.append(script.prompts[-1].terms)
    assert told[0]
    assert told[0] == told[1] == told[2]


def test_a_change_of_nothing_is_refused(interpreter):
    with pytest.raises(UsageError, match="glossary is a NoneType"):
        interpreter.open(Request("en", "de")).update()


def test_context_is_in_every_prompt(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    interpreter.open(Request("en", "de", context="About </s> gardens")).push(noise(1.5))
    assert {known.context for known in script.prompts} == {"About </s> gardens"}


def test_what_it_cannot_do_is_refused(interpreter):
    with pytest.raises(UsageError, match="decides when to write"):
        interpreter.open(Request("en", "de", policy=HoldN()))
    session = interpreter.open(Request("en", "de"))
    with pytest.raises(UsageError, match="glossary is a dict, it must be a Glossary"):
        interpreter.open(Request("en", "de", glossary={"house": "Haus"}))
    with pytest.raises(UsageError, match="must be a Glossary"):
        session.update(glossary=["house"])
    bare = clasi(retriever=None).interpreter(tokenizer())
    bare.open(Request("en", "de", glossary=Glossary(map(Entry, "abcd"))))
    with pytest.raises(UsageError, match="no retriever"):
        bare.open(Request("en", "de", glossary=Glossary(map(Entry, "abcde"))))


def test_hours_take_no_more_memory_than_minutes(interpreter):
    brief = tiny_clasi(memory_tokens=24)
    brief.settings = dataclasses.replace(brief.settings, max_tokens=6)
    glossary = Glossary(map(Entry, ["house", "garden", "zebra", "cello", "violin", "harp"]))
    session = brief.open(Request("en", "de", glossary=glossary))
    sizes = []
    for number in range(14):
        session.push(noise(2.4, number % 3))
        spotter = session.spotter
        sizes.append((session.memory.tokens, len(session.window), len(spotter.hits)))
    assert max(tokens for tokens, *_ in sizes) <= 24
    assert max(count for _, count, _ in sizes) <= MOST
    assert max(hits for *_, hits in sizes[7:]) <= max(hits for *_, hits in sizes[:7]) + 6
    assert session.lag_s < 0.24


def test_a_full_window_is_cut_where_it_is_quiet():
    window = AgentWindow(8, 4)
    samples = torch.ones(32)
    samples[24:28] = 0.0  # the seventh embedding
    window.add(torch.arange(8.0)[:, None], samples)
    assert window.full(1)
    assert window.quietest() == 7
    window.drop(7)
    assert (len(window), window.start) == (1, 7)
    assert window.speech(1).tolist() == [[7.0]]


def test_a_term_is_found_as_whole_words():
    assert stands_in("Haus", "das haus.", "de")
    assert not stands_in("Haus", "Hausboot", "de")
    assert stands_in("北京", "我在北京。", "zh")


def test_fixed_chunks_ask_for_everything_at_equal_distances(interpreter, monkeypatch):
    script = Scripted(interpreter, monkeypatch, [])
    session = interpreter.open(Request("en", "de", FixedChunks(3)))
    session.push(noise(0.24 * 8))
    assert [(ask.whole, end) for ask, end in script.asks] == [(True, 9), (True, 9)]
    session.finish()
    assert script.asks[-1][0].whole
    with pytest.raises(UsageError, match="or takes fixed-chunks or wait-k"):
        interpreter.open(Request("en", "de", HoldN()))


def test_wait_k_says_n_words_of_each_translation_and_keeps_the_window(interpreter, monkeypatch):
    said = ["wir", "wir gehen zu", "wir gehen zu einem Haus", "wir gehen zu einem Haus und"]
    turns = [{"cut": 0, "words": "we go", "translation": text} for text in said]
    script = Scripted(interpreter, monkeypatch, turns)
    session = interpreter.open(Request("en", "de", WaitK(k=3, n=2)))
    events = session.push(noise(0.24 * 6))
    assert [ask.whole for ask, _ in script.asks] == [True] * 4
    assert [end for _, end in script.asks] == [9, 12, 15, 18]
    assert texts(events) == ["wir", " gehen zu", " einem Haus", " und"]
    assert session.window.start == 0
    assert not session.memory.translation


def test_wait_k_begins_each_translation_with_what_is_said(interpreter):
    session = interpreter.open(Request("en", "de", WaitK(k=2, n=1)))
    for _ in range(4):
        before = session.begun
        session.push(noise(0.24))
        assert session.begun[: len(before)] == before
    guide, ask = interpreter.guide, session.ask()
    begun = tuple(tokenizer().encode("ein Haus"))
    start = [tokenizer().special_id("<asr>"), tokenizer().special_id("<st>")]
    for place, token in enumerate(begun):
        mask = guide.legal([*start, *begun[:place]], 6, Ask("en", "de", whole=True), 96, begun)
        assert mask.nonzero().flatten().tolist() == [token]
    free = guide.legal([*start, *begun], 6, Ask("en", "de", whole=True), 96, begun)
    assert int(free.sum()) > 100
    assert ask.whole


def test_with_wait_k_a_full_window_is_said_to_its_end(interpreter, monkeypatch):
    text = "das ist ein Haus und ein Garten."
    turns = [{"cut": 0, "words": "", "translation": text}] * 30
    Scripted(interpreter, monkeypatch, turns)
    session = interpreter.open(Request("en", "de", WaitK(k=8, n=2)))
    events = session.push(noise(2.4))
    assert "".join(texts(events)) == text
    assert session.begun == ()
    assert session.window.start > 0
    assert session.memory.translation == text
