"""Sampling of single sentences and of connected talks, restricted to a split."""

from __future__ import annotations

import random

from earvoice.data.synth.grammar import clauses, formulas, patterns
from earvoice.data.synth.grammar.connectives import OPENERS
from earvoice.data.synth.grammar.sentence import Derivation, Sentence, Statement, english_words, finish, split_of

SPLITS = ("train", "dev", "test")
_MIN_WORDS, _MAX_WORDS = 3, 22
_FORMULA_SHARE = 0.03


def _checked(rng: random.Random, topic: str, make: object, split: str | None) -> Sentence:
    if split is not None and split not in SPLITS:
        raise ValueError(f"split is {split!r}; legal are {', '.join(SPLITS)} or None")
    while True:
        item: Derivation = make()  # type: ignore[operator]
        source = english_words(item)
        if not _MIN_WORDS <= len(source[0]) <= _MAX_WORDS:
            continue
        if split is None or split_of(source[0]) == split:
            return finish(item, topic, source)


def _topic(rng: random.Random, topic: str | None) -> str:
    if topic is None:
        return rng.choice(clauses.TOPICS)
    if topic not in clauses.TOPICS:
        raise ValueError(f"topic is {topic!r}; legal are {', '.join(clauses.TOPICS)}")
    return topic


def sample_sentence(rng: random.Random, topic: str | None = None, split: str | None = None) -> Sentence:
    """One sentence with both translations, of the topic and split if they are given."""
    chosen = _topic(rng, topic)

    def make() -> Derivation:
        if rng.random() < _FORMULA_SHARE:
            return rng.choice((formulas.opening, formulas.closing))(rng)
        return patterns.derivation(rng, chosen)

    return _checked(rng, chosen, make, split)


def sample_talk(rng: random.Random, sentences: int, split: str | None = None) -> list[Sentence]:
    """A talk on one topic: an opening, a body with connectives in order, a closing.

    Every sentence belongs to `split` and can be translated on its own. Talks of one or two
    sentences have no closing.
    """
    if sentences < 1:
        raise ValueError(f"sentences is {sentences}; a talk has at least 1")
    topic = _topic(rng, None)
    out = [_checked(rng, topic, lambda: formulas.opening(rng), split)]
    body = sentences - (2 if sentences > 2 else 1)
    for index in range(body):
        out.append(_checked(rng, topic, lambda i=index: _body(rng, topic, i, body), split))  # type: ignore[misc]
    if sentences > 2:
        out.append(_checked(rng, topic, lambda: formulas.closing(rng), split))
    return out


def _body(rng: random.Random, topic: str, index: int, length: int) -> Derivation:
    """The index-th sentence of the body: "First" begins it, "Finally" ends it."""
    if index in (0, length - 1) and length > 2 and rng.random() < 0.6:
        wanted = "First," if index == 0 else "Finally,"
        opener = next(item for item in OPENERS if item.en == (wanted,))
    elif rng.random() < 0.25:
        opener = rng.choice([item for item in OPENERS if item.en[0] not in ("First,", "Finally,")])
    else:
        return patterns.derivation(rng, topic)
    item = clauses.sample(rng, topic, front_rate=0.0, time_rate=0.5)
    return Statement(item, opener)
