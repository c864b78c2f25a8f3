"""The agent loop: one generation a round says what was heard, what it means, and up to when.

    step      1    2    3    4    5    6    7
    window    |---------|----|              from the last cut-off to now
    turn      ()   ()   "Guten Tag," 2.1 s  ()   ...
                        |    window     |------  begins at the cut-off: the rest is heard again

A round (CLASI, 2407.21646, 2.1): read, retrieve terms, load the memory, generate transcript,
translation and cut-off, remember. A turn with nothing to say is empty and the window grows; when
it is full, or the stream ends, everything up to a quiet place is asked for ("whole"), so that the
agent always moves on. Turns are decoded under their grammar and read strictly
(`earvoice.agent.turns`); a broken one says nothing, and its audio is heard again.

The encoder runs once over the stream, also where it is translated into several languages
(`AgentInterpreter.share`); only its embeddings since the last cut-off are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from earvoice.agent.codec import AgentCodec, Ask
from earvoice.agent.glossary import Glossary
from earvoice.errors import UsageError
from earvoice.events import Event
from earvoice.models.llm import LanguageModel
from earvoice.models.retriever import Retriever
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import PROMPT, Entries, causal
from earvoice.nn.state import State
from earvoice.policies import FixedChunks, WaitK
from earvoice.search.guided import continue_guided
from earvoice.session import Request, Session
from earvoice.sessions.agent_session import AgentSession
from earvoice.sessions.agent_snapshot import restore_session, save_session
from earvoice.sessions.agent_turns import TurnGuide
from earvoice.sessions.fed import own_sessions
from earvoice.sessions.hearing import Hearings, Step
from earvoice.sessions.term_index import TermStores, TermView
from earvoice.text.languages import primary
from earvoice.units import Samples

MOST_TOGETHER = 16
"""Sessions that are asked as one batch; more are done in turn."""


class AgentModel(Protocol):
    """Samples to encoder frames and embeddings, step by step, and a language model."""

    @property
    def lm(self) -> LanguageModel:
        """What writes turns."""
        ...

    @property
    def retriever(self) -> Retriever | None:
        """What listens for terms."""
        ...

    @property
    def step_samples(self) -> Samples:
        """The step of a live stream."""
        ...

    @property
    def embedding_samples(self) -> Samples:
        """Samples of one speech embedding."""
        ...

    @property
    def frame_samples(self) -> Samples:
        """Samples of one encoder frame."""
        ...

    def init_state(self, rows: int, like: Tensor) -> State:
        """Empty streams."""
        ...

    def hear(self, x: Tensor, state: Any, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Samples [B, W] -> encoder frames [B, T, E] and embeddings [B, N, D]."""
        ...


@dataclass(frozen=True)
class AgentSettings:
    """What the loop needs to know besides the model.

    most, least: embeddings in a window, at most and before the model is asked. cot: write the
    words first. memory_tokens, terms_tokens: of the prompt. terms: at most so many in it.
    least_score: probability from which on a retrieved term is told. max_tokens: of one turn.
    """

    pairs: tuple[tuple[str, str], ...]
    codec: AgentCodec
    most: int
    least: int
    cot: bool
    memory_tokens: int
    terms: int
    terms_tokens: int
    least_score: float
    max_tokens: int

    @property
    def cache_entries(self) -> int:
        """Prompt, speech and turn."""
        marks = 16 + 2 * self.terms
        return marks + self.memory_tokens + self.terms_tokens + self.most + self.max_tokens


class AgentInterpreter:
    """A loaded agent. Implements `Interpreter` and `Resumable`.

    A session hears, alone or with others (`share`), a row of encoder state; the language model's
    cache belongs to the interpreter and is filled anew in every round.
    """

    gives_transcript = True
    takes_terms = "live"
    """A glossary may be given, and edited while a session runs."""

    def __init__(self, model: AgentModel, settings: AgentSettings, *, rows: int = 1) -> None:
        self.model, self.settings = model, settings
        self.guide = TurnGuide(settings.codec)
        self.frame_samples = model.frame_samples
        self.segment_samples = model.step_samples
        like = model.lm.embed(torch.zeros(1, 1, dtype=torch.long)).detach()
        with torch.inference_mode():
            self.hearings = Hearings(model.hear, model.init_state(rows, like))
            self._cache: EntryCache = model.lm.init_state(
                min(rows, MOST_TOGETHER), settings.cache_entries
            )
        self._stores = None if model.retriever is None else TermStores(model.retriever)
        self._lock = threading.RLock()

    def open(self, request: Request) -> AgentSession:
        """Begins a stream.

        Raises: UsageError for languages this model does not have, a policy it cannot follow in
        place of its own decision, or a glossary that it cannot search.
        """
        pair = (primary(request.src_lang), primary(request.tgt_lang))
        self._check(request, pair)
        with self._lock, torch.inference_mode():
            listener = self.hearings.open()
        # Embeds the terms of its glossary, which may take a minute: others go on meanwhile.
        return AgentSession(self, request, pair, listener)

    def share(self, sessions: Sequence[Session]) -> None:
        """Encodes once what these sessions hear. Implements `Sharing`."""
        with self._lock:
            self.hearings.share(
                [session.listener for session in own_sessions(self, AgentSession, sessions)]
            )

    def save(self, session: Session) -> bytes:
        """A session to go on with in another process. Implements `Resumable`."""
        if not (isinstance(session, AgentSession) and session.is_of(self)) or session.closed:
            raise UsageError("save: it takes an unfinished session of this interpreter")
        with self._lock, torch.inference_mode():
            return save_session(self, session)

    def restore(self, request: Request, data: bytes) -> AgentSession:
        """The session of `save`."""
        session = self.open(request)
        restore_session(self, session, data)
        return session

    def load_row(self, session: AgentSession, saved: Mapping[str, Tensor]) -> None:
        """Makes the row of encoder state of a new session what a saved one was."""
        with self._lock, torch.inference_mode():
            self.hearings.state.load_row(session.listener.hearing.row, dict(saved))

    def _check(self, request: Request, pair: tuple[str, str]) -> None:
        pairs = self.settings.pairs
        if pair[0] not in {source for source, _ in pairs}:
            known = ", ".join(sorted({repr(source) for source, _ in pairs}))
            raise UsageError(f"src_lang is {request.src_lang!r}; this model has {known}")
        if pair not in pairs:
            known = ", ".join(repr(target) for source, target in pairs if source == pair[0])
            raise UsageError(
                f"tgt_lang is {request.tgt_lang!r}; from {pair[0]!r} this model has {known}"
            )
        if request.policy is not None and not isinstance(request.policy, FixedChunks | WaitK):
            raise UsageError(
                f"policy is {request.policy!r}; this model decides when to write, "
                "or takes fixed-chunks or wait-k"
            )

    def view(
        self, glossary: Glossary, pair: tuple[str, str], old: TermView | None = None
    ) -> TermView | None:
        """What a session searches; None for no terms, or a model that is told all of them.

        old: what it searched before. Raises: UsageError for more terms of these languages than a
        model without a retriever can use.
        """
        if not len(glossary):
            return None
        if self._stores is not None:
            return self._stores.view(glossary, pair, old)
        count = sum(entry.serves(*pair) for entry in glossary)
        if count > self.settings.terms:
            raise UsageError(
                f"glossary: {count} entries for {pair[0]} to {pair[1]}; this model has no "
                f"retriever and takes {self.settings.terms}"
            )
        return None

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One step of each session that has one, as one batch.

        Raises: UsageError for a session of another interpreter, or one given twice.
        """
        events: list[list[Event]] = [[] for _ in sessions]
        own = own_sessions(self, AgentSession, sessions)
        ready = [(place, session) for place, session in enumerate(own) if session.ready]
        with self._lock, torch.inference_mode():
            self._hear([session for _, session in ready if session.audio.has_segment])
            asking = [(place, session) for place, session in ready if session.wants_turn()]
            for first in range(0, len(asking), MOST_TOGETHER):
                group = asking[first : first + MOST_TOGETHER]
                turns = self._turns([session for _, session in group])
                for (place, session), tokens in zip(group, turns, strict=True):
                    events[place] = session.settle(tokens)
        return events

    def _hear(self, sessions: Sequence[AgentSession]) -> None:
        """One step of audio through the encoder."""
        steps = [Step.of(session.listener, session.audio) for session in sessions]
        heard = self.hearings.hear(steps)
        for session, step, (frames, speech) in zip(sessions, steps, heard, strict=True):
            session.hear(frames, speech, torch.from_numpy(step.samples))

    def _turns(self, sessions: Sequence[AgentSession]) -> list[tuple[int, ...]]:
        """What the model says to each session's window."""
        if self._cache.rows < len(sessions):
            self._cache.resize(len(sessions))
        rows = list(range(len(sessions)))
        self._cache.reset(rows)
        asks = [session.ask() for session in sessions]
        hidden = [
            self._prefill(session, ask, row)
            for row, (session, ask) in enumerate(zip(sessions, asks, strict=True))
        ]

        def legal(item: int, tokens: Sequence[int]) -> Tensor | None:
            session, most = sessions[item], self.settings.max_tokens
            return self.guide.legal(tokens, session.end, asks[item], most, session.begun)

        return continue_guided(self.model.lm, self._cache, rows, hidden, legal)

    def _prefill(self, session: AgentSession, ask: Ask, row: int) -> Tensor:
        """Prompt and speech into a row; hidden state [D] of the last entry."""
        prompt = self.settings.codec.prompt(session.known(), ask)
        lm = self.model.lm
        x = torch.cat(
            [
                lm.embed(torch.tensor(prompt.before)),
                session.window.speech(session.end),
                lm.embed(torch.tensor(prompt.after)),
            ]
        )[None]
        place = torch.arange(x.shape[1])[None]
        entries = Entries(place, place, torch.full_like(place, PROMPT), torch.zeros_like(place))
        return lm(x, entries, self._cache, [row], causal)[0, -1]
