"""Dialogues: both directions are functions, splits do not share, and there are very many."""

import itertools
import random
import re

import pytest

from earvoice.data.synth.conversation import phrases
from earvoice.data.synth.conversation.dialogue import dialogue
from earvoice.data.synth.conversation.exchanges import Writer
from earvoice.data.synth.conversation.lines import line
from earvoice.data.synth.grammar.clauses import TOPICS

LANGUAGES = {"self": "en", "other": "es"}


def said(seed, count, split="train", languages=LANGUAGES):
    talk = dialogue(random.Random(seed), languages, split)
    return list(itertools.islice(talk, count))


def target_of(utterance):
    return " ".join(next(iter(utterance.sentence.targets.values())))


def source_of(utterance):
    return " ".join(utterance.sentence.source)


def test_no_phrase_occurs_twice():
    for side in zip(*phrases.ALL, strict=True):
        assert len(set(side)) == len(side)


def test_everybody_keeps_to_a_language():
    for utterance in said(1, 300):
        sentence = utterance.sentence
        assert sentence.language == LANGUAGES[utterance.speaker]
        assert set(sentence.targets) == {"en", "es"} - {sentence.language}


def test_a_sentence_has_one_translation_whoever_says_it():
    forward, back = {}, {}
    for languages in (LANGUAGES, {"self": "es", "other": "en"}):
        for utterance in said(2, 1500, languages=languages):
            pair = (source_of(utterance), target_of(utterance))
            english, spanish = pair if utterance.sentence.language == "en" else pair[::-1]
            assert forward.setdefault(english, spanish) == spanish
            if utterance.sentence.language == "es":
                assert back.setdefault(spanish, english) == english


def test_needs_are_legal():
    for utterance in said(3, 500):
        sentence = utterance.sentence
        ((language, words),) = sentence.targets.items()
        needs = sentence.needs[language]
        assert len(needs) == len(words)
        assert list(needs) == sorted(needs)
        assert needs[-1] == len(sentence.source) - 1


def test_sentences_are_written_as_sentences():
    for utterance in said(4, 700):
        for text in (source_of(utterance), target_of(utterance)):
            assert re.match(r"^[¿A-ZÁÉÍÓÚÑ]", text), text
            assert text[-1] in ".?", text
            assert "  " not in text
            assert " ," not in text
            assert text.count("¿") <= text.count("?")
    spanish = [source_of(u) for u in said(4, 700) if u.sentence.language == "es"]
    assert all(("¿" in text) == ("?" in text) for text in spanish)


def test_every_kind_of_act_occurs():
    kinds = {utterance.kind for utterance in said(5, 600)}
    assert kinds == {
        "greeting", "statement", "question", "answer", "request", "correction", "reaction",
        "back-channel", "farewell",
    }  # fmt: skip


@pytest.mark.parametrize("split", ["dev", "test"])
def test_open_sentences_of_a_split_are_not_asked_in_training(split):
    """Questions, statements and requests with open slots; answers go with their question."""
    fixed = {english for english, _ in phrases.ALL}

    def opened(name, count):
        found = set()
        writer = Writer(random.Random(7), name)
        for number in range(count):
            first = writer.exchange(TOPICS[number % len(TOPICS)])[0]
            words = " ".join(line(first.content, "en").source)
            if first.kind in ("statement", "request") and words not in fixed:
                found.add(words)
        return found

    assert len(opened(split, 40)) > 8
    assert not opened(split, 40) & opened("train", 800)


def test_there_are_more_than_a_million_exchanges():
    """Hardly two of many draws are the same: of N equally likely exchanges n draws have about
    n^2 / 2N equal pairs, and more where some are likelier. Counted for one form alone."""
    writer = Writer(random.Random(11), "train")
    drawn, seen = 1500, []
    while len(seen) < drawn:
        acts = writer.tell(TOPICS[len(seen) % len(TOPICS)])
        if len(acts) > 2:
            seen.append(tuple(line(act.content, "en").source for act in acts))
    assert drawn - len(set(seen)) <= drawn**2 / 2 / 1e6
