"""Talks as interpreters hear them, in English or Chinese, translated into the other.

focus: "" mixes everything; "terms" names an invented term in each sentence; "list" reads out terms
and nothing else, other ones all the time; "reference" is nothing but passages that refer back.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from earvoice.data.synth.grammar import formulas, patterns
from earvoice.data.synth.grammar.clauses import TOPICS
from earvoice.data.synth.grammar.reverse import noun_phrases
from earvoice.data.synth.grammar.sentence import Derivation, Sentence
from earvoice.data.synth.grammar.talks import checked
from earvoice.data.synth.grammar.tree import HE, NP, SHE
from earvoice.data.synth.interpreted.disfluency import Rates, stumble
from earvoice.data.synth.interpreted.exchange import exchanged
from earvoice.data.synth.interpreted.reference import LANGUAGES, episode, says_they
from earvoice.data.synth.interpreted.terms import KINDS, Term, invent

Focus: TypeAlias = Literal["", "terms", "list", "reference"]
FOCUSES: tuple[Focus, ...] = get_args(Focus)
_PER_KIND = 3
"""Invented terms of each kind in a talk; they come again and again, as in real talks."""
_EPISODES, _WITH_TERM = 0.15, 0.45
_MARKS = ",.?，。？"
_FEWEST_LISTED, _MOST_LISTED = 2, 4
_THINGS = frozenset(("soft", "device", "product"))


def interpreted_talk(
    rng: random.Random, sentences: int, split: str, language: str, focus: str = ""
) -> list[Sentence]:
    """A talk of at least `sentences` sentences in a language, all of one split.

    Notes of a sentence: "terms", "reference" and "disfluent" (see `docs/corpora.md`).
    Raises: ValueError for another language or focus, or no sentences.
    """
    if language not in LANGUAGES or focus not in FOCUSES or sentences < 1:
        raise ValueError(
            f"language {language!r}, focus {focus!r}, {sentences} sentences: legal are "
            f"{', '.join(LANGUAGES)}; {', '.join(map(repr, FOCUSES))}; at least 1"
        )
    topic = rng.choice(TOPICS)
    terms = [invent(rng, kind, split) for kind in KINDS for _ in range(_PER_KIND)]
    opening = partial(formulas.opening, rng)
    found = [checked(topic, opening, split, language, languages=LANGUAGES)[1]]
    while len(found) < sentences:
        if focus == "reference" or (focus == "" and rng.random() < _EPISODES):
            found += episode(rng, topic, split, language, decisive=focus == "reference")
        elif focus == "list":
            found.append(_listed(rng, topic, split, language))
        elif focus == "terms" or rng.random() < _WITH_TERM:
            found.append(_with_terms(rng, topic, split, language, terms))
        else:
            make = partial(_plain, rng, topic)
            found.append(checked(topic, make, split, language, languages=LANGUAGES)[1])
    return [stumble(rng, sentence, _rates(sentence)) for sentence in found]


def _rates(sentence: Sentence) -> Rates:
    """Nobody corrects the name that later sentences refer to."""
    return Rates(correction=0.0) if sentence.notes.get("introduces") else Rates()


def _plain(rng: random.Random, topic: str) -> Derivation:
    """A sentence on its own: "they" is for people who were introduced."""
    while True:
        item = patterns.derivation(rng, topic)
        if not says_they(item):
            return item


def _with_terms(
    rng: random.Random, topic: str, split: str, language: str, terms: Sequence[Term]
) -> Sentence:
    """A sentence with one or more of the terms, which its notes name."""
    used: list[Term] = []

    def make() -> Derivation:
        while True:
            used.clear()
            item = _plain(rng, topic)
            told = exchanged(item, partial(_exchange, rng, terms, used, _names_stay(item)))
            if used:
                return told

    sentence = checked(topic, make, split, language, languages=LANGUAGES)[1]
    notes = [note for term in used if (note := _note(term, sentence)) is not None]
    return replace(sentence, notes=dict(sentence.notes) | {"terms": notes})


def _listed(rng: random.Random, topic: str, split: str, language: str) -> Sentence:
    """Some terms one after the other, where no grammar helps: Kamilo, Temora Bay, Verasto."""
    count = rng.randint(_FEWEST_LISTED, _MOST_LISTED)
    terms = [invent(rng, rng.choice(KINDS), split) for _ in range(count)]
    target = "en" if language == "zh" else "zh"
    heard, ends = _enumerated([term.form(language) for term in terms], language)
    written, places = _enumerated([term.form(target) for term in terms], target)
    first = [0, *(end + 1 for end in places)]
    needs = [ends[sum(place >= start for start in first[1:])] for place in range(len(written))]
    sentence = Sentence(heard, {target: written}, {target: tuple(needs)}, topic, language)
    notes = [note for term in dict.fromkeys(terms) if (note := _note(term, sentence)) is not None]
    return replace(sentence, notes={"terms": notes})


def _enumerated(forms: Sequence[str], language: str) -> tuple[tuple[str, ...], list[int]]:
    """The words of a list with its punctuation, and the last word of each member."""
    comma, stop = ("，", "。") if language == "zh" else (",", ".")
    words: list[str] = []
    ends: list[int] = []
    for place, form in enumerate(forms, start=1):
        *before, last = form.split()
        words += [*before, last + (stop if place == len(forms) else comma)]
        ends.append(len(words) - 1)
    return tuple(words), ends


def _names_stay(item: Derivation) -> bool:
    """Whether a "he" or "she" needs the person's sex, which an invented name does not tell."""
    phrases = list(noun_phrases(item))
    return any(np.pronoun in (HE, SHE) or np.owner in (HE, SHE) for np in phrases)


def _exchange(
    rng: random.Random, terms: Sequence[Term], used: list[Term], names_stay: bool, np: NP
) -> NP:
    """A term in the noun phrase's place, where there is one that fits and was not said yet."""
    kind = _kind(np)
    if not kind or (kind == "name" and names_stay):
        return np
    free = [term for term in terms if term.kind == kind and term not in used]
    if not free or rng.random() < 0.15:
        return np
    used.append(rng.choice(free))
    return NP(name=used[-1].grammar_name)


def _kind(np: NP) -> str:
    """The kind of term that can stand for a noun phrase, "" for none."""
    if np.name is not None:
        return {"name": "name", "city": "place"}.get(np.name.kind, "")
    plain = np.noun is not None and not (np.plural or np.adjective or np.relative or np.of)
    if plain and np.noun and np.det == "def" and not np.noun.classes.isdisjoint(_THINGS):
        return "product"
    return ""


def _note(term: Term, sentence: Sentence) -> Mapping[str, Any] | None:
    """Where a term stands in a sentence; None where it is not said (a dropped subject)."""
    target = "en" if sentence.language == "zh" else "zh"
    source = _places(sentence.source, term.form(sentence.language))
    written = _places(sentence.targets[target], term.form(target))
    if not source or not written:
        return None
    return {
        "id": term.id,
        "source": term.form(sentence.language),
        "words": source,
        "targets": {target: {"text": term.form(target), "words": written}},
    }


def _places(words: Sequence[str], form: str) -> list[int]:
    """The words that a form takes; empty where it is not there."""
    parts = form.split()
    bare = [word.strip(_MARKS).removesuffix("'s") for word in words]
    for first in range(len(bare) - len(parts) + 1):
        if bare[first : first + len(parts)] == parts:
            return list(range(first, first + len(parts)))
    return []
