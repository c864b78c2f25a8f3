"""Exchanges: who says what after what. The grammar of dialogue, over the grammar of sentences.

    ask      0 Did Paul sell the house?      1 No, I don't think so.
    reason   0 Why will they rent a car?     1 Because the train is late.
    price    0 How much ...?  1 Thirty euros.  0 Forty euros?  1 No, sorry, thirty euros.
    correct  0 Paul lost the key.  1 No, Laura lost the key.  0 Oh, you are right.

Each act has one meaning in both languages, so it can be said in either and translated alone. An
exchange belongs for ever to the split of what it is about: the hash of its first sentence, or of
its price. Greetings and fixed phrases are in every split.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from earvoice.data.synth.conversation import phrases
from earvoice.data.synth.conversation.lines import Content, fits, said_plainly, speaks_of_us
from earvoice.data.synth.grammar import adverbials, clauses, formulas, patterns
from earvoice.data.synth.grammar.clauses import NoFit
from earvoice.data.synth.grammar.phrases import common
from earvoice.data.synth.grammar.sentence import Question, Request, Statement, Template
from earvoice.data.synth.grammar.tree import NP
from earvoice.data.synth.grammar.words import names, nouns_of


@dataclass(frozen=True, slots=True)
class Act:
    """One utterance: `speaker` 0 opens the exchange, 1 is the other.

    kind: greeting, statement, question, answer, request, correction, reaction, back-channel,
    farewell. A back-channel is said while the other one speaks.
    """

    speaker: int
    kind: str
    content: Content


class Writer:
    """Writes exchanges of one split: deterministic given the generator."""

    def __init__(self, rng: random.Random, split: str | None) -> None:
        self.rng, self.split = rng, split

    def exchange(self, topic: str) -> list[Act]:
        """One exchange about a topic."""
        forms = (self.ask, self.who, self.reason, self.when, self.price, self.correct,
                 self.slip, self.please, self.repeat, self.tell)  # fmt: skip
        acts = self.rng.choices(forms, (3, 1, 2, 2, 3, 2, 1, 2, 1, 3))[0](topic)
        return self._with_back_channels(acts)

    def opening(self) -> list[Act]:
        """Two people introduce themselves."""
        rng = self.rng
        me, you = (NP(name=name) for name in rng.sample(names("name"), 2))
        ask, well = phrases.WELL_BEING
        acts = [
            Act(0, "greeting", Template(
                "Good morning, my name is|{0}", "", "1:Buenos días, me llamo {0}", (me,))),
            Act(1, "greeting", Template(
                "Nice to meet you, my name is|{0}", "", "1:Mucho gusto, me llamo {0}", (you,))),
        ]  # fmt: skip
        return [*acts, Act(0, "question", ask), Act(1, "answer", well)]

    def closing(self) -> list[Act]:
        """They say goodbye."""
        first, second = self.rng.sample(phrases.FAREWELLS, 2)
        return [Act(0, "farewell", first), Act(1, "farewell", second)]

    def ask(self, topic: str) -> list[Act]:
        """A question for yes or no."""
        question = self._fitting(partial(patterns.question, topic=topic), _is_question(""))
        assert isinstance(question, Question)
        told = said_plainly(question.clause)
        if self.rng.random() < 0.5 and not speaks_of_us(told):
            answer: Content = Template("Yes,|{0}", "", "1:Sí, {0}", (told,))
            if fits(answer, None):
                return [Act(0, "question", question), Act(1, "answer", answer)]
        known = phrases.AGREEMENTS if self.rng.random() < 0.5 else phrases.DENIALS
        return [Act(0, "question", question), Act(1, "answer", self.rng.choice(known))]

    def who(self, topic: str) -> list[Act]:
        """Who did it? Maria did."""
        question = self._fitting(partial(patterns.question, topic=topic), _is_question("who"))
        assert isinstance(question, Question)
        person = NP(name=self.rng.choice(names("name")))
        told = replace(said_plainly(question.clause), subject=person)
        return [Act(0, "question", question), Act(1, "answer", Statement(told))]

    def reason(self, topic: str) -> list[Act]:
        """Why? Because ..."""
        question = self._fitting(partial(patterns.question, topic=topic), _is_question("why"))

        def because(rng: random.Random) -> Content:
            told = clauses.sample(rng, topic, tenses="SRF", front_rate=0.0, time_rate=0.3)
            return Template("Because|{0}", "", "1:Porque {0}", (told,))

        return [Act(0, "question", question), Act(1, "answer", self._fitting(because))]

    def when(self, topic: str) -> list[Act]:
        """When? Next Monday, or nobody knows."""
        question = self._fitting(partial(patterns.question, topic=topic), _is_question("when?"))
        assert isinstance(question, Question)
        asked = question.clause
        known: Content = phrases.UNKNOWN_TIME
        if not speaks_of_us(asked) and self.rng.random() < 0.8:
            time = adverbials.time(self.rng, "future")
            told = replace(said_plainly(asked), adverbials=(*asked.adverbials, time))
            if fits(Statement(told), None):
                known = Statement(told)
        return [Act(0, "question", question), Act(1, "answer", known)]

    def price(self, topic: str) -> list[Act]:
        """What does it cost? A doubt, and the price again or another one."""
        rng = self.rng
        while True:
            thing = self._thing()
            money = formulas.amount(rng, rng.choice(("euro", "euro", "dollar")))
            costs = Template("{0}|costs|{1}", "", "{0} 2:cuesta {1}", (thing, money))
            if fits(costs, self.split):
                break
        ask = Template("How much does|{0}|cost", "", "1:Cuánto 3:cuesta {0}", (thing,), "?")
        tell: Content = rng.choice((
            costs,
            Template("It costs|{0}", "", "1:Cuesta {0}", (money,)),
            Template("{0}", "", "{0}", (money,)),
        ))  # fmt: skip
        acts = [Act(0, "question", ask), Act(1, "answer", tell)]
        doubt = rng.random()
        if doubt < 0.4:
            wrong = self._other_amount(money)
            acts += [
                Act(0, "question", Template("{0}", "", "{0}", (wrong,), "?")),
                Act(1, "correction", Template(
                    "No, sorry,|{0}", "", "1:No, perdón, {0}", (money,))),
            ]  # fmt: skip
        elif doubt < 0.7:
            acts += [
                Act(0, "question", Template("{0}", "", "{0}", (money,), "?")),
                Act(1, "answer", Template("Exactly,|{0}", "", "1:Exacto, {0}", (money,))),
            ]
        else:
            acts.append(Act(0, "reaction", rng.choice(phrases.REACTIONS)))
        return acts

    def correct(self, topic: str) -> list[Act]:
        """One tells it wrong, the other one right."""
        wrong, right = (NP(name=name) for name in self.rng.sample(names("name"), 2))

        def tell(rng: random.Random) -> Content:
            return Statement(clauses.sample(rng, topic, tenses="SRF", who=wrong, front_rate=0.0))

        said = self._fitting(tell)
        assert isinstance(said, Statement)
        told = replace(said.clause, subject=right)
        return [
            Act(0, "statement", said),
            Act(1, "correction", Template("No,|{0}", "", "1:No, {0}", (told,))),
            Act(0, "reaction", self.rng.choice(phrases.CONCESSIONS)),
        ]

    def slip(self, topic: str) -> list[Act]:
        """Somebody corrects himself while he speaks."""

        def tell(rng: random.Random) -> Content:
            right = formulas.amount(rng, rng.choice(("euro", "euro", "dollar")))
            return Template(
                "{0}|costs|{1} ,|no, sorry,|{2}", "", "{0} 2:cuesta {1} 3:, 4:no, 4:perdón, {2}",
                (self._thing(), self._other_amount(right), right),
            )  # fmt: skip

        reaction = self.rng.choice(phrases.REACTIONS)
        return [Act(0, "correction", self._fitting(tell)), Act(1, "reaction", reaction)]

    def please(self, topic: str) -> list[Act]:
        """A request and what comes of it."""
        request = self._fitting(
            partial(patterns.request, topic=topic), lambda item: isinstance(item, Request)
        )
        return [Act(0, "request", request), Act(1, "answer", self.rng.choice(phrases.ACCEPTANCES))]

    def repeat(self, topic: str) -> list[Act]:
        """Something has to be said twice."""
        said = self._statement(topic)
        again = self.rng.choice(phrases.REPEATS)
        return [Act(0, "statement", said), Act(1, "question", again), Act(0, "statement", said)]

    def tell(self, topic: str) -> list[Act]:
        """One to three sentences, and perhaps a reaction."""
        acts = [
            Act(0, "statement", self._statement(topic))
            for _ in range(self.rng.choice((1, 1, 2, 3)))
        ]
        if self.rng.random() < 0.6:
            acts.append(Act(1, "reaction", self.rng.choice(phrases.REACTIONS)))
        return acts

    def _statement(self, topic: str) -> Content:
        return self._fitting(
            partial(patterns.derivation, topic=topic), lambda item: isinstance(item, Statement)
        )

    def _thing(self) -> NP:
        pool = nouns_of(self.rng.choice(("goods", "ticket", "luggage", "device")))
        return common(self.rng, self.rng.choice(pool), self.rng.choice(("s:def", "s:this")))

    def _other_amount(self, money: NP) -> NP:
        while True:
            assert money.noun is not None
            other = formulas.amount(self.rng, money.noun.en)
            if other.number != money.number:
                return other

    def _fitting(
        self,
        make: Callable[[random.Random], Content],
        wanted: Callable[[Content], bool] = lambda content: True,
    ) -> Content:
        """The first content that is of the wanted kind and of the split."""
        while True:
            try:
                content = make(self.rng)
            except NoFit:
                continue
            if wanted(content) and fits(content, self.split):
                return content

    def _with_back_channels(self, acts: list[Act]) -> list[Act]:
        """Some of the longer sentences are accompanied."""
        out = []
        for act in acts:
            out.append(act)
            if act.kind == "statement" and self.rng.random() < 0.35:
                murmur = self.rng.choice(phrases.BACK_CHANNELS)
                out.append(Act(1 - act.speaker, "back-channel", murmur))
        return out


def _is_question(word: str) -> Callable[[Content], bool]:
    def check(content: Content) -> bool:
        if not isinstance(content, Question) or content.word != word:
            return False
        return word != "when?" or content.clause.tense == "F"

    return check
