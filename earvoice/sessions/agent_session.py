"""One listener's stream over an agent: its window, memory and terms, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from earvoice.agent.codec import Ask, Known
from earvoice.agent.foreign import clean
from earvoice.agent.glossary import Entry, Glossary
from earvoice.agent.memory import Memory, Remembered
from earvoice.agent.turns import Turn, read_turn
from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Event, Finished, Note, Stream
from earvoice.policies import Read, View
from earvoice.session import Request
from earvoice.sessions.agent_window import AgentWindow
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.sessions.fed import FedSession, checked_glossary
from earvoice.sessions.hearing import Listener
from earvoice.sessions.spotter import Hit, TermSpotter
from earvoice.sessions.words import split_words
from earvoice.text.languages import language
from earvoice.text.sentences import ends_sentence
from earvoice.text.stream import TextStream
from earvoice.units import SAMPLE_RATE

if TYPE_CHECKING:
    from earvoice.sessions.agent import AgentInterpreter

_CHANGES = ("glossary",)


class AgentSession(FedSession):
    """One listener's stream. Implements `Session`.

    `update(glossary=...)` counts from the next turn on.
    `begun`: tokens of the window's translation that are said already, where a wait-k policy takes
    the place of the model's decision: the window is translated again and again, each time from
    these on, and when it is full what is left is said.
    Notes: `terms` what was told to the model, `terms_used` what of it is in the translation,
    `turn_broken` a turn that could not be read, `memory` when it is full.
    """

    def __init__(
        self,
        owner: AgentInterpreter,
        request: Request,
        pair: tuple[str, str],
        listener: Listener,
    ) -> None:
        settings, model = owner.settings, owner.model
        self._owner, self.request, self.pair, self.listener = owner, request, pair, listener
        self.stream = Stream("translation", pair[1])
        self._transcript = Stream("transcript", pair[0]) if request.transcript else None
        self.audio = SegmentBuffer(model.step_samples)
        self.window = AgentWindow(settings.most, model.embedding_samples)
        self.memory = Memory(settings.memory_tokens, settings.codec.count, request.context)
        self.end = 0
        self.closing = False
        self.begun: tuple[int, ...] = ()
        self._policy = request.policy
        self._words_due: int | None = None
        self.glossary = Glossary()
        self.spotter: TermSpotter | None = None  # of a model with a retriever
        self._told: tuple[Hit, ...] = ()
        self._final = self._done = False
        self._said: set[Stream] = set()
        self._span_start_s = 0.0
        given = Glossary() if request.glossary is None else request.glossary
        self.take_glossary(checked_glossary(given))

    # ---------------------------------------------------------------- the waist

    @property
    def ready(self) -> bool:
        """Whether a step has something to do."""
        return self.audio.has_segment or (self._final and not self._done)

    @property
    def steps(self) -> int:
        """Steps of audio that it has heard."""
        return (self.window.start + len(self.window)) // self._step

    @property
    def _step(self) -> int:
        """Embeddings of a step."""
        return self._owner.model.step_samples // self.window.stride

    def progress(self) -> dict[str, Any]:
        """What stands between two steps and is neither speech nor memory, for JSON."""
        said = [stream.role for stream in self._said]
        return {"begun": list(self.begun), "said": said, "span_start_s": self._span_start_s}

    def set_progress(self, saved: Mapping[str, Any]) -> None:
        """Goes on where `progress` was taken."""
        self.begun = tuple(int(token) for token in saved["begun"])
        streams = (self.stream, self._transcript)
        self._said = {one for one in streams if one is not None and one.role in saved["said"]}
        self._span_start_s = float(saved["span_start_s"])

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        steps = self.audio.finish()
        events: list[Event] = []
        for index in range(max(1, steps)):
            self._final = index >= steps - 1
            events += self._advance()
        self._done = True
        self.listener.leave()
        return [*events, Finished()]

    def update(self, **changes: Any) -> list[Event]:
        """Takes another glossary, from the next turn on; other changes need another stream.

        Raises: UsageError naming what can change.
        """
        if self._done:
            raise UsageError("the session is finished; nothing can change any more")
        unknown = sorted(changes.keys() - set(_CHANGES))
        if unknown:
            raise UsageError(f"update: {unknown[0]!r} cannot change here; 'glossary' can")
        self.take_glossary(checked_glossary(changes.get("glossary")))
        return []

    def take_glossary(self, glossary: Glossary) -> None:
        """Counts from the next turn on. Raises: UsageError for one that cannot be searched."""
        before = None if self.spotter is None else self.spotter.view
        view = self._owner.view(glossary, self.pair, before)
        old, self.glossary = self.glossary, glossary
        retriever = self._owner.model.retriever
        if retriever is None:
            return
        spotter = TermSpotter(retriever, view, self._owner.settings.least_score)
        if self.spotter is not None:  # what was heard of terms that stayed is still known
            spotter.continue_from(self.spotter)
            changed = {hit.entry for hit in spotter.hits if glossary.get(hit.entry.source) is None}
            changed |= {hit.entry for hit in spotter.hits if _changed(hit.entry, old, glossary)}
            spotter.forget(frozenset(entry.key for entry in changed))
        self.spotter = spotter

    # ---------------------------------------------------------------- a round

    def hear(self, frames: Tensor, speech: Tensor, samples: Tensor) -> None:
        """Takes a step's encoder frames [T, E], embeddings [N, D] and samples [W]."""
        self.window.add(speech, samples)
        if self.spotter is not None:
            self.spotter.push(frames)

    def wants_turn(self) -> bool:
        """Whether the model is to be asked now.

        Sets `end`, the embeddings that it hears, and `closing`: all up to there is translated.
        """
        self.end = count = len(self.window)
        self.closing, self._words_due = True, None
        if self._final and not self.audio.has_segment:
            if self.spotter is not None:
                self.spotter.finish()
        elif self.window.full(self._step):
            self.end = self.window.quietest()
        elif self._policy is not None:
            action = self._policy.decide(View(-(-count // self._step), 0))
            if isinstance(action, Read):
                return False
            self._words_due, self.closing = action.n, action.n is None
        else:
            self.closing = False
            return count >= self._owner.settings.least
        return self.end > 0

    def ask(self) -> Ask:
        """What the model is asked."""
        return Ask(*self.pair, whole=self._whole, cot=self._owner.settings.cot)

    @property
    def _whole(self) -> bool:
        """Whether all that is heard is translated, said or not."""
        return self.closing or self._words_due is not None

    def known(self) -> Known:
        """Memory and terms for the prompt; the terms are remembered until the turn is read."""
        memory, settings = self.memory, self._owner.settings
        hits = self._candidates()
        terms: list[tuple[str, str]] = []
        told: list[Hit] = []
        room = settings.terms_tokens
        for hit in hits:
            pair = (hit.entry.source, hit.entry.target)
            cost = sum(map(settings.codec.count, pair))
            if cost <= room and len(terms) < settings.terms:
                room -= cost
                terms.append(pair)
                told.append(hit)
        self._told = tuple(told)
        return Known(memory.context, memory.transcript, memory.translation, tuple(terms))

    def _candidates(self) -> list[Hit]:
        """Terms that may be in the window, the likeliest first; then those of earlier turns."""
        if self.spotter is None:
            return [Hit(entry, 1.0, 0, 0) for entry in self.glossary if entry.serves(*self.pair)]
        frames = self._frames(self.window.start)
        found = self.spotter.best(frames, self._owner.settings.terms)
        known = {hit.entry.key for hit in found}
        earlier = (self.glossary.get(source) for source, _ in reversed(self.memory.terms))
        for entry in earlier:  # an edit may have made it a term of other languages
            if entry and entry.serves(*self.pair) and entry.key not in known:
                found.append(Hit(entry, 0.0, 0, 0))
        return found

    def _frames(self, embeddings: int) -> int:
        return embeddings * self.window.stride // self._owner.frame_samples

    def settle(self, tokens: Sequence[int]) -> list[Event]:
        """Reads a turn, says what it says, remembers it, and moves the window."""
        codec = self._owner.settings.codec
        turn = read_turn(codec.pieces(tokens), self.end, whole=self._whole)
        if self._words_due is not None:
            return self._say_words(turn, self._words_due)
        transcript, translation = codec.words(turn)
        events = self._events(turn, transcript, translation)
        if transcript or translation:
            used = tuple((hit.entry.source, hit.entry.target) for hit in self._used(translation))
            before = self.memory.dropped
            self.memory.add(Remembered(transcript, translation, used))
            if before == 0 < self.memory.dropped:
                events.append(Note("memory", {"full": True, "tokens": self.memory.tokens}))
        self.window.drop(turn.cut)
        if turn.cut:
            self.begun = ()
        return events

    def _say_words(self, turn: Turn, most: int) -> list[Event]:
        """Says as many more words of a translation as a policy lets it; the window stays."""
        tokenizer = self._owner.settings.codec.tokenizer
        new = turn.translation[len(self.begun) :]
        words, edges = split_words(tokenizer, new)
        new = new[: edges[min(most, len(words))]]
        events = self._more(new, turn.cut, last=False)
        self.begun += new
        return events

    def _more(self, tokens: Sequence[int], cut: int, *, last: bool) -> list[Event]:
        """A commit of some more tokens of the window's translation.

        last: no more will come. Until then an unfinished character is held back; what is held
        follows from `begun`, so nothing else has to be kept or saved.
        """
        stream = TextStream(self._owner.settings.codec.tokenizer)
        before = stream.push(self.begun)
        added = stream.push(tokens) + (stream.finish() if last else "")
        text = clean(added)
        if not text:
            return []
        return [self._commit(self.stream, text, cut, added[:1] == " " if before else None)]

    def _events(self, turn: Turn, transcript: str, translation: str) -> list[Event]:
        events: list[Event] = []
        if turn.fault is not None:
            events.append(Note("turn_broken", {"fault": turn.fault, "heard_again": not turn.cut}))
        if translation and self._told:
            events.append(Note("terms", {"terms": [self._shown(hit) for hit in self._told]}))
            used = [self._shown(hit) for hit in self._used(translation)]
            if used:
                events.append(Note("terms_used", {"terms": used}))
        if transcript and self._transcript is not None:
            events.append(self._commit(self._transcript, transcript, turn.cut))
        if translation:
            events += self._more(turn.translation[len(self.begun) :], turn.cut, last=True)
            events.append(Boundary(self.stream, "chunk"))
            if ends_sentence(translation):
                events.append(Boundary(self.stream, "sentence"))
            self._span_start_s = self._seconds(self.window.start + turn.cut)
        return events

    def _commit(self, stream: Stream, text: str, cut: int, spaced: bool | None = None) -> Commit:
        """spaced: whether a space goes before; None: where turns of the language have one."""
        if spaced is None:
            spaced = language(stream.language).spaced and stream in self._said
        self._said.add(stream)
        end_s = self._seconds(self.window.start + cut)
        start_s = max(self._span_start_s, self._seconds(self.window.start))
        return Commit(stream, f" {text}" if spaced else text, (min(start_s, end_s), end_s))

    def _seconds(self, embeddings: int) -> float:
        samples = min(embeddings * self.window.stride, self.audio.heard)
        return round(samples / SAMPLE_RATE, 3)

    def _used(self, translation: str) -> list[Hit]:
        """Of the terms that were told, those whose target stands in a translation."""
        return [hit for hit in self._told if stands_in(hit.entry.target, translation, self.pair[1])]

    def _shown(self, hit: Hit) -> dict[str, Any]:
        """A term for a note; times are those of the window in which it was heard."""
        data = {"source": hit.entry.source, "target": hit.entry.target}
        if not hit.end:
            return data
        rate = self._owner.frame_samples / SAMPLE_RATE
        times = {"start_s": round(hit.start * rate, 2), "end_s": round(hit.end * rate, 2)}
        return {**data, "score": round(hit.score, 3), **times}


def stands_in(term: str, text: str, code: str) -> bool:
    """Whether a term is in a text, in any case; as whole words where words have spaces."""
    if not language(code).spaced:
        return term.casefold() in text.casefold()
    return re.search(rf"(?<!\w){re.escape(term.casefold())}(?!\w)", text.casefold()) is not None


def _changed(entry: Entry, old: Glossary, new: Glossary) -> bool:
    return old.get(entry.source) != new.get(entry.source)
