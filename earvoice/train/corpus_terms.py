"""The invented terms of a corpus, by how they sound: near misses that are said elsewhere."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from earvoice.data.manifest import Talk
from earvoice.data.synth.interpreted.terms import Term, term_of_id

_Key = tuple[str, int, str]


class CorpusTerms:
    """Finds terms of some talks that share syllables with a term at the same places."""

    def __init__(self, talks: Sequence[Talk]) -> None:
        ids = {
            str(note["id"])
            for talk in talks
            for sentence in talk.sentences
            for note in sentence.notes.get("terms", ())
        }
        self._sharing: dict[_Key, list[Term]] = defaultdict(list)
        for term in map(term_of_id, sorted(ids)):
            for key in _keys(term):
                self._sharing[key].append(term)

    def near(self, rng: random.Random, term: Term) -> Term | None:
        """Another of the same kind with most syllables in common, any of these; None if none has.

        Half of the time, one that shares a single syllable: those nearest to a term are few, and
        would be known by heart.
        """
        shared: dict[str, int] = defaultdict(int)
        found: dict[str, Term] = {}
        for key in _keys(term):
            for other in self._sharing[key]:
                if other.syllables != term.syllables:
                    shared[other.id] += 1
                    found[other.id] = other
        if not found:
            return None
        least = max(shared.values()) if rng.random() < 0.5 else 1
        return found[rng.choice([name for name, count in shared.items() if count >= least])]


def _keys(term: Term) -> list[_Key]:
    return [(term.kind, place, syllable) for place, syllable in enumerate(term.syllables)]
