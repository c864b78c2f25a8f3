"""A whole conversation as sentences: opening, exchanges about one topic, closing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from earvoice.data.synth.conversation.exchanges import Act, Writer
from earvoice.data.synth.conversation.lines import PAIR, line
from earvoice.data.synth.grammar.clauses import TOPICS
from earvoice.data.synth.grammar.sentence import Sentence

Speaker = Literal["self", "other"]
SPEAKERS: tuple[Speaker, Speaker] = ("self", "other")
"""The wearer of the microphones, and the partner."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence somebody says, with its translation; `kind` is the act's."""

    speaker: Speaker
    kind: str
    sentence: Sentence


def dialogue(
    rng: random.Random, languages: dict[Speaker, str], split: str | None
) -> Iterator[Utterance]:
    """Utterances without end: greetings now and then, the topic changes every few exchanges.

    `languages` says which of the pair each person speaks.
    """
    writer = Writer(rng, split)
    while True:
        topic = rng.choice(TOPICS)
        opens = rng.randrange(2)
        yield from _said(writer.opening(), opens, languages, topic)
        for _ in range(rng.randint(4, 9)):
            opens = rng.randrange(2)
            yield from _said(writer.exchange(topic), opens, languages, topic)
        yield from _said(writer.closing(), rng.randrange(2), languages, topic)


def _said(
    acts: list[Act], opens: int, languages: dict[Speaker, str], topic: str
) -> Iterator[Utterance]:
    for act in acts:
        speaker = SPEAKERS[act.speaker ^ opens]
        yield Utterance(speaker, act.kind, line(act.content, languages[speaker], topic))


def deal_languages(rng: random.Random) -> dict[Speaker, str]:
    """Who speaks which language of the pair."""
    own = rng.randrange(2)
    return {"self": PAIR[own], "other": PAIR[1 - own]}
