"""Turns to learn from are those of a live session: where they end, what they hold, what is told."""

import functools
import random

import pytest

from earvoice.agent.codec import AgentCodec, control_tokens
from earvoice.data.chunks import chunks_of
from earvoice.data.synth.interpreted.terms import near_misses, respelled, term_of_id
from earvoice.data.synth.silent import silent_talk
from earvoice.text.spacing import joined
from earvoice.text.tokenizer import WORD_GAP, Tokenizer
from earvoice.train.agent_mixture import AgentMixture
from earvoice.train.agent_terms import TermDraw, TermRoom, noted_terms
from earvoice.train.agent_turns import AgentExamples, AgentGrid
from earvoice.train.respelling import Respelling

MOST, STEP = 100, 6
PAIRS = (("zh", "en"), ("en", "zh"))


@functools.cache
def codec() -> AgentCodec:
    rng = random.Random(1)
    texts = []
    for number in range(60):
        talk = silent_talk(rng, 4, "train", PAIRS[number % 2][0], interpreted=True)
        for sentence in talk.sentences:
            texts.append(joined([word.text for word in sentence.words], WORD_GAP))
    control = control_tokens(("zh", "en"), MOST)
    return AgentCodec(Tokenizer.train(texts, 1200, extra_specials=control, apart=True), MOST)


def turns(count: int = 12, **changes):
    grid = AgentGrid(1280, STEP, MOST, 96, 10, 96, PAIRS)
    mixture = AgentMixture(source="text", style="interpreted", batch=8, **changes)
    made = AgentExamples(mixture, grid, codec(), [], None, seed=1, stage="text")
    return [example.turn for step in range(count) for example in made._examples(step)]


def test_a_live_window_ends_with_a_step():
    found = [turn for turn in turns() if not turn.ask.whole]
    assert found
    for turn in found:
        assert (turn.lead + turn.count) % STEP == 0
        assert 0 <= turn.lead <= turn.start
        assert 0 < turn.count <= MOST
        assert 0 <= turn.cut <= turn.count


def test_a_whole_turn_is_empty_only_where_nothing_is_said():
    assert all(turn.said for turn in turns(whole=1.0, silent=0.0))
    quiet = [turn for turn in turns(whole=1.0, silent=1.0, mt=0.0) if not turn.said]
    assert quiet
    for turn in quiet:
        end_s = (turn.start + turn.count) * 0.08
        words = [word for one in turn.talk.sentences for word in one.words]
        assert not any(turn.start * 0.08 < word.end_s <= end_s - 0.04 for word in words)


def test_windows_end_before_a_chunk_as_often_as_after_it():
    found = [turn for turn in turns(20, whole=0.0, skew=1.0, mt=0.0) if turn.start]
    finished = sum(bool(turn.said) for turn in found) / len(found)
    assert 0.35 < finished < 0.85


def test_turns_are_looked_for_where_a_term_is_said():
    def share(with_term: float) -> float:
        found = turns(8, with_term=with_term, whole=1.0, silent=0.0)
        heard = [joined(chunk.transcript for chunk in turn.said) for turn in found]
        named = [
            any(source in text for source, _ in noted_terms(turn.talk, pair_of(turn)))
            for turn, text in zip(found, heard, strict=True)
        ]
        return sum(named) / len(named)

    def pair_of(turn):
        return turn.ask.src_lang, turn.ask.tgt_lang

    assert share(1.0) > 0.9
    assert share(0.0) < 0.6


def test_the_tokens_of_a_word_fill_its_time_in_order():
    made = AgentExamples(
        AgentMixture(source="text", style="interpreted", batch=8, mt=0.0, spread=1.0),
        AgentGrid(1280, STEP, MOST, 96, 10, 96, PAIRS),
        codec(), [], None, seed=1, stage="text",
    )  # fmt: skip
    batch = made.batch(0)
    for words, slots in zip(batch.words, batch.slots, strict=True):
        assert words is not None
        assert all(len(tokens) == 1 for tokens in words)
        spoken = [slot for slot in slots if slot]
        assert spoken == sorted(spoken)
        assert max(slots, default=0) <= len(words)


def spoken_examples(**changes):
    """Examples of talks that stand in for sound, which is not read here."""
    rng = random.Random(11)
    talks = [
        silent_talk(rng, 8, "train", PAIRS[number % 2][0], interpreted=True, focus="terms")
        for number in range(8)
    ]
    mixture = AgentMixture(
        batch=8, asr=0.0, mt=0.0, st=1.0, cot=1.0, whole=1.0, silent=0.0, knowledge=1.0,
        with_term=1.0, withheld=0.0, memory=1.0, distractors=2, **changes,
    )  # fmt: skip
    grid = AgentGrid(1280, STEP, MOST, 96, 10, 400, PAIRS)
    made = AgentExamples(mixture, grid, codec(), talks, None, seed=1, stage="fine")
    return [example for step in range(6) for example in made._examples(step)]


def test_told_terms_are_spelled_anew_in_prompt_words_and_translation_alike():
    decode = codec().tokenizer.decode
    forms: dict[str, set[str]] = {}
    copied = 0
    for example in spoken_examples(respelled=1.0):
        turn, answer = example.turn, decode(example.answer).replace(" ", "")
        spelling = turn.spelling
        for old, new in (*spelling.sources.items(), *spelling.targets.items()):
            forms.setdefault(old, set()).add(new)
        for old, new in spelling.sources.items():
            assert new in {source for source, _ in turn.known.terms}
            if any(old in chunk.transcript for chunk in turn.said):
                copied += 1
                assert new.replace(" ", "") in answer
        for old, new in spelling.targets.items():
            if any(old in chunk.translation for chunk in turn.said):
                assert new.replace(" ", "") in answer
    assert copied > 20
    assert max(map(len, forms.values())) > 2
    assert not any(example.turn.spelling.sources for example in spoken_examples())


def test_a_spelling_changes_what_it_knows_and_nothing_twice():
    spelling = Respelling({"ka": "ca", "ca": "ka", "kalo": "cahlo"}, {})
    assert spelling.source("ka ca kalo") == "ca ka cahlo"
    assert spelling.target("ka ca") == "ka ca"
    assert Respelling().source("anything") == "anything"


def test_what_is_heard_keeps_its_sound():
    rng = random.Random(2)
    name, product, place = map(term_of_id, ("name:ka-mi-lo", "product:ve-ra-so", "place:te-mo-ra"))
    assert len({respelled(rng, name, "en").form("en") for _ in range(30)}) > 3
    assert {respelled(rng, product, "zh").form("zh") for _ in range(9)} == {product.form("zh")}
    assert len({respelled(rng, product, "zh").form("en") for _ in range(9)}) == 9
    assert len({respelled(rng, product, "en").form("zh") for _ in range(9)}) > 5
    pattern = place.form("en").replace("Temora", "").split()
    for _ in range(9):
        assert set(pattern) & {"Bay", "Valley", "Port", "New"} <= set(
            respelled(rng, place, "zh").form("en").split()
        )


@pytest.mark.parametrize("withheld", [0.0, 1.0])
def test_near_misses_stand_alone_where_the_right_term_is_withheld(withheld):
    rng = random.Random(3)
    draw = TermDraw((), [("zh", "en")], TermRoom(10, 400, 8, withheld), len)
    right = near = 0
    for _ in range(30):
        talk = silent_talk(rng, 6, "train", "zh", interpreted=True, focus="terms")
        chunks = chunks_of(talk, "zh", "en")
        noted = noted_terms(talk, ("zh", "en"))
        words = joined(chunk.transcript for chunk in chunks[:2])
        said = {term for term in noted if term[0] in words}
        told = draw.told(rng, ("zh", "en"), talk, (chunks[:1], chunks[1].transcript), chunks)
        right += len(said & set(told))
        near += len(set(told) - set(noted))
    assert near
    assert bool(right) == (withheld == 0.0)


def test_a_term_is_in_the_same_pieces_wherever_it_stands():
    rng = random.Random(8)
    tokenizer = codec().tokenizer
    seen = 0
    for source, target in PAIRS:
        talk = silent_talk(rng, 20, "test", source, interpreted=True, focus="terms")
        for sentence in talk.sentences:
            for note in sentence.notes.get("terms", ()):
                term = term_of_id(note["id"])
                miss = near_misses(rng, term, 1)[0]
                for form in (term.form(target), miss.form(target)):
                    text = sentence.targets[target].text.replace(term.form(target), form)
                    own, all_of = tokenizer.encode(form), tokenizer.encode(text)
                    own = own[1:] if tokenizer.piece(own[0]) == "▁" else own
                    places = range(len(all_of) - len(own) + 1)
                    assert any(all_of[i : i + len(own)] == own for i in places), (form, text)
                    seen += 1
    assert seen > 20
