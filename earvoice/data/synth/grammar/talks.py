"""Sampling of single sentences and of connected talks, restricted to a split."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial

from earvoice.data.synth.grammar import clauses, formulas, patterns
from earvoice.data.synth.grammar.clauses import NoFit
from earvoice.data.synth.grammar.connectives import OPENERS
from earvoice.data.synth.grammar.reverse import has_one_english
from earvoice.data.synth.grammar.sentence import (
    LANGUAGES,
    Derivation,
    Sentence,
    Statement,
    english_words,
    finish,
    source_words,
    split_of,
)
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import HE, NP, SHE, THEY, WE, I
from earvoice.data.synth.grammar.words import names, nouns

SPLITS = ("train", "dev", "test")
_MIN_WORDS, _MAX_WORDS = 3, 22
_FORMULA_SHARE = 0.03


def checked(
    topic: str,
    make: Callable[[], Derivation],
    split: str | None,
    language: str,
    *,
    known: bool = False,
    languages: Sequence[str] = LANGUAGES,
) -> tuple[Derivation, Sentence]:
    """Makes derivations until one belongs to the split and has one translation.

    known: "he" and "she" are clear from what was said before. languages: to translate into.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; legal are {', '.join(LANGUAGES)}")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split is {split!r}; legal are {', '.join(SPLITS)} or None")
    while True:
        try:
            item = make()
        except NoFit:
            continue
        source = english_words(item)
        if not _MIN_WORDS <= len(source[0]) <= _MAX_WORDS:
            continue
        if not isinstance(item, Template) and _repeats_noun(source[0]):
            continue
        if split is not None and split_of(source[0]) != split:
            continue
        if language == "en":
            return item, finish(item, topic, source, languages=languages)
        if has_one_english(item, language, known):
            heard = source_words(item, language)
            return item, finish(item, topic, heard, language, languages)


@cache
def _noun_of() -> dict[str, str]:
    """English word form -> the noun or name it is a form of, units of time left out."""
    forms: dict[str, str] = {}
    for item in nouns():
        if "unit" not in item.classes:
            forms[item.en] = forms[item.en_plural] = item.en
    for kind in ("name", "city", "country"):
        forms.update((item.en, item.en) for item in names(kind))
    return forms


def _repeats_noun(source: tuple[str, ...]) -> bool:
    """Whether a person or thing is named twice: clumsy ("I helped Paul because Paul ...")."""
    forms = _noun_of()
    found = [forms.get(word.rstrip(",.?").removesuffix("'s")) for word in source]
    named = [item for item in found if item]
    return len(named) != len(set(named))


def pick_topic(rng: random.Random, topic: str | None) -> str:
    """The topic, or any. Raises: ValueError for one that there is not."""
    if topic is None:
        return rng.choice(clauses.TOPICS)
    if topic not in clauses.TOPICS:
        raise ValueError(f"topic is {topic!r}; legal are {', '.join(clauses.TOPICS)}")
    return topic


def sample_sentence(
    rng: random.Random,
    topic: str | None = None,
    split: str | None = None,
    language: str = "en",
) -> Sentence:
    """One sentence in a language with its translations, of the topic and split if given."""
    chosen = pick_topic(rng, topic)

    def make() -> Derivation:
        if rng.random() < _FORMULA_SHARE:
            return rng.choice((formulas.opening, formulas.closing))(rng)
        return patterns.derivation(rng, chosen)

    return checked(chosen, make, split, language)[1]


def sample_talk(
    rng: random.Random, sentences: int, split: str | None = None, language: str = "en"
) -> list[Sentence]:
    """A talk in a language on one topic: an opening, a body with connectives in order, a closing.

    Every sentence belongs to `split` and can be translated on its own: a pronoun may take up
    the person of the sentence before, but its form does not depend on it. Talks of one or two
    sentences have no closing.
    """
    if sentences < 1:
        raise ValueError(f"sentences is {sentences}; a talk has at least 1")
    topic = pick_topic(rng, None)
    out = [checked(topic, partial(formulas.opening, rng), split, language)[1]]
    body = sentences - (2 if sentences > 2 else 1)
    before: NP | None = None
    for index in range(body):
        make = partial(_body, rng, topic, index, body, before)
        item, sentence = checked(topic, make, split, language)
        before = item.clause.subject if isinstance(item, Statement) else None
        out.append(sentence)
    if sentences > 2:
        out.append(checked(topic, partial(formulas.closing, rng), split, language)[1])
    return out


def _body(rng: random.Random, topic: str, index: int, length: int, before: NP | None) -> Derivation:
    """The index-th sentence of the body: "First" begins it, "Finally" ends it.

    `before` is the subject of the sentence before; it may go on as a pronoun.
    """
    who = _taken_up(before) if rng.random() < 0.5 else None
    if index in (0, length - 1) and length > 2 and rng.random() < 0.6:
        wanted = "First," if index == 0 else "Finally,"
        opener = next(item for item in OPENERS if item.en == (wanted,))
    elif rng.random() < 0.25 and index > 0:
        opener = rng.choice([item for item in OPENERS if item.en[0] not in ("First,", "Finally,")])
    elif who is not None:
        return Statement(clauses.sample(rng, topic, tenses="SRFM", who=who))
    else:
        return patterns.derivation(rng, topic)
    return Statement(
        clauses.sample(rng, topic, tenses="SRFM", who=who, front_rate=0.0, time_rate=0.5), opener
    )


def _taken_up(before: NP | None) -> NP | None:
    """The pronoun for a subject just named: he, she, they, or the same pronoun again."""
    if before is None:
        return None
    if before.name:
        return NP(pronoun=HE if before.name.gender == "m" else SHE)
    if before.pronoun in (I, WE, THEY, HE, SHE):
        return NP(pronoun=before.pronoun)
    return NP(pronoun=THEY) if before.plural and before.is_human else None
