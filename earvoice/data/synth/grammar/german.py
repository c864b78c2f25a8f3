"""German linearisation: verb second, verb last, the verbal bracket and the middle field."""

from __future__ import annotations

from earvoice.data.synth.grammar import numbers
from earvoice.data.synth.grammar.connectives import CONJUNCTIONS
from earvoice.data.synth.grammar.german_forms import (
    HABEN,
    MODALS,
    SEIN,
    WERDEN,
    adjective_ending,
    contract,
    definite,
    dieser,
    ein_word,
    infinitive,
    present,
)
from earvoice.data.synth.grammar.tree import (
    COMMA,
    NP,
    Adverbial,
    Clause,
    Pronoun,
    Sub,
    Token,
    words,
)

_INDEFINITE = frozenset(("indef", "bare", "some", "many", "number"))
_CASE = {"N": 0, "A": 1, "D": 2}


def person(np: NP) -> int:
    """0 = ich, 1 = er/sie/es, 2 = wir, 3 = sie/Sie."""
    return np.pronoun.de_person if np.pronoun else 3 if np.plural else 1


def noun_phrase(np: NP, case: str, negative: bool = False, preposition: str = "") -> list[Token]:
    """Words of a noun phrase in a case. `negative` turns ein/no article into kein."""
    lead = [preposition] if preposition else []
    if np.pronoun:
        return words([*lead, np.pronoun.de[_CASE[case]]], np)
    if np.name:
        return words(_name(np, case, preposition), np)
    assert np.noun is not None
    gender = "p" if np.plural else np.noun.de_gender
    determiner, kind = _determiner(np, gender, case, negative)
    if determiner and preposition and np.det == "def":
        texts = list(contract(preposition, determiner[0]))
    else:
        texts = lead + determiner
    if np.adjective:
        adjective = np.adjective
        stem = adjective.de_superlative if np.superlative else adjective.de_stem
        texts.append(stem + adjective_ending(kind, gender, case))
    texts.append(_noun_form(np, case))
    out = words(texts, np)
    if np.of:
        out += noun_phrase(np.of, "G")
    return out + _relative(np, gender) if np.relative else out


def _name(np: NP, case: str, preposition: str) -> list[str]:
    assert np.name is not None
    article, _, rest = np.name.de.rpartition(" ")
    if not article:
        return [preposition, rest] if preposition else [rest]
    if preposition == "nach":
        return ["in", definite("f", "A"), rest]
    texts = [definite("f", case), rest]
    return [preposition, *texts] if preposition else texts


def _noun_form(np: NP, case: str) -> str:
    noun = np.noun
    assert noun is not None
    if np.plural:
        plural = noun.de_plural
        return plural + "n" if case == "D" and plural[-1] not in "ns" else plural
    if case == "N":
        return noun.de
    return noun.de_genitive if case == "G" else noun.de_oblique


def _determiner(np: NP, gender: str, case: str, negative: bool) -> tuple[list[str], str]:
    """Determiner words and the adjective declension they call for."""
    det = np.det
    if negative and det in ("indef", "bare"):
        return [ein_word("kein", gender, case)], "mixed"
    if det == "def":
        return [definite(gender, case)], "weak"
    if det == "indef":
        return [ein_word("ein", gender, case)], "mixed"
    if det == "this":
        return [dieser("dies", gender, case)], "weak"
    if det == "poss":
        if isinstance(np.owner, Pronoun):
            return [ein_word(np.owner.de_possessive, gender, case)], "mixed"
        assert np.owner is not None
        return [np.owner.de + "s"], "strong"
    if det == "number":
        return [numbers.german(np.number)], "strong"
    if det in ("some", "many"):
        return [dieser("einig" if det == "some" else "viel", gender, case)], "strong"
    return [], "strong"


def _relative(np: NP, gender: str) -> list[Token]:
    relative = np.relative
    assert relative is not None
    inner = relative.clause
    if relative.gap == "subject":
        pronoun = (definite(gender, "N"), (np, inner.finite))
    else:
        pronoun = (definite(gender, inner.args[0][0].de_case), (np, inner.subject))
    return [COMMA, pronoun, *clause(inner, "last"), COMMA]


def adverbial(item: Adverbial) -> list[Token]:
    """Words of an adverbial; a preposition contracts with its article."""
    if item.np is None:
        return words(item.de, item)
    out = noun_phrase(item.np, item.de_case, preposition=item.de[-1])
    return words(item.de[:-1], item) + out


def verb_group(item: Clause) -> tuple[Token, list[Token]]:
    """(finite verb, the words that close the bracket)."""
    who = person(item.subject)
    both = (item.subject, item.finite)
    full = (item.subject, item.finite, item.main)
    tense, verb = item.tense, item.verb
    if verb is None:
        return _copula(item, who)
    done = verb.de_participle
    if item.passive:
        return _passive(item, who, done)
    if tense in ("P", "G"):
        return (present(verb, who), full), words(_parts(verb.de_particle), item.main)
    if tense in ("S", "R"):
        if verb.de == "haben" and tense == "S":
            return (HABEN["past"][who], full), []
        auxiliary = SEIN if verb.de_sein else HABEN
        return (auxiliary["present"][who], full), words([done], item.main)
    bare = words(infinitive(verb), item.main)
    if tense == "F":
        return (WERDEN["present"][who], both), bare
    if tense == "would":
        return (WERDEN["would"][who], both), bare
    if tense == "had":  # Konjunktiv II of haben in unreal conditions
        return (HABEN["would"][who], full), []
    return (MODALS[tense][who], both), bare


def _parts(particle: str) -> list[str]:
    return [particle] if particle else []


def _copula(item: Clause, who: int) -> tuple[Token, list[Token]]:
    both = (item.subject, item.finite)
    if item.tense in ("P", "S"):
        return (SEIN["present" if item.tense == "P" else "past"][who], both), []
    if item.tense == "F":
        return (WERDEN["present"][who], both), words(["sein"], item.main)
    if item.tense == "would":
        return (SEIN["would"][who], both), []
    return (MODALS[item.tense][who], both), words(["sein"], item.main)


def _passive(item: Clause, who: int, done: str) -> tuple[Token, list[Token]]:
    both = (item.subject, item.finite)
    full = (*both, item.main)
    if item.tense in ("P", "S"):
        return (WERDEN["present" if item.tense == "P" else "past"][who], full), words(
            [done], item.main
        )
    if item.tense == "R":
        return (SEIN["present"][who], full), words([done, "worden"], item.main)
    finite = WERDEN["present"] if item.tense == "F" else MODALS[item.tense]
    return (finite[who], both), words([done, "werden"], item.main)


def clause(item: Clause, order: str = "second", opener: list[Token] | None = None) -> list[Token]:
    """`order`: "second", "first" (questions, after a clause), "last" (subordinate), "zu".

    `opener` takes the first position of a verb-second clause instead of the subject.
    """
    finite, closing = verb_group(item)
    subject = [] if item.gap == "subject" else noun_phrase(item.subject, "N")
    if item.front:
        if opener or order == "first":
            raise ValueError(f"clause has a fronted adverbial and another opener: {item.front.en}")
        opener = adverbial(item.front)
    if order == "second" and not opener:
        out = [*subject, finite, *_middle(item, []), *closing]
    elif order == "second":
        out = [*(opener or []), finite, *_middle(item, subject), *closing]
    elif order == "first":
        out = [finite, *_middle(item, subject), *closing]
    elif order == "last":
        out = [*_middle(item, subject), *_closed(item, finite, closing)]
    else:
        assert item.verb is not None
        out = [*_middle(item, []), *words(infinitive(item.verb, with_zu=True), item.main)]
    out += _standard(item)
    return out + sub(item.sub) if item.sub else out


def _closed(item: Clause, finite: Token, closing: list[Token]) -> list[Token]:
    """Closing words with the finite verb at the end; a separable verb is one word again."""
    verb = item.verb
    if verb and verb.de_particle and item.tense in ("P", "G") and not item.passive:
        return [(verb.de_particle + finite[0], finite[1])]
    return [*closing, finite]


def _middle(item: Clause, subject: list[Token]) -> list[Token]:
    """Everything between the brackets: pronouns, time, objects, nicht, manner, place, rest."""
    pronouns, dative, accusative, prepositional = _objects(item)
    by_kind: dict[str, list[Token]] = {"time": [], "manner": [], "place": []}
    for extra in item.adverbials:
        by_kind[extra.kind] += adverbial(extra)
    if item.tense == "G":
        by_kind["time"] += words(["gerade"], item.main)
    out = subject + pronouns if item.subject.pronoun else pronouns + subject
    objects = dative + accusative
    if item.negative and not _negates_noun(item):
        return (
            out
            + objects
            + by_kind["time"]
            + words(["nicht"], item.negation)
            + by_kind["manner"]
            + by_kind["place"]
            + prepositional
            + _predicate(item)
        )
    around = by_kind["manner"] + by_kind["place"]
    if _is_indefinite(item):  # what is new stands late: in Berlin einen Vertrag unterschreiben
        return out + by_kind["time"] + dative + around + accusative + prepositional
    return out + by_kind["time"] + objects + around + prepositional + _predicate(item)


def _is_indefinite(item: Clause) -> bool:
    """Whether the accusative object is new to the listener, or a language (no article)."""
    return any(
        slot.de == ""
        and slot.de_case == "A"
        and not np.pronoun
        and (np.det in _INDEFINITE if np.noun else bool(np.name and np.name.kind == "language"))
        for slot, np in item.args
    )


def _negates_noun(item: Clause) -> bool:
    return any(not slot.de and np.det in ("indef", "bare") and np.noun for slot, np in item.args)


def _objects(item: Clause) -> tuple[list[Token], list[Token], list[Token], list[Token]]:
    pronouns: list[Token] = []
    dative: list[Token] = []
    accusative: list[Token] = []
    prepositional: list[Token] = []
    if item.verb and item.verb.de_reflexive:
        who = item.subject.pronoun
        pronouns += words([who.de[3] if who else "sich"], item.main)
    for index, (slot, np) in enumerate(item.args):
        if item.gap == "object" and index == 0:
            continue
        if slot.de:
            prepositional += noun_phrase(np, slot.de_case, preposition=slot.de)
        elif np.pronoun:
            pronouns += noun_phrase(np, slot.de_case)
        else:
            negated = item.negative and np.det in ("indef", "bare")
            target = dative if slot.de_case == "D" else accusative
            tokens = noun_phrase(np, slot.de_case, negative=negated)
            if negated:
                tokens = [(tokens[0][0], (*tokens[0][1], item.negation)), *tokens[1:]]
            target += tokens
    return pronouns, dative, accusative, prepositional


def _predicate(item: Clause) -> list[Token]:
    predicate = item.predicate
    if predicate is None:
        return []
    adjective = predicate.adjective
    if predicate.than is None:
        return words([adjective.de], predicate)
    texts = ["so", adjective.de] if predicate.equal else [adjective.de_comparative]
    return words(texts, predicate)


def _standard(item: Clause) -> list[Token]:
    """What something is compared with; it follows the whole clause."""
    predicate = item.predicate
    if predicate is None or predicate.than is None:
        return []
    joint = "wie" if predicate.equal else "als"
    return [(joint, (predicate,)), *noun_phrase(predicate.than, "N")]


def sub(item: Sub, leading: bool = False) -> list[Token]:
    """A subordinate clause between commas; infinitive clauses with zu, um zu, ohne zu."""
    inner = item.clause
    comma = [] if leading else [COMMA]
    if item.kind in ("to", "in order to", "without"):
        lead = {"to": [], "in order to": ["um"], "without": ["ohne"]}[item.kind]
        return [*comma, *words(lead, item), *clause(inner, "zu"), COMMA]
    conjunction = ("dass",) if item.kind == "want" else CONJUNCTIONS[item.kind].de
    return [*comma, *words(conjunction, item), *clause(inner, "last"), COMMA]
