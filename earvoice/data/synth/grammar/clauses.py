"""Sampling of clauses: a verb frame of the topic, its fillers, a tense and fitting adverbials."""

from __future__ import annotations

import random
from functools import cache

from earvoice.data.synth.grammar import adverbials
from earvoice.data.synth.grammar.phrases import filler, subject
from earvoice.data.synth.grammar.tree import NP, YOU, Adverbial, Clause, I, Relative
from earvoice.data.synth.grammar.words import Noun, Slot, Verb, verbs

TOPICS = ("meetings", "travel", "technology", "city", "study", "business")
STATIVE = frozenset(("need", "live", "understand", "remember"))
_TIMELESS = frozenset(("live", "understand", "remember", "sleep"))
_MODALS = ("can", "must", "should", "want", "could", "had to", "wanted", "would like")
_PAST_MODALS = ("had to", "wanted")
# How often each tense is drawn, before the verb's own list filters it.
_WEIGHTS = {"P": 3, "G": 3, "S": 10, "R": 4, "F": 9, "M": 9}
_NEGATABLE = frozenset(("S", "F", "R", "P", "can", "should", "want"))


@cache
def frames(topic: str) -> tuple[Verb, ...]:
    """Verb frames used in a topic."""
    return tuple(item for item in verbs() if topic in item.topics)


@cache
def _tenses(verb: Verb, allowed: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    kinds = tuple(kind for kind in verb.tenses if kind in allowed)
    return kinds, tuple(_WEIGHTS[kind] for kind in kinds)


def pick_tense(
    rng: random.Random, verb: Verb, allowed: str = "PGSRFM", who: NP | None = None
) -> str:
    """A tense of the verb, with M resolved to a modal."""
    kinds, weights = _tenses(verb, allowed)
    if not kinds:
        return ""
    kind = rng.choices(kinds, weights)[0]
    return pick_modal(rng, verb, who) if kind == "M" else kind


def pick_modal(rng: random.Random, verb: Verb, who: NP | None) -> str:
    """A modal; wishes are for people, "would like" for I and we only."""
    options = [item for item in _MODALS if "S" in verb.tenses or item not in _PAST_MODALS]
    if (who is not None and who.pronoun is None) or (who is not None and who.pronoun not in _FIRST):
        options.remove("would like")
    if (
        who is not None
        and who.noun
        and who.noun.classes.isdisjoint(("person", "kin", "org", "authority"))
    ):
        options = ["must", "can", "should", "could"]
    return rng.choice(options)


_FIRST = (I,)


def fitting(verb: Verb, tense: str) -> str:
    """The wished tense, or the plain past or future for a verb that takes no modals."""
    if tense in _MODALS and "M" not in verb.tenses:
        return "S" if tense in _PAST_MODALS else "F"
    return tense


def time_kind(tense: str, verb: Verb | None) -> str:
    """The kind of time adverbial that goes with a tense ("" for none)."""
    if verb is not None and verb.en in _TIMELESS:
        return ""
    clock = verb is not None and "clock" in verb.adverbs
    if tense in ("S", "had to", "wanted"):
        return "past"
    if tense in ("F", "must", "should", "could", "can", "want", "would like"):
        return "next clock" if clock else "future"
    if tense == "P":
        return "" if verb is not None and (verb.en in STATIVE or clock) else "habit"
    return "perfect" if tense == "R" else ""


def arguments(rng: random.Random, verb: Verb, who: NP, habit: bool) -> tuple[tuple[Slot, NP], ...]:
    """Fillers of the verb's complements."""
    return tuple(
        (slot, filler(rng, slot.classes, who, habit=habit and not slot.de and slot.es != "IO"))
        for slot in verb.slots
    )


def extras(rng: random.Random, verb: Verb, tense: str, rate: float) -> tuple[Adverbial, ...]:
    """Adverbials besides time that the verb takes; clock times only where they fit."""
    if not verb.adverbs:
        return ()
    kind = rng.choice(verb.adverbs)
    if kind == "percent":
        return (adverbials.percent(rng),)
    if kind == "clock":
        return (adverbials.time(rng, "clock"),) if tense == "P" else ()
    return (adverbials.other(rng, kind),) if rng.random() < rate else ()


def sample(
    rng: random.Random,
    topic: str,
    *,
    tenses: str = "PGSRFM",
    who: NP | None = None,
    verb: Verb | None = None,
    tense: str = "",
    time_rate: float = 0.65,
    front_rate: float = 0.35,
    negative_rate: float = 0.08,
    extra_rate: float = 0.3,
) -> Clause:
    """A clause about the topic.

    `who` fixes the subject, `tense` the tense (else drawn from `tenses`). `front_rate` is the
    share of time adverbials that open the clause: 0 for subordinate clauses.
    """
    verb = verb or pick_verb(rng, topic, tenses, who)
    who = who or subject(rng, verb.subject)
    tense = fitting(verb, tense) if tense else pick_tense(rng, verb, tenses, who)
    habit = tense == "P" and time_kind(tense, verb) == "habit"
    args = arguments(rng, verb, who, habit)
    negative = tense in _NEGATABLE and not habit and rng.random() < negative_rate
    negative = negative and "clock" not in verb.adverbs and all(_deniable(np) for _, np in args)
    others = () if negative else extras(rng, verb, tense, extra_rate)
    kind = time_kind(tense, verb)
    front = None
    has_time = any(item.kind == "time" for item in others)
    if kind and not has_time and (habit or rng.random() < time_rate):
        when = adverbials.time(rng, kind)
        if rng.random() < front_rate and who.det != "number":
            front = when
        else:
            others = (*others, when)
    return Clause(who, verb, tense, args, others, front, negative)


def _deniable(np: NP) -> bool:
    """Whether "not" with this object is plain: no counted things, no names of languages."""
    if np.name and np.name.kind == "language":
        return False
    return np.det not in ("number", "some", "many")


class NoFit(Exception):
    """No verb of the topic takes the chosen subject; the sampler draws a new sentence."""


def pick_verb(rng: random.Random, topic: str, tenses: str, who: NP | None) -> Verb:
    """A frame of the topic that has one of the tenses and accepts the subject."""
    options = frames(topic)
    for _ in range(200):
        verb = rng.choice(options)
        if _tenses(verb, tenses)[0] and (who is None or accepts(verb, who)):
            return verb
    raise NoFit


def accepts(verb: Verb, who: NP) -> bool:
    """Whether the subject fits the verb's selectional classes."""
    allowed = verb.subject
    if who.pronoun or who.name:
        return not {"human", "who", "pron", "name"}.isdisjoint(allowed)
    assert who.noun is not None
    classes = who.noun.classes
    if not classes.isdisjoint(allowed):
        return True
    people = not classes.isdisjoint(("person", "kin"))
    return (people and not {"human", "who"}.isdisjoint(allowed)) or (
        "who" in allowed and not classes.isdisjoint(("org", "authority"))
    )


@cache
def object_frames(noun: Noun) -> tuple[Verb, ...]:
    """Frames whose direct object the noun can be (for passives and relative clauses)."""
    return tuple(
        verb
        for verb in verbs()
        if verb.topics
        and verb.slots
        and "S" in verb.tenses
        and verb.slots[0].en == ""
        and verb.slots[0].de == ""
        and verb.slots[0].de_case == "A"
        and verb.slots[0].es == ""
        and not noun.classes.isdisjoint(verb.slots[0].classes)
    )


@cache
def passive_frames(topic: str) -> tuple[Verb, ...]:
    """Frames of the topic that make good passives: something is done to a thing."""
    people = {"person", "kin", "name", "place", "city", "food", "drink", "language", "luggage"}
    return tuple(
        verb
        for verb in frames(topic)
        if verb.slots
        and verb.slots[0].en == verb.slots[0].de == verb.slots[0].es == ""
        and verb.slots[0].de_case == "A"
        and "R" in verb.tenses
        and people.isdisjoint(verb.slots[0].classes)
        and verb.en not in ("understand", "lose", "forget", "give")
    )


def passive(
    rng: random.Random, topic: str, tenses: tuple[str, ...] = ("S", "R", "F", "must", "can")
) -> Clause:
    """The report was checked yesterday."""
    verb = rng.choice(passive_frames(topic))
    tense = rng.choice(tenses)
    thing = filler(rng, verb.slots[0].classes)
    front, others = (
        None,
        tuple(
            item
            for item in extras(rng, verb, tense, 0.25)
            if item.kind != "manner" or item.np is None
        ),
    )
    if rng.random() < 0.7:
        when = adverbials.time(rng, time_kind(tense, verb))
        front, others = (
            (when, others)
            if rng.random() < 0.3 and thing.det != "number"
            else (None, (*others, when))
        )
    return Clause(thing, verb, tense, (), others, front, passive=True)


def with_relative(rng: random.Random, np: NP, other_than: str = "") -> NP:
    """The noun phrase with a relative clause, where a verb fits (else unchanged).

    `other_than`: the main verb, which the relative clause must not repeat.
    """
    noun = np.noun
    if noun is None or np.plural or np.det != "def" or np.superlative:
        return np
    options = object_frames(noun)
    if np.is_human or not options:
        return np
    verb = rng.choice(options)
    if verb.en == other_than:
        return np
    who = subject(rng, verb.subject)
    while who.noun is noun:
        who = subject(rng, verb.subject)
    tense = rng.choice([item for item in "SR" if item in verb.tenses])
    args = arguments(rng, verb, who, habit=False)
    when = (adverbials.time(rng, time_kind(tense, verb)),) if rng.random() < 0.5 else ()
    inner = Clause(who, verb, tense, args, when, gap="object")
    return NP(noun=noun, det="def", adjective=np.adjective, relative=Relative(inner, "object"))


def person_relative(rng: random.Random, np: NP, topic: str) -> NP:
    """the engineer who built the machine."""
    if np.noun is None or "person" not in np.noun.classes or np.plural or np.det != "def":
        return np
    while True:
        inner = sample(
            rng, topic, tenses="SR", who=np, front_rate=0, negative_rate=0, time_rate=0.4
        )
        if inner.verb is not None and {"human", "who"} & set(inner.verb.subject):
            break
    plain = NP(noun=np.noun, det="def", adjective=np.adjective)
    gapped = Clause(plain, inner.verb, inner.tense, inner.args, inner.adverbials, gap="subject")
    return NP(noun=np.noun, det="def", adjective=np.adjective, relative=Relative(gapped, "subject"))


def question_subject(rng: random.Random, verb: Verb) -> NP:
    """A subject to ask about: you or a third person."""
    if rng.random() < 0.5 and not {"human", "who", "pron"}.isdisjoint(verb.subject):
        return NP(pronoun=YOU)
    while True:
        who = subject(rng, verb.subject)
        if who.pronoun is None:
            return who
