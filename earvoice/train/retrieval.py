"""Batches for the retriever: windows of talks, terms that are in them, terms that are not.

Positives are words and short phrases drawn from what is said in a window (CLASI, 2407.21646, 3.4);
negatives are the other windows' and near misses, unless they are said in the window too. Invented
terms, which are a few words of a talk and all that a glossary is for, are drawn more often.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earvoice.agent.glossary import MAX_TERM_CHARS
from earvoice.data.augment import Augment
from earvoice.data.draws import drawing
from earvoice.data.manifest import Talk, TimedWord
from earvoice.data.near import near_miss
from earvoice.data.synth.interpreted.terms import near_misses, respelled, term_of_id
from earvoice.errors import ConfigError
from earvoice.text.spacing import is_spaceless, joined
from earvoice.train.agent_mixture import RetrieveMixture
from earvoice.train.corpus_terms import CorpusTerms
from earvoice.units import SAMPLE_RATE, Samples

_LEAST_LETTERS, _LEAST_CHARACTERS = 3, 2
"""Of a term, in an alphabet and in a script without spaces."""
_TRIES = 50
_MARKS = ",.;:!?\"'“”‘’«»()，。；：！？"


@dataclass(frozen=True)
class RetrieveBatch:
    """What `retrieve` gets.

    samples [B, W]: lead and window; lead_frames: encoder frames before the window; terms: K of
    them; present [B, K]: which are said in which window, from beginning to end; said [B, K, 2]:
    first frame of the window in which they are (for the first time), and the one behind the last.
    """

    samples: Tensor
    lead_frames: int
    terms: tuple[str, ...]
    present: Tensor
    said: Tensor
    audio_s: float
    tokens: int


@dataclass(frozen=True)
class _Window:
    talk: Talk
    start: Samples
    words: tuple[TimedWord, ...]


class RetrieveExamples:
    """The batches of a stage: a pure function of (seed, stage, step)."""

    def __init__(
        self,
        mixture: RetrieveMixture,
        frame: Samples,
        window: Samples,
        talks: Sequence[Talk],
        augment: Augment | None,
        *,
        seed: int,
        stage: str,
    ) -> None:
        talks = [talk for talk in talks if not (mixture.clean and talk.condition)]
        spoken = [t for t in talks if any(one.words for one in t.sentences)]
        self.talks = [talk for talk in spoken if talk.duration_s * SAMPLE_RATE > window]
        if not self.talks:
            raise ConfigError(f"stage {stage!r} needs a corpus with word times: corpus=[DIR]")
        self.mixture, self.frame, self.window = mixture, frame, window
        self.augment, self.seed, self.stage = augment, seed, stage
        self._corpus_terms = CorpusTerms(self.talks)

    @property
    def collator(self) -> RetrieveExamples:
        """What has the augmentation, whose strength the loop ramps."""
        return self

    def batch(self, step: int) -> RetrieveBatch:
        """The batch of a step (accumulation counts as further steps)."""
        rng = drawing(self.seed, self.stage, step)
        lead = int(rng.random() * self.mixture.lead_s * SAMPLE_RATE) // self.frame * self.frame
        windows = [self._window(rng, lead) for _ in range(self.mixture.batch)]
        noted = {term: name for window in windows for term, name in _noted(window).items()}
        terms = [term for window in windows for term in self._terms(window, rng)]
        for term in tuple(terms):
            for _ in range(int(self.mixture.near + rng.random())):
                miss, name = self._near(term, noted, terms, rng)
                terms.append(miss)
                noted |= {miss: name} if name else {}
        terms = list(dict.fromkeys(terms))
        said = [(_plain(window.words), _apart(window.words)) for window in windows]
        present = torch.tensor([[_is_in(term, *texts) for term in terms] for texts in said])
        places = torch.zeros(*present.shape, 2, dtype=torch.long)
        for row, place in present.nonzero().tolist():
            places[row, place] = torch.tensor(self._place(windows[row], terms[place]))
        terms = self._spelled(terms, noted, rng)
        samples = np.stack([self._samples(window, lead, rng) for window in windows])
        return RetrieveBatch(
            samples=torch.from_numpy(samples),
            lead_frames=lead // self.frame,
            terms=tuple(terms),
            present=present,
            said=places,
            audio_s=samples.size / SAMPLE_RATE,
            tokens=len(terms),
        )

    def _window(self, rng: random.Random, lead: Samples) -> _Window:
        """A stretch of a talk in which something is said."""
        for _ in range(_TRIES):
            talk = rng.choice(self.talks)
            last = round(talk.duration_s * SAMPLE_RATE) - self.window
            start = max(lead, rng.randint(0, last))
            first_s, end_s = start / SAMPLE_RATE, (start + self.window) / SAMPLE_RATE
            words = tuple(
                word
                for one in talk.sentences
                for word in one.words
                if word.start_s >= first_s and word.end_s <= end_s
            )
            if any(_long_enough(_plain([word])) for word in words):
                return _Window(talk, start, words)
        raise ConfigError(f"stage {self.stage!r}: no words in {_TRIES} windows of the corpus")

    def _terms(self, window: _Window, rng: random.Random) -> list[str]:
        found = []
        noted = sorted(_noted(window))
        for _ in range(self.mixture.positives):
            if noted and rng.random() < self.mixture.noted:
                found.append(rng.choice(noted))
                continue
            count = rng.randint(1, self.mixture.most_words)
            first = rng.randrange(len(window.words))
            term = _plain(window.words[first : first + count])
            if _long_enough(term) and len(term) <= MAX_TERM_CHARS:
                found.append(term)
        return found

    def _near(
        self, term: str, noted: Mapping[str, str], terms: Sequence[str], rng: random.Random
    ) -> tuple[str, str]:
        """A near miss and what notes call it, if it is invented too: a syllable or two apart."""
        if term not in noted:
            return near_miss(term, terms, rng), ""
        right = term_of_id(noted[term])
        miss = None
        if rng.random() < self.mixture.said_elsewhere:
            miss = self._corpus_terms.near(rng, right)
        miss = miss or near_misses(rng, right, 1)[0]
        return miss.form(_language(term)).casefold(), miss.id

    def _spelled(
        self, terms: Sequence[str], noted: Mapping[str, str], rng: random.Random
    ) -> list[str]:
        """The terms, invented ones in another spelling of the same sound."""
        spelled = list(terms)
        for place, term in enumerate(terms):
            if term in noted and rng.random() < self.mixture.respelled:
                language = _language(term)
                new = respelled(rng, term_of_id(noted[term]), language).form(language).casefold()
                spelled[place] = term if new in spelled else new
        return spelled

    def _place(self, window: _Window, term: str) -> tuple[int, int]:
        """Frames of a window in which a term is said for the first time."""
        first, last = _said_by(window.words, term)
        start_s, frame_s = window.start / SAMPLE_RATE, self.frame / SAMPLE_RATE
        begin = int((first.start_s - start_s) / frame_s)
        return begin, max(begin + 1, math.ceil((last.end_s - start_s) / frame_s))

    def _samples(self, window: _Window, lead: Samples, rng: random.Random) -> np.ndarray:
        size = lead + self.window
        samples = np.zeros(size, dtype=np.float32)
        heard = window.talk.read_samples(window.start - lead, size)
        samples[: len(heard)] = heard
        return samples if self.augment is None else self.augment(samples, len(heard), rng)


def _noted(window: _Window) -> dict[str, str]:
    """The invented terms that are said in a window, in one case, and what notes call them."""
    said = _plain(window.words), _apart(window.words)
    start_s = window.start / SAMPLE_RATE
    end_s = window.words[-1].end_s
    return {
        term: str(note["id"])
        for one in window.talk.sentences
        if one.end_s > start_s and one.start_s < end_s
        for note in one.notes.get("terms", ())
        if _is_in(term := str(note["source"]).casefold(), *said)
    }


def _language(term: str) -> str:
    """The language that an invented term is written in."""
    return "zh" if any(map(is_spaceless, term)) else "en"


def _plain(words: Sequence[TimedWord]) -> str:
    """Words in one case, without marks, as a glossary has them."""
    return joined(word.text.strip(_MARKS).casefold() for word in words)


def _apart(words: Sequence[TimedWord]) -> str:
    """The same with a space on both sides of every word."""
    return f" {' '.join(word.text.strip(_MARKS).casefold() for word in words)} "


def _is_in(term: str, text: str, apart: str) -> bool:
    """Whether a term is said: as whole words, but for scripts that show none."""
    return term in text if any(map(is_spaceless, term)) else f" {term} " in apart


def _said_by(words: Sequence[TimedWord], term: str) -> tuple[TimedWord, TimedWord]:
    """The first and the last word of the first place where a term is said; it is somewhere."""

    def holds(part: Sequence[TimedWord]) -> bool:
        return _is_in(term, _plain(part), _apart(part))

    end = next(end for end in range(1, len(words) + 1) if holds(words[:end]))
    first = next(first for first in reversed(range(end)) if holds(words[first:end]))
    return words[first], words[end - 1]


def _long_enough(term: str) -> bool:
    least = _LEAST_CHARACTERS if any(map(is_spaceless, term)) else _LEAST_LETTERS
    return len(term) >= least
