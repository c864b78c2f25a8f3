"""A lower bound of the number of distinct sentences, from the sizes of the grammar's slots."""

from __future__ import annotations

from functools import cache

from earvoice.data.synth.grammar.clauses import TOPICS, frames
from earvoice.data.synth.grammar.sentence import TARGET_LANGS
from earvoice.data.synth.grammar.words import Verb, names, nouns_of

# Different dates (12 months of at least 28 days) that a future or past clause may open with.
_DATES = 12 * 28


@cache
def _fillers(noun_class: str) -> int:
    """Different noun phrases of a class, counting "the <noun>" and names only."""
    if noun_class in ("pron", "IO"):
        return 2
    if noun_class in ("name", "city", "country", "language"):
        return len(names(noun_class))
    if noun_class in ("human", "who"):
        return len(nouns_of("person")) + len(names("name"))
    return len(nouns_of(noun_class))


def _frame(verb: Verb) -> int:
    total = max(_fillers(item) for item in verb.subject)
    for slot in verb.slots:
        total *= max(_fillers(item) for item in slot.classes)
    return total * _DATES


@cache
def distinct_sentences(lang: str) -> int:
    """Lower bound of the distinct sentence pairs of English and `lang`.

    Counts one pattern only: "On <date>, <subject> <verb> <objects>" in simple past or future,
    plain definite noun phrases, and of every slot only its largest class; each combination is a
    different English string, so every pair is distinct.
    """
    if lang not in TARGET_LANGS:
        raise ValueError(f"lang is {lang!r}; legal are {', '.join(TARGET_LANGS)}")
    seen: dict[str, int] = {}
    for topic in TOPICS:
        for verb in frames(topic):
            if "clock" in verb.adverbs or not {"S", "F"} & set(verb.tenses):
                continue
            tenses = len({"S", "F"} & set(verb.tenses))
            # two frames of one English verb might overlap: count only the larger
            seen[verb.en] = max(seen.get(verb.en, 0), tenses * _frame(verb))
    return sum(seen.values())
