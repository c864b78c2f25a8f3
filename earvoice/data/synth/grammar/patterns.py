"""Sentence patterns: what is said in each topic, from simple clauses to conditionals."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from earvoice.data.synth.grammar import adverbials, clauses
from earvoice.data.synth.grammar.connectives import OPENERS
from earvoice.data.synth.grammar.descriptions import description
from earvoice.data.synth.grammar.formulas import costs, counted, existential, superlative
from earvoice.data.synth.grammar.phrases import common, subject
from earvoice.data.synth.grammar.sentence import Derivation, Question, Request, Statement
from earvoice.data.synth.grammar.tree import (
    HE,
    IT,
    NP,
    SHE,
    THEY,
    WE,
    WHO,
    YOU,
    Adverbial,
    Clause,
    I,
    Predicate,
    Sub,
)
from earvoice.data.synth.grammar.words import (
    Noun,
    Slot,
    adjective,
    nouns,
    verb,
)


def simple(rng: random.Random, topic: str) -> Derivation:
    """One clause, perhaps opened by a connective."""
    opener = rng.choice(OPENERS) if rng.random() < 0.2 else None
    tenses = "SRFM" if opener else "PGSRFM"
    item = clauses.sample(
        rng, topic, tenses=tenses, front_rate=0.0 if opener else 0.4, time_rate=0.75
    )
    return Statement(item, opener)


def passive(rng: random.Random, topic: str) -> Derivation:
    """The bridge was built last year."""
    return Statement(clauses.passive(rng, topic))


def _followed(rng: random.Random, topic: str, main: Clause) -> tuple[NP, str]:
    """Subject for a clause beside `main`: the same person as a pronoun, or somebody else."""
    who = main.subject
    if rng.random() < 0.4:
        if who.name:
            return NP(pronoun=HE if who.name.gender == "m" else SHE), "same"
        if who.pronoun:
            return NP(pronoun=who.pronoun), "same"
    while True:
        other = subject(rng, ("who", "human"))
        same_pronoun = other.pronoun is not None and other.pronoun is who.pronoun
        same_noun = other.noun is not None and other.noun is who.noun
        if other.pronoun is not THEY and not same_pronoun and not same_noun:
            return other, ""


def because(rng: random.Random, topic: str) -> Derivation:
    """main because/although clause, both in the past or both ahead."""
    past = rng.random() < 0.5
    kind = rng.choice(("because", "because", "although"))
    main = clauses.sample(rng, topic, tenses="SR" if past else "FM", time_rate=0.3, extra_rate=0.1)
    past = main.tense in ("S", "R", "had to", "wanted")
    who, _ = _followed(rng, topic, main)
    tense = rng.choice(("S", "S", "had to", "wanted") if past else ("F", "must", "want", "can"))
    allowed = "S" if past else "F"
    inner = clauses.sample(
        rng,
        topic,
        tenses=allowed,
        who=who,
        tense=tense,
        time_rate=0.25,
        front_rate=0,
        extra_rate=0.1,
    )
    sub = Sub(kind, inner)
    if kind == "although" and main.front is None and rng.random() < 0.5:
        return Statement(main, leading=sub)
    return Statement(_with_sub(main, sub))


def _with_sub(main: Clause, sub: Sub) -> Clause:
    return Clause(
        main.subject,
        main.verb,
        main.tense,
        main.args,
        main.adverbials,
        main.front,
        main.negative,
        main.passive,
        main.predicate,
        sub,
    )


def temporal(rng: random.Random, topic: str) -> Derivation:
    """when / as soon as / before / if clause about the future, before or after the main clause."""
    kind = rng.choice(("when", "as soon as", "before", "if"))
    main = clauses.sample(rng, topic, tenses="F", time_rate=0, negative_rate=0.05, extra_rate=0.15)
    if rng.random() < 0.4:
        main = _tensed(main, rng.choice(("must", "can", "should")))
    who, same = _followed(rng, topic, main)
    inner = clauses.sample(
        rng,
        topic,
        tenses="F",
        who=who,
        tense="P",
        time_rate=0,
        front_rate=0,
        negative_rate=0.05 if kind == "if" else 0,
        extra_rate=0.1,
    )
    inner = _ahead(rng, inner, same if kind == "before" else "", kind)
    if rng.random() < 0.5:
        return Statement(main, leading=Sub(kind, inner))
    return Statement(_with_sub(main, Sub(kind, inner)))


def _tensed(item: Clause, tense: str) -> Clause:
    """The clause in another tense; "must not" is left out, it is no negated must in German."""
    negative = item.negative and tense != "must"
    return Clause(item.subject, item.verb, tense, item.args, item.adverbials, item.front, negative)


def _ahead(rng: random.Random, item: Clause, gap: str, kind: str) -> Clause:
    """A present clause about the future: no habit adverbials, perhaps a future time."""
    kept = tuple(extra for extra in item.adverbials if extra.kind != "time")
    if kind == "if" and rng.random() < 0.4:
        kept = (*kept, adverbials.time(rng, "future"))
    return Clause(
        item.subject, item.verb, "P", _no_bare(rng, item), kept, None, item.negative, gap=gap
    )


def _no_bare(rng: random.Random, item: Clause) -> tuple[tuple[Slot, NP], ...]:
    return tuple(
        (slot, common(rng, np.noun, "s:def") if np.det == "bare" and np.plural and np.noun else np)
        for slot, np in item.args
    )


def purpose(rng: random.Random, topic: str) -> Derivation:
    """in order to / without / so that."""
    agent = subject(rng, ("who", "human"))
    main = clauses.sample(
        rng, topic, tenses="SFM", who=agent, time_rate=0.3, negative_rate=0, extra_rate=0.1
    )
    ahead = main.tense not in ("S", "R", "had to", "wanted")
    if ahead and rng.random() < 0.4:
        who, _ = _followed(rng, topic, main)
        inner = clauses.sample(
            rng,
            topic,
            tenses="F",
            who=who,
            tense="can",
            time_rate=0,
            front_rate=0,
            negative_rate=0,
            extra_rate=0.2,
        )
        return Statement(_with_sub(main, Sub("so that", inner)))
    inner = bare(rng, topic, main.subject)
    kind = "in order to" if rng.random() < 0.8 else "without"
    return Statement(_with_sub(main, Sub(kind, inner)))


def bare(rng: random.Random, topic: str, who: NP, tense: str = "F") -> Clause:
    """A clause for an infinitive: its subject is understood."""
    while True:
        inner = clauses.sample(
            rng,
            topic,
            tenses="F",
            who=who,
            tense=tense,
            time_rate=0,
            front_rate=0,
            negative_rate=0,
            extra_rate=0.15,
        )
        if inner.verb is not None and inner.verb.en not in ("remember", "need"):
            return inner


def infinitive(rng: random.Random, topic: str) -> Derivation:
    """decide / try / hope / plan / promise to do something."""
    taker = verb(rng.choice(("decide", "try", "hope", "plan", "promise")))
    who = subject(rng, taker.subject)
    tense = clauses.pick_tense(rng, taker, "PSR")
    front = None
    if tense == "S" and rng.random() < 0.3 and who.det != "number":
        front = adverbials.time(rng, "past")
    inner = bare(rng, topic, who)
    if rng.random() < 0.4 and tense == "P":
        inner = _with_time(rng, inner, "future")
    return Statement(Clause(who, taker, tense, front=front, sub=Sub("to", inner)))


def _with_time(rng: random.Random, item: Clause, kind: str) -> Clause:
    if any(extra.kind == "time" for extra in item.adverbials):
        return item
    extra = (*item.adverbials, adverbials.time(rng, kind))
    return Clause(item.subject, item.verb, item.tense, item.args, extra)


def reported(rng: random.Random, topic: str) -> Derivation:
    """think / know / say / hope that; a wish: we want the team to ..."""
    choice = rng.choice(("think", "know", "say", "hope", "want", "want"))
    taker = verb(choice)
    who = subject(rng, ("name", "person") if choice == "say" else ("pron", "name", "person"))
    if choice == "want":
        other = subject(rng, ("name", "person", "org", "org"))
        while other.noun is who.noun and other.name is who.name:
            other = subject(rng, ("name", "person", "org"))
        inner = _with_time(rng, bare(rng, topic, other, "F"), "future")
        inner = _tensed_same(inner, "P")
        return Statement(Clause(who, taker, "P", sub=Sub("want", inner)))
    other = _other_than(rng, who)
    tenses = "F" if choice == "hope" else "SRFM"
    inner = clauses.sample(rng, topic, tenses=tenses, who=other, front_rate=0, time_rate=0.6)
    kind = "that subj" if choice == "hope" else "that"
    return Statement(Clause(who, taker, "P", sub=Sub(kind, inner)))


def _tensed_same(item: Clause, tense: str) -> Clause:
    return Clause(item.subject, item.verb, tense, item.args, item.adverbials)


def _other_than(rng: random.Random, who: NP) -> NP:
    while True:
        other = subject(rng, ("who", "name", "org"))
        if other.pronoun is THEY or (other.pronoun and other.pronoun is who.pronoun):
            continue
        if not (other.noun and other.noun is who.noun) and not (
            other.name and other.name is who.name
        ):
            return other


def impersonal(rng: random.Random, topic: str) -> Derivation:
    """It is important / possible / obvious that ...; it is important to ..."""
    which = rng.choice(("important", "possible", "obvious", "important to"))
    predicate = Predicate(adjective(which.removesuffix(" to")))
    if which == "important to":
        inner = bare(rng, topic, NP(pronoun=IT))  # nobody in particular: sich, -se
        return Statement(
            Clause(NP(pronoun=IT), None, "P", predicate=predicate, sub=Sub("to", inner))
        )
    if which == "important":
        who = NP(pronoun=WE) if rng.random() < 0.6 else common(rng, rng.choice(_people()), "p:def")
        inner = _tensed_same(bare(rng, topic, who), "P")
        kind = "that subj"
    else:
        inner = clauses.sample(rng, topic, tenses="F", front_rate=0, time_rate=0.6)
        kind = "that subj" if which == "possible" else "that"
    return Statement(Clause(NP(pronoun=IT), None, "P", predicate=predicate, sub=Sub(kind, inner)))


@cache
def _people() -> tuple[Noun, ...]:
    return tuple(item for item in nouns() if "person" in item.classes)


def indirect(rng: random.Random, topic: str) -> Derivation:
    """A question inside a sentence: I do not know whether ...; can you tell us when ..."""
    word = rng.choice(("whether", "why", "when?", "whether"))
    tenses = {"whether": "SRFM", "why": "SRF", "when?": "F"}[word]
    asked = clauses.sample(
        rng,
        topic,
        tenses=tenses,
        who=None,
        front_rate=0,
        time_rate=0.0 if word == "when?" else 0.4,
        negative_rate=0.1 if word == "why" else 0,
        extra_rate=0.2,
    )
    if word == "when?":
        asked = Clause(
            asked.subject,
            asked.verb,
            asked.tense,
            asked.args,
            tuple(extra for extra in asked.adverbials if extra.kind != "time"),
        )
    sub = Sub(word, asked)
    if asked.subject.pronoun not in (I, WE) and rng.random() < 0.5:
        tell = verb("tell")
        listener = NP(pronoun=rng.choice((I, WE)))
        return Question(Clause(NP(pronoun=YOU), tell, "can", ((tell.slots[0], listener),), sub=sub))
    who = NP(pronoun=rng.choice((I, WE)))
    return Statement(Clause(who, verb("know"), "P", negative=True, sub=sub))


def question(rng: random.Random, topic: str) -> Derivation:
    """Yes/no, why, when, who."""
    word = rng.choice(("", "", "why", "when?", "who"))
    while True:
        frame = clauses.pick_verb(rng, topic, "SRF", None)
        if word != "who" or not {"human", "who"}.isdisjoint(frame.subject):
            break
    who = NP(pronoun=WHO) if word == "who" else clauses.question_subject(rng, frame)
    tense = clauses.pick_tense(
        rng, frame, "F" if word == "when?" else "SRF", who
    ) or clauses.pick_tense(rng, frame, "SRF", who)
    if not word and who.pronoun is YOU and rng.random() < 0.5:
        tense = rng.choice(("can", "could", "want", "must"))
    item = clauses.sample(
        rng,
        topic,
        who=who,
        verb=frame,
        tense=tense,
        front_rate=0,
        negative_rate=0,
        time_rate=0.0 if word == "when?" else 0.5,
        extra_rate=0.2,
    )
    kept = item.adverbials
    if word == "when?":
        kept = tuple(extra for extra in kept if extra.kind != "time")
    gap = "" if word == "who" else "question"
    return Question(Clause(who, frame, item.tense, item.args, kept, gap=gap), word)


def request(rng: random.Random, topic: str) -> Derivation:
    """Please open the window."""
    while True:
        item = bare(rng, topic, NP(pronoun=YOU))
        frame = item.verb
        assert frame is not None
        if (
            frame.de_reflexive
            or frame.es_reflexive
            or any(slot.es == "IO" for slot, _ in item.args)
        ):
            continue
        if (
            not {"human", "who"}.isdisjoint(frame.subject)
            and "M" in frame.tenses
            and frame.en not in clauses.STATIVE
        ):
            break
    if rng.random() < 0.4:
        item = _with_time(rng, item, "future")
    item = _tensed_same(item, "P")
    return Request(Clause(NP(pronoun=YOU), frame, "P", _no_bare(rng, item), item.adverbials))


def compound(rng: random.Random, topic: str) -> Derivation:
    """Two main clauses with and / but."""
    past = rng.random() < 0.5
    tenses = "S" if past else "F"
    first = clauses.sample(rng, topic, tenses=tenses, time_rate=0.5, extra_rate=0.1)
    who, _ = _followed(rng, topic, first)
    joiner = rng.choice(("and", "and", "but"))
    tense = rng.choice(("S", "S", "had to", "wanted") if past else ("F", "F", "must", "can"))
    second = clauses.sample(
        rng,
        topic,
        tenses=tenses,
        who=who,
        tense=tense,
        time_rate=0,
        front_rate=0,
        extra_rate=0.1,
        negative_rate=0.3 if joiner == "but" else 0,
    )
    return Statement(first, joiner=joiner, second=second)


def unreal(rng: random.Random, topic: str) -> Derivation:
    """If we had more time, we would visit the museum."""
    main = clauses.sample(rng, topic, tenses="F", time_rate=0, negative_rate=0)
    main = _tensed(main, "would")
    while main.subject.noun and main.subject.noun.classes.isdisjoint(
        ("person", "kin", "org", "authority")
    ):
        main = _tensed(
            clauses.sample(rng, topic, tenses="F", time_rate=0, negative_rate=0), "would"
        )
    who, _ = _followed(rng, topic, main)
    things = (
        ("more time", "mehr Zeit", "más tiempo"),
        ("more money", "mehr Geld", "más dinero"),
        ("more information", "mehr Informationen", "más información"),
        ("more experience", "mehr Erfahrung", "más experiencia"),
    )
    have: Adverbial = adverbials.fixed("manner", rng.choice(things))
    inner = Clause(who, verb("have"), "had", adverbials=(have,))
    return Statement(main, leading=Sub("if", inner))


def relative(rng: random.Random, topic: str) -> Derivation:
    """The engineer who built the machine will ...; the report that we sent ..."""
    if rng.random() < 0.5:
        person = common(rng, rng.choice(_people()), "s:def", plain=True)
        who = clauses.person_relative(rng, person, topic)
        item = clauses.sample(
            rng, topic, tenses="FM", who=who, front_rate=0, extra_rate=0.1, time_rate=0.4
        )
        return Statement(item)
    item = clauses.passive(rng, topic, ("F", "must", "can", "R"))
    thing = item.subject
    if thing.noun is None:
        return Statement(item)
    plain = clauses.with_relative(
        rng, common(rng, thing.noun, "s:def"), item.verb.en if item.verb else ""
    )
    return Statement(Clause(plain, item.verb, item.tense, (), item.adverbials, passive=True))


_PATTERNS: tuple[tuple[Callable[[random.Random, str], Derivation], float], ...] = (
    (simple, 30),
    (passive, 6),
    (because, 8),
    (temporal, 9),
    (purpose, 7),
    (infinitive, 6),
    (reported, 9),
    (impersonal, 4),
    (indirect, 5),
    (question, 7),
    (request, 4),
    (compound, 5),
    (unreal, 4),
    (description, 8),
    (relative, 6),
    (existential, 3),
    (counted, 3),
    (costs, 3),
    (superlative, 3),
)
_MAKERS = tuple(maker for maker, _ in _PATTERNS)
_SHARES = tuple(share for _, share in _PATTERNS)


def derivation(rng: random.Random, topic: str) -> Derivation:
    """A random sentence of the topic."""
    maker = rng.choices(_MAKERS, _SHARES)[0]
    while True:
        item = maker(rng, topic)
        if not _repeats(item):
            return item


def _repeats(item: Derivation) -> bool:
    """Whether two clauses of a statement use the same verb."""
    if not isinstance(item, Statement) or item.clause.verb is None:
        return False
    first = item.clause
    others = [
        item.second,
        item.leading.clause if item.leading else None,
        first.sub.clause if first.sub else None,
        first.subject.relative.clause if first.subject.relative else None,
    ]
    return any(other is not None and other.verb is first.verb for other in others)
