"""Whole utterances of many languages: mixtures of translation and transcription, and batches.

LLaST's mixture (2407.15415, its code's `get_data_ids`): every direction's translations once;
the transcripts of every direction into English once more as a task of their own, 1 : 1; English
transcripts once, from the last direction out of English, 1 : 3 with three such directions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earvoice.data.draws import drawing
from earvoice.data.manifest import Float32, SpokenSentence, Talk
from earvoice.errors import ConfigError
from earvoice.text.chat import Task
from earvoice.units import Samples

HUB = "en"
"""The language that all directions of CoVoST 2 come from or go to."""

Direction = tuple[str, str]
"""Source and target language."""


@dataclass(frozen=True)
class Utterance:
    """One sentence of a recording, or `count` in a row, and what is to be written for it."""

    talk: Talk
    number: int
    task: Task
    src_lang: str
    tgt_lang: str
    count: int = 1

    @property
    def sentences(self) -> Sequence[SpokenSentence]:
        """What is said."""
        return self.talk.sentences[self.number : self.number + self.count]

    @property
    def transcript(self) -> str:
        """The words that are said."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def text(self) -> str:
        """What is to be written."""
        if self.task == "transcribe":
            return self.transcript
        return " ".join(sentence.targets[self.tgt_lang].text for sentence in self.sentences)

    @property
    def duration_s(self) -> float:
        """From the first word to the last."""
        return self.sentences[-1].end_s - self.sentences[0].start_s

    def joined(self, count: int, most_s: float) -> Utterance:
        """With those that follow it: `count` in all, fewer when they last over `most_s`."""
        end_s = self.sentences[0].start_s + most_s
        following = self.talk.sentences[self.number : self.number + count]
        fitting = sum(sentence.end_s <= end_s for sentence in following)
        return dataclasses.replace(self, count=max(1, fitting))

    def read_samples(self, margin_s: float = 0.0) -> Float32:
        """The sound, with up to `margin_s` of what lies around it. float32 [W]."""
        start, rate = self.first_sample(margin_s), self.talk.sample_rate
        end = round((self.sentences[-1].end_s + margin_s) * rate)
        return self.talk.read_samples(start, end - start)

    def first_sample(self, margin_s: float = 0.0) -> Samples:
        """Where its sound begins in the talk."""
        return max(0, round((self.sentences[0].start_s - margin_s) * self.talk.sample_rate))


def asr_augmented(
    talks: Mapping[Direction, Sequence[Talk]], *, transcripts: bool = True
) -> list[Utterance]:
    """All utterances of a mixture, in the order of the directions.

    transcripts: with the transcription tasks (see the module's docstring for the ratios).
    Raises: ConfigError naming a talk that lacks a direction's target language.
    """
    found: list[Utterance] = []
    for (src, tgt), recordings in talks.items():
        _check_targets(recordings, tgt)
        found += _utterances(recordings, "translate", src, tgt)
        if transcripts and tgt == HUB:
            found += _utterances(recordings, "transcribe", src, src)
    out_of_hub = [direction for direction in talks if direction[0] == HUB]
    if transcripts and out_of_hub:
        found += _utterances(talks[out_of_hub[-1]], "transcribe", HUB, HUB)
    return found


class Epochs:
    """Endless shuffled passes over a list, each place of which can be asked for on its own.

    Every pass is a permutation drawn from hash(seed, pass), so a resumed run goes on as it would
    have, whatever was drawn before.
    """

    def __init__(self, utterances: Sequence[Utterance], seed: int, name: str) -> None:
        if not utterances:
            raise ConfigError(f"stage {name!r}: the corpus has no utterances for its directions")
        self.utterances, self.seed, self.name = utterances, seed, name
        self._pass = -1
        self._order: list[int] = []

    def __getitem__(self, place: int) -> Utterance:
        """The utterance at a place of the endless sequence."""
        number, index = divmod(place, len(self.utterances))
        if number != self._pass:
            self._order = list(range(len(self.utterances)))
            drawing(self.seed, self.name, "pass", number).shuffle(self._order)
            self._pass = number
        return self.utterances[self._order[index]]


def _utterances(talks: Sequence[Talk], task: Task, src_lang: str, tgt_lang: str) -> list[Utterance]:
    return [
        Utterance(talk, number, task, src_lang, tgt_lang)
        for talk in talks
        for number in range(len(talk.sentences))
    ]


def _check_targets(talks: Sequence[Talk], language: str) -> None:
    for talk in talks:
        for number, sentence in enumerate(talk.sentences, start=1):
            if language not in sentence.targets:
                raise ConfigError(
                    f"corpus: talk {talk.id!r}, sentence {number} has no {language!r} side; "
                    f"it has {sorted(sentence.targets)}"
                )
