"""What things are like: adjectives with be, comparisons, passing states (Spanish estar)."""

from __future__ import annotations

import random
from functools import cache

from earvoice.data.synth.grammar import adverbials, clauses
from earvoice.data.synth.grammar.phrases import common, subject
from earvoice.data.synth.grammar.sentence import Derivation, Statement
from earvoice.data.synth.grammar.tree import Adverbial, Clause, Predicate
from earvoice.data.synth.grammar.words import Adjective, Noun, adjective, adjectives, nouns


@cache
def _compared() -> tuple[Adjective, ...]:
    return tuple(item for item in adjectives() if item.en_comparative and _describable(item))


@cache
def _describable(item: Adjective) -> tuple[Noun, ...]:
    return tuple(
        found
        for found in nouns()
        if not item.classes.isdisjoint(found.classes)
        and found.classes.isdisjoint(("person", "drink", "meal"))
    )


def description(rng: random.Random, topic: str) -> Derivation:
    """The hotel is expensive; the train is faster than the bus; the report is not ready."""
    tense = rng.choice(("P", "P", "S", "F"))
    style = rng.random()
    if style < 0.35:
        chosen = rng.choice(_compared())
        pool = _describable(chosen)
        first = rng.choice(pool)
        shared = [item for item in pool if item is not first and _alike(item, first, chosen)]
        if shared:
            than = common(rng, rng.choice(shared), "s:def", plain=True)
            det = rng.choice(("s:def", "s:this"))
            predicate = Predicate(chosen, than, equal=rng.random() < 0.3)
            return Statement(
                Clause(common(rng, first, det, plain=True), None, tense, predicate=predicate)
            )
    if style < 0.6:
        return Statement(_state(rng))
    chosen = rng.choice(_compared())
    who = common(
        rng,
        rng.choice(_describable(chosen)),
        rng.choice(("s:def", "s:this", "p:def", "p:this")),
        plain=True,
    )
    negative = rng.random() < 0.15
    if rng.random() < 0.35 and not who.plural:
        who = clauses.with_relative(rng, who)
    return Statement(Clause(who, None, tense, negative=negative, predicate=Predicate(chosen)))


def _alike(item: Noun, first: Noun, chosen: Adjective) -> bool:
    return bool(item.classes & first.classes & chosen.classes)


_STATES = {
    "ready": ("doc", "meal", "presentation", "device", "soft", "food"),
    "empty": ("room", "suitcase", "bag", "station", "theater", "restaurant", "library", "battery"),
    "broken": ("device", "car", "umbrella", "window", "door", "chair"),
    "closed": ("opens",),
    "open": ("opens",),
    "tired": ("human",),
    "sick": ("human",),
    "busy": ("human",),
    "satisfied": ("human", "customer", "guest"),
}


def _state(rng: random.Random) -> Clause:
    """A passing state, with estar in Spanish."""
    which = rng.choice(tuple(_STATES))
    classes = _STATES[which]
    if classes[0] == "human":
        who = subject(rng, ("name", "person", "kin"))
    else:
        noun_class = rng.choice(classes)
        who = subject(rng, (noun_class,))
    tense = rng.choice(("P", "P", "S"))
    when: tuple[Adverbial, ...] = ()
    if rng.random() < 0.4:
        forms = (
            (("today", "heute", "hoy"),) if tense == "P" else (("yesterday", "gestern", "ayer"),)
        )
        when = (adverbials.fixed("time", rng.choice(forms)),)
    return Clause(
        who,
        None,
        tense,
        adverbials=when,
        negative=rng.random() < 0.15,
        predicate=Predicate(adjective(which)),
    )
