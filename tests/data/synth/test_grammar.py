"""The grammar: one translation per sentence, correct forms, honest alignment."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest

from earvoice.data.synth.grammar import (
    TARGET_LANGS,
    Sentence,
    distinct_sentences,
    numbers,
    sample_sentence,
    sample_talk,
    split_of,
    words,
)
from earvoice.data.synth.grammar.german_forms import infinitive, present
from earvoice.data.synth.grammar.spanish_forms import gerund, participle, verb_form

COUNT = 12_000


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    rng = random.Random(11)
    return [sample_sentence(rng) for _ in range(COUNT)]


# --- properties of the sampled language ----------------------------------------------------


def test_same_seed_same_sentences() -> None:
    first = [sample_sentence(random.Random(5)) for _ in range(3)]
    assert first[0] == first[1] == first[2]
    assert sample_talk(random.Random(6), 8) == sample_talk(random.Random(6), 8)


def test_one_translation_per_spoken_sentence(sentences: list[Sentence]) -> None:
    seen: dict[str, tuple[tuple[str, ...], ...]] = {}
    for sentence in sentences:
        spoken = re.sub(r"[^a-z ]", "", " ".join(sentence.source).lower().replace("-", " "))
        targets = tuple(sentence.targets[lang] for lang in TARGET_LANGS)
        assert seen.setdefault(spoken, targets) == targets, spoken


def test_needs_are_legal(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        for lang in TARGET_LANGS:
            needs = sentence.needs[lang]
            assert len(needs) == len(sentence.targets[lang])
            assert needs[-1] == len(sentence.source) - 1
            assert needs[0] >= 0
            assert list(needs) == sorted(needs)


_WORD = re.compile(r"^[A-Za-zÄÖÜäöüßÁÉÍÓÚÑáéíóúñ]+(-[a-z]+)*('s)?$")


def test_words_are_clean(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        for side in (sentence.source, sentence.targets["de"], sentence.targets["es"]):
            assert side[-1][-1] in ".?"
            assert side[0].lstrip("¿")[0].isupper()
            for index, word in enumerate(side):
                bare = word.removeprefix("¿") if index == 0 else word
                bare = bare[:-1] if bare[-1] in ",.?" else bare
                assert _WORD.match(bare), (word, side)
        spanish = sentence.targets["es"]
        assert (spanish[0][0] == "¿") == (spanish[-1][-1] == "?")
        joined = f" {' '.join(spanish)} ".lower()
        assert " a el " not in joined
        assert " de el " not in joined
        german = " ".join(sentence.targets["de"])
        assert not re.search(r"\b(in dem|zu dem|zu der|an dem|von dem|bei dem) [A-Z]", german)


@pytest.mark.parametrize("language", ["de", "es", "fr", "zh"])
def test_a_sentence_of_another_language_has_one_translation_and_one_split(language: str) -> None:
    rng = random.Random(21)
    seen: dict[str, tuple[str, ...]] = {}
    for _ in range(120):
        for sentence in sample_talk(rng, 14, "train", language):
            assert sentence.language == language
            english = sentence.targets["en"]
            assert split_of(english) == "train"
            spoken = re.sub(r"[^\w ]", "", " ".join(sentence.source).lower())
            assert seen.setdefault(spoken, english) == english, spoken
            needs = sentence.needs["en"]
            assert len(needs) == len(english)
            assert list(needs) == sorted(needs)
            assert needs[-1] == len(sentence.source) - 1


def test_lengths_and_vocabulary(sentences: list[Sentence]) -> None:
    lengths = [len(sentence.source) for sentence in sentences]
    assert 8.5 < sum(lengths) / COUNT < 11
    assert max(lengths) <= 22
    vocabulary = {word.strip(",.?").lower() for sentence in sentences for word in sentence.source}
    assert 700 < len(vocabulary) < 1200


def test_splits(sentences: list[Sentence]) -> None:
    shares = dict.fromkeys(("train", "dev", "test"), 0)
    for sentence in sentences:
        shares[split_of(sentence.source)] += 1
    assert 0.94 < shares["train"] / COUNT < 0.98
    assert 0.01 < shares["dev"] / COUNT < 0.03
    # written out: these must never change, or a test sentence becomes a training sentence
    assert split_of(("Tomorrow", "we", "will", "travel", "to", "Berlin.")) == split_of(
        ("tomorrow", "we", "will", "travel", "to", "berlin")
    )
    frozen = {"100": "dev", "101": "train", "130": "dev", "252": "test", "253": "train"}
    assert {word: split_of((word,)) for word in frozen} == frozen


def test_asking_for_a_split() -> None:
    rng = random.Random(3)
    for split in ("dev", "test", "train"):
        assert all(split_of(sample_sentence(rng, split=split).source) == split for _ in range(10))
        assert all(split_of(item.source) == split for item in sample_talk(rng, 5, split))
    with pytest.raises(ValueError, match="split is 'valid'"):
        sample_sentence(rng, split="valid")
    with pytest.raises(ValueError, match="topic is 'cooking'"):
        sample_sentence(rng, topic="cooking")
    with pytest.raises(ValueError, match="sentences is 0"):
        sample_talk(rng, 0)


def test_talks_have_one_topic_and_the_length() -> None:
    rng = random.Random(8)
    for length in (1, 2, 3, 10):
        talk = sample_talk(rng, length)
        assert len(talk) == length
        assert len({sentence.topic for sentence in talk}) == 1


def test_many_distinct_pairs() -> None:
    for lang in TARGET_LANGS:
        assert distinct_sentences(lang) >= 10**7
    with pytest.raises(ValueError, match="lang is 'it'"):
        distinct_sentences("it")


def test_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, earvoice.data.synth.grammar;"
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- morphology ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "en", "de", "es"),
    [
        (2, "two", "zwei", "dos"),
        (16, "sixteen", "sechzehn", "dieciséis"),
        (17, "seventeen", "siebzehn", "diecisiete"),
        (21, "twenty-one", "einundzwanzig", "veintiún"),
        (31, "thirty-one", "einunddreißig", "treinta y un"),
        (76, "seventy-six", "sechsundsiebzig", "setenta y seis"),
        (100, "one hundred", "hundert", "cien"),
        (
            245,
            "two hundred and forty-five",
            "zweihundertfünfundvierzig",
            "doscientos cuarenta y cinco",
        ),
        (1500, "one thousand five hundred", "tausendfünfhundert", "mil quinientos"),
        (2100, "two thousand one hundred", "zweitausendeinhundert", "dos mil cien"),
    ],
)
def test_numbers(number: int, en: str, de: str, es: str) -> None:
    assert " ".join(numbers.english(number)) == en
    assert numbers.german(number) == de
    assert " ".join(numbers.spanish(number, "m")) == es


def test_feminine_numbers_and_years() -> None:
    assert numbers.spanish(21, "f") == ["veintiuna"]
    assert numbers.spanish(300, "f") == ["trescientas"]
    assert " ".join(numbers.english_year(1998)) == "nineteen ninety-eight"
    assert numbers.german_year(1998) == "neunzehnhundertachtundneunzig"
    assert numbers.german_year(2001) == "zweitausendeins"


@pytest.mark.parametrize(
    ("en", "tense", "forms"),
    [
        ("explain", "preterite", ("expliqué", "explicó", "explicamos", "explicaron")),
        ("begin", "present", ("empiezo", "empieza", "empezamos", "empiezan")),
        ("begin", "subjunctive", ("empiece", "empiece", "empecemos", "empiecen")),
        ("build", "preterite", ("construí", "construyó", "construimos", "construyeron")),
        ("order", "preterite", ("pedí", "pidió", "pedimos", "pidieron")),
        ("sleep", "subjunctive", ("duerma", "duerma", "durmamos", "duerman")),
        ("translate", "preterite", ("traduje", "tradujo", "tradujimos", "tradujeron")),
        ("send", "present", ("envío", "envía", "enviamos", "envían")),
        ("leave", "future", ("saldré", "saldrá", "saldremos", "saldrán")),
        ("have", "past_subjunctive", ("tuviera", "tuviera", "tuviéramos", "tuvieran")),
        ("give", "preterite", ("di", "dio", "dimos", "dieron")),
    ],
)
def test_spanish_verbs(en: str, tense: str, forms: tuple[str, ...]) -> None:
    assert tuple(verb_form(words.verb(en), tense, person) for person in range(4)) == forms


def test_other_forms() -> None:
    assert gerund(words.verb("sleep")) == "durmiendo"
    assert participle(words.verb("write")) == "escrito"
    assert [present(words.verb("invite"), person) for person in (0, 1, 2)] == [
        "lade",
        "lädt",
        "laden",
    ]
    assert present(words.verb("improve"), 0) == "verbessere"
    assert infinitive(words.verb("take part"), with_zu=True) == ("teilzunehmen",)
    assert infinitive(words.verb("solve"), with_zu=True) == ("zu", "lösen")
