"""From a dialogue act's content to a sentence in the speaker's language with its translation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from earvoice.data.synth.conversation.phrases import Phrase
from earvoice.data.synth.grammar.reverse import has_one_english
from earvoice.data.synth.grammar.sentence import (
    Derivation,
    Sentence,
    Statement,
    Template,
    source_words,
    split_of,
    target_words,
)
from earvoice.data.synth.grammar.tree import NP, WE, YOU, Clause, I

Content = Derivation | Phrase
"""What an act says: a derivation of the sentence grammar, or a fixed phrase (English, Spanish)."""

PAIR = ("en", "es")
_MOST_WORDS = 18


def line(content: Content, language: str, topic: str = "") -> Sentence:
    """The words in `language` (of `PAIR`) with their translation into the other one.

    A fixed phrase is translated when all of it was heard.
    """
    into = PAIR[1 - PAIR.index(language)]
    if isinstance(content, tuple):
        source = tuple(content[PAIR.index(language)].split())
        target = tuple(content[PAIR.index(into)].split())
        needs = (len(source) - 1,) * len(target)
    else:
        source, last = source_words(content, language)
        target, needs = target_words(content, into, last, len(source))
    return Sentence(source, {into: target}, {into: needs}, topic, language)


def fits(content: Content, split: str | None) -> bool:
    """Whether an open sentence is of the split, not too long, and translatable from both sides."""
    if isinstance(content, tuple):
        return True
    english = source_words(content, "en")[0]
    if len(english) > _MOST_WORDS or not all(
        has_one_english(Statement(part) if isinstance(part, Clause) else part, "es")
        for part in _parts(content)
    ):
        return False
    return split is None or split_of(english) == split


def _parts(content: Derivation) -> list[Any]:
    if not isinstance(content, Template):
        return [content]
    return [slot for slot in content.slots if isinstance(slot, Clause)]


def speaks_of_us(item: Any) -> bool:
    """Whether "I", "we" or "you" occur: an answer would have to turn them round."""
    if isinstance(item, NP):
        if item.pronoun in (I, WE, YOU) or item.owner in (I, WE, YOU):
            return True
        inner = item.relative.clause if item.relative else None
        return speaks_of_us(item.of) or speaks_of_us(inner)
    if isinstance(item, Clause):
        nps = [item.subject, *(np for _, np in item.args)]
        nps += [extra.np for extra in (*item.adverbials, item.front) if extra and extra.np]
        return any(speaks_of_us(np) for np in nps) or (
            item.sub is not None and speaks_of_us(item.sub.clause)
        )
    return False


def said_plainly(item: Clause) -> Clause:
    """The clause of a question as that of a statement."""
    return replace(item, gap="")
