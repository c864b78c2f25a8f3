"""Terms heard in a stream: every window is looked at once, as soon as it is complete.

    frames    |----|----|----|----|----|----|          hops
    windows   |-------------------|                    scored when the 4th hop is there
                   |-------------------|               ... the 5th
    hits           [Krzysztof 0.93]  in the turn that hears these frames

State: the last `window_frames` frames, and hits no older than the agent's window. CLASI retrieves
anew for the whole audio of every round (2407.21646, 2.1); here a round only collects what its
windows gave, so that the cost per second of audio is constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from earvoice.agent.glossary import Entry, Glossary
from earvoice.models.retriever import Retriever
from earvoice.sessions.term_index import TermView


@dataclass(frozen=True)
class Hit:
    """A term that is probably in the window that ends before frame `end`."""

    entry: Entry
    score: float
    start: int
    end: int


class TermSpotter:
    """One stream's listening for terms. least: probability from which on a term is a hit.

    view: None while there are no terms: it listens all the same, so that terms which come later
    are looked for from where the stream is. heard: frames so far. hits: what was found, not older
    than what `best` was last asked for.
    """

    def __init__(self, retriever: Retriever, view: TermView | None, least: float) -> None:
        self._retriever, self.view, self._least = retriever, view, least
        self._tail: Tensor | None = None
        self._new = 0
        self.heard = 0
        self.hits: list[Hit] = []

    def continue_from(self, other: TermSpotter) -> None:
        """Goes on where another stood: the same stream, another glossary."""
        self._tail, self._new, self.heard = other._tail, other._new, other.heard
        self.hits = list(other.hits)

    def save(self) -> tuple[Tensor | None, dict[str, Any]]:
        """The last frames [T, E], and what was found so far, for JSON."""
        hits = [[hit.entry.source, hit.score, hit.start, hit.end] for hit in self.hits]
        tail = None if self._tail is None else self._tail.clone()
        return tail, {"new": self._new, "heard": self.heard, "hits": hits}

    def restore(self, tail: Tensor | None, saved: Mapping[str, Any], glossary: Glossary) -> None:
        """Makes a new spotter what a saved one was; hits of terms that are gone are left out."""
        self._tail, self._new, self.heard = tail, int(saved["new"]), int(saved["heard"])
        found = [(glossary.get(source), *place) for source, *place in saved["hits"]]
        self.hits = [Hit(entry, *place) for entry, *place in found if entry is not None]

    def push(self, frames: Tensor) -> None:
        """Takes new encoder frames [T, E] and scores each window that they complete."""
        config = self._retriever.config
        while len(frames):
            count = min(len(frames), config.hop_frames - self._new)
            piece, frames = frames[:count], frames[count:]
            self._tail = piece if self._tail is None else torch.cat([self._tail, piece])
            self._tail = self._tail[-config.window_frames :]
            self._new += count
            self.heard += count
            if self._new == config.hop_frames:
                self._new = 0
                self._score(self._tail)

    def finish(self) -> None:
        """The stream has ended: scores what no whole hop has completed."""
        if self._new and self._tail is not None:
            self._new = 0
            self._score(self._tail)

    def _score(self, window: Tensor) -> None:
        """The window that ends now: nearest terms of its new spans, then their scores."""
        if self.view is None or not len(self.view):
            return
        retriever, config = self._retriever, self._retriever.config
        queries = retriever.spans(window[None], config.hop_frames)[0]
        if not len(queries):
            return
        entries, spelt = self.view.nearest(queries, config.candidates)
        if not entries:
            return
        states, real = retriever.keys(spelt)
        scores = retriever.score(window[None], states, real)[0].sigmoid().tolist()
        start = self.heard - len(window)
        self.hits += [
            Hit(entry, score, start, self.heard)
            for entry, score in zip(entries, scores, strict=True)
            if score >= self._least
        ]

    def best(self, first: int, most: int) -> list[Hit]:
        """The best hit of each term whose window ends after frame `first`; forgets older ones.

        Of terms that sound alike only the best is taken, unless their windows do not meet.
        """
        self.hits = [hit for hit in self.hits if hit.end > first]
        best: dict[str, Hit] = {}
        for hit in self.hits:
            if hit.score > best.get(hit.entry.key, _NONE).score:
                best[hit.entry.key] = hit
        found = sorted(best.values(), key=lambda hit: (-hit.score, hit.entry.key))
        return self._without_rivals(found)[:most]

    def _without_rivals(self, found: list[Hit]) -> list[Hit]:
        """Hits, best first, without those that sound like a better one of the same place."""
        if len(found) < 2 or self._retriever.config.alike >= 1:
            return found
        alike = self._retriever.alike([hit.entry.source for hit in found]).tolist()
        taken: list[int] = []
        for place, hit in enumerate(found):
            others = [found[other] for other in taken if alike[place][other]]
            if not any(hit.start < other.end and other.start < hit.end for other in others):
                taken.append(place)
        return [found[place] for place in taken]

    def forget(self, keys: frozenset[str]) -> None:
        """Drops hits of terms that are no longer in the glossary."""
        self.hits = [hit for hit in self.hits if hit.entry.key not in keys]


_NONE = Hit(Entry("-"), -1.0, 0, 0)
