"""Terms spelled anew in one training example, so that only what it is told says how.

A corpus has few invented terms, and each is heard many times: how it is written could be learnt by
heart. Here prompt, words and translation agree on another spelling of the same sounds each time,
and a product on another name, so that what is told has to be copied.

    heard     ka-mi-lo
    prompt    Cahmeelo = 喀弥罗        another time   Kamilo = 卡米洛
    answer    ... Cahmeelo ... 喀弥罗                 ... Kamilo ... 卡米洛
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from earvoice.data.synth.interpreted.terms import KINDS, invent, respelled, term_of_id

Pair = tuple[str, str]


@dataclass(frozen=True)
class Respelling:
    """Old forms and new ones: of the source language and of the target language."""

    sources: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def drawn(
        cls, rng: random.Random, told: Sequence[Pair], noted: Mapping[Pair, str], pair: Pair
    ) -> Respelling:
        """A new spelling of each term that is told and has a note (`agent_terms.noted_terms`)."""
        sources, targets = {}, {}
        for term in told:
            if term in noted:
                new = respelled(rng, term_of_id(noted[term]), pair[0])
                sources[term[0]], targets[term[1]] = new.form(pair[0]), new.form(pair[1])
        return cls(sources, targets)

    def exchanged(self, rng: random.Random, told: Sequence[Pair], pair: Pair) -> Respelling:
        """The same with other targets for all that is told, which have nothing to do with it."""
        other = {
            target: invent(rng, rng.choice(KINDS), "train").form(pair[1]) for _, target in told
        }
        return Respelling(self.sources, other)

    def source(self, text: str) -> str:
        """A text of the source language with its terms spelled anew."""
        return _replaced(text, self.sources)

    def target(self, text: str) -> str:
        """The same of the target language."""
        return _replaced(text, self.targets)

    def terms(self, told: Sequence[Pair]) -> tuple[Pair, ...]:
        """The terms of a prompt."""
        return tuple(
            (self.sources.get(source, source), self.targets.get(target, target))
            for source, target in told
        )


def _replaced(text: str, forms: Mapping[str, str]) -> str:
    """All at once, long forms first, so that no new form is replaced again."""
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: forms[found[0]], text)
