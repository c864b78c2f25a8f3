"""Words that sound like others: what a retriever has to tell from the right one."""

from __future__ import annotations

import random
from collections.abc import Sequence

from earvoice.text.spacing import is_spaceless

_ALIKE = ("bp", "dt", "gkc", "vfw", "sz", "mn", "lr", "aeiouyäöü", "jy")
"""Letters of about one sound."""
_TRIES = 60


def near_miss(term: str, others: Sequence[str], rng: random.Random) -> str:
    """A term that is not `term` but sounds like it: one of `others`, or with letters exchanged.

    Half of the time the most alike of some of the others, by pairs of letters they share.
    """
    if others and rng.random() < 0.5:
        drawn = [rng.choice(others) for _ in range(_TRIES)]
        best = max(drawn, key=lambda other: _alike(term, other) if other != term else -1.0)
        if best != term:
            return best
    return _exchanged(term, others, rng)


def _alike(a: str, b: str) -> float:
    first, second = ({word[i : i + 2] for i in range(len(word) - 1)} for word in (a, b))
    return len(first & second) / max(1, len(first | second))


def _exchanged(term: str, others: Sequence[str], rng: random.Random) -> str:
    """One to three letters become others of about the same sound; one character any other."""
    letters = list(term)
    places = [i for i, char in enumerate(letters) if any(char in alike for alike in _ALIKE)]
    if not places:
        known = sorted({char for other in others for char in other if is_spaceless(char)})
        known = [char for char in known if char not in term]
        if not known:
            return term + rng.choice("aeiou")
        letters[rng.randrange(len(letters))] = rng.choice(known)
        return "".join(letters)
    rng.shuffle(places)
    for place in places[: rng.randint(1, 3)]:
        group = next(alike for alike in _ALIKE if letters[place] in alike)
        letters[place] = rng.choice([char for char in group if char != letters[place]])
    return "".join(letters)
