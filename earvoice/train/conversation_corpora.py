"""Corpora of conversations, and of talks: conversations in which nobody answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from earvoice.data.conversations import Conversation, Turn, load_conversations
from earvoice.data.manifest import MANIFEST_NAME, SpokenSentence, Talk, Target, load_talks
from earvoice.errors import UsageError
from earvoice.units import Samples

Kind = Literal["conversations", "talks"]


def read_corpora(folders: Sequence[Path], kinds: Sequence[str], into: str) -> list[Conversation]:
    """The recordings of corpora of either kind. into: the language that talks are translated to.

    Raises: UsageError or DataError naming what is wrong.
    """
    found: list[Conversation] = []
    for folder in folders:
        if _holds_conversations(folder):
            if "conversations" in kinds:
                found += load_conversations(folder)
        elif "talks" in kinds:
            found += [TalkAlone.of(talk, into) for talk in load_talks(folder)]
    return found


def _holds_conversations(folder: Path) -> bool:
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise UsageError(f"there is no corpus manifest at {path}")
    with path.open(encoding="utf-8") as lines:
        first = next((line for line in lines if line.strip()), "{}")
    try:
        return bool(json.loads(first).get("type") == "MultiCut")
    except (json.JSONDecodeError, AttributeError) as error:
        raise UsageError(f"{path} line 1 is not a record: {error}") from error


@dataclass(frozen=True)
class TalkAlone(Conversation):
    """A talk as a conversation in which only the wearer speaks."""

    talk: Talk | None = None

    @classmethod
    def of(cls, talk: Talk, into: str) -> TalkAlone:
        """The talk; sentences without that translation have an empty one."""
        turns = tuple(_turn(sentence, talk.language, into) for sentence in talk.sentences)
        return cls(
            talk.id,
            talk.path,
            1,
            talk.sample_rate,
            talk.samples,
            turns,
            condition=talk.condition,
            talk=talk,
        )

    def read_samples(self, start: Samples = 0, count: Samples | None = None) -> np.ndarray:
        """float32 [1, W]; a talk may be a span of its file."""
        assert self.talk is not None
        return self.talk.read_samples(start, count)[None]


def _turn(sentence: SpokenSentence, language: str, into: str) -> Turn:
    target = sentence.targets.get(into, Target(""))
    times = (sentence.start_s, sentence.end_s)
    return Turn("self", language, *times, sentence.words, into, target, phones=sentence.phones)


def snr_db(item: Conversation) -> float:
    """Of a recording's noise; without noise it is infinite."""
    found = item.condition.get("snr_db")
    return math.inf if found is None else float(found)
