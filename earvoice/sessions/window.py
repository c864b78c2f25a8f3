"""The window loop: an offline model used live, by translating a bounded window again and again.

    segment    1     2     3     4     5            hold-n, n = 1; window of at most 5
    encoded    1     1-2   1-3   1-4   1-5          from the window's start, every time
    draft      Ich   Ich   Ich   Ich   Ich habe     begins with what is written
                     habe  habe  habe  ein Haus.
                           ein   ein
    written          Ich   habe        ein Haus.    at a window's end everything

Nothing is kept between steps but the window's audio and the tokens written in it, which begin
every further draft. A window ends with the source, in a pause, or when it is full; the last words
written before it can be told to the model (`context_words`). Hours cost what minutes cost.

Works for every model that maps a stretch of audio to language-model embeddings; the baselines of
FASST (2408.09430 section 4.4) and the live use of LST and LLaST.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from earvoice.audio.pauses import EnergyPauses, PauseFinder
from earvoice.errors import UsageError
from earvoice.events import Event
from earvoice.models.llm import Attentive, LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import PROMPT, SPEECH, Entries, causal
from earvoice.policies import Policy
from earvoice.search.beam import BeamSettings, beam_search
from earvoice.search.greedy import continue_greedily
from earvoice.session import Request, Session
from earvoice.sessions.attended import AlignAttConfig, attended_frames, completed
from earvoice.sessions.encoded import Encoded, encode_once
from earvoice.sessions.fed import own_sessions, refuse_knowledge
from earvoice.sessions.window_session import Found, WindowSession
from earvoice.sessions.window_snapshot import restore_session, save_session
from earvoice.text.languages import primary
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import Samples

MOST_TOGETHER = 16
"""Sessions that are searched as one batch; more are done in turn."""


class WindowModel(Protocol):
    """Audio and prompt to embeddings of a language model."""

    @property
    def lm(self) -> LanguageModel:
        """What continues them."""
        ...

    def encode(self, audio: Sequence[Tensor]) -> list[Tensor]:
        """Samples [W] each -> speech embeddings [N, D] each, no one seeing another."""
        ...

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens of prompt and text [T] -> [T, D]."""
        ...


@dataclass(frozen=True)
class WindowSettings:
    """What the loop needs to know besides the model.

    pairs: source and target languages. prompt: token ids around the speech for source, target
    and the words written before. window: segments at most; pause_after: segments from which on a
    pause ends it, and pauses makes what finds one in a stream. context_words: told of earlier
    windows. entries: prompt and speech of a whole window; text_tokens: text of one, and max_tokens
    of it per segment heard. align_att: what AlignAtt looks at. Where a policy limits the words of a
    step, they are found greedily; everything else with `search`.
    """

    pairs: tuple[tuple[str, str], ...]
    policy: Policy
    prompt: Callable[[str, str, str], Prompt]
    segment_samples: Samples
    window: int
    pause_after: int
    entries: int
    text_tokens: int
    search: BeamSettings
    max_tokens: int = 24
    context_words: int = 0
    align_att: AlignAttConfig = field(default_factory=AlignAttConfig)
    pauses: Callable[[], PauseFinder] = EnergyPauses


class WindowInterpreter:
    """A loaded offline model. Implements `Interpreter`.

    Sessions hold audio and text only; the cache belongs to the interpreter, is filled anew in
    every step, and has as many rows as the largest batch so far needed.
    """

    def __init__(
        self, model: WindowModel, tokenizer: Tokenizer, settings: WindowSettings, *, rows: int = 1
    ) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        control = [i for i in range(tokenizer.vocab_size) if tokenizer.is_special(i)]
        self.segment_samples = settings.segment_samples
        self._banned = tuple(i for i in control if i != tokenizer.eos_id)
        with torch.inference_mode():
            rows = min(rows, MOST_TOGETHER) * settings.search.beams
            self._cache: EntryCache = model.lm.init_state(
                rows, settings.entries + settings.text_tokens
            )
        self._lock = threading.Lock()

    @property
    def takes_terms(self) -> str:
        """`start` where its prompt has room for a glossary, else `none`."""
        return "start" if self.settings.context_words else "none"

    def open(self, request: Request) -> WindowSession:
        """Begins a stream. Raises: UsageError for languages this model does not have."""
        pairs = self.settings.pairs
        source, target = primary(request.src_lang), primary(request.tgt_lang)
        if source not in {pair[0] for pair in pairs}:
            known = ", ".join(sorted({repr(pair[0]) for pair in pairs}))
            raise UsageError(f"src_lang is {request.src_lang!r}; this model has {known}")
        if (source, target) not in pairs:
            known = ", ".join(repr(to) for of, to in pairs if of == source)
            raise UsageError(
                f"tgt_lang is {request.tgt_lang!r}; from {source!r} this model has {known}"
            )
        if not self.settings.context_words:
            refuse_knowledge(request, "glossary", "context")
        return WindowSession(self, request)

    def save(self, session: Session) -> bytes:
        """A session to go on with in another process. Implements `Resumable`."""
        if not (isinstance(session, WindowSession) and session.is_of(self)) or session.closed:
            raise UsageError("save: it takes an unfinished session of this interpreter")
        with self._lock:
            return save_session(session)

    def restore(self, request: Request, data: bytes) -> WindowSession:
        """The session of `save`."""
        session = self.open(request)
        restore_session(session, data)
        return session

    def share(self, sessions: Sequence[Session]) -> None:
        """Encodes once what these sessions hear. Implements `Sharing`."""
        with self._lock:
            own = own_sessions(self, WindowSession, sessions)
            common = next((one.encoded for one in own if one.encoded is not None), Encoded())
            for session in own:
                session.encoded = common

    def completed(self, policy: Policy) -> Policy:
        """A policy with what it leaves to the model. Raises: UsageError if the model cannot."""
        return completed(policy, self.settings.align_att, self.model.lm)

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One segment of each session that has one, as one batch.

        Raises: UsageError for a session of another interpreter, or one given twice.
        """
        events: list[list[Event]] = [[] for _ in sessions]
        own = own_sessions(self, WindowSession, sessions)
        ready = [(place, session) for place, session in enumerate(own) if session.ready]
        with self._lock, torch.inference_mode():
            asking = [(place, session) for place, session in ready if session.hear()]
            for first in range(0, len(asking), MOST_TOGETHER):
                group = asking[first : first + MOST_TOGETHER]
                found = self._continuations([session for _, session in group])
                for (place, session), new in zip(group, found, strict=True):
                    events[place] = session.settle(new)
            for _, session in ready:
                session.begin_next_window()
        return events

    def _continuations(self, sessions: list[WindowSession]) -> list[Found]:
        """What the model adds to the text of each session, as far as its policy may need it."""
        width = self.settings.search.beams
        rows = len(sessions) * width
        if self._cache.rows < rows:
            self._cache.resize(rows)
        self._cache.reset(range(rows))
        speech = encode_once(
            self.model.encode,
            [session.samples for session in sessions],
            [session.encoded for session in sessions],
        )
        opened = [
            self._prefill(session, speech[item], item * width)
            for item, session in enumerate(sessions)
        ]
        limits = [session.words_allowed() for session in sessions]
        budgets = [self._budget(session) for session in sessions]
        found: list[tuple[int, ...]] = [()] * len(sessions)
        limited = [item for item, words in enumerate(limits) if words is not None or width == 1]
        free = [item for item in range(len(sessions)) if item not in limited]
        if limited:
            texts = continue_greedily(
                self.model.lm,
                self._cache,
                self.tokenizer,
                [item * width for item in limited],
                [opened[item].hidden for item in limited],
                [(opened[item].length, 0) for item in limited],
                [(limits[item], budgets[item]) for item in limited],
            )
            for item, text in zip(limited, texts, strict=True):
                found[item] = text.tokens
        if free:
            bests = beam_search(
                self.model.lm,
                self._cache,
                [range(item * width, (item + 1) * width) for item in free],
                [opened[item].hidden for item in free],
                [(opened[item].length, 0) for item in free],
                [budgets[item] for item in free],
                self.tokenizer.eos_id,
                self.settings.search,
                self._banned,
            )
            for item, best in zip(free, bests, strict=True):
                found[item] = best[0].tokens if best else ()
        return [
            self._found(session, tokens, opened[item], item * width)
            for item, (session, tokens) in enumerate(zip(sessions, found, strict=True))
        ]

    def _prefill(self, session: WindowSession, speech: Tensor, row: int) -> _Opened:
        """Prompt, speech and the text so far into a row."""
        prompt = self.settings.prompt(*session.languages, " ".join(session.context))
        before, after = prompt.before, [*prompt.after, *session.tokens]
        x = torch.cat(
            [
                self.model.embed(torch.tensor(before)),
                speech,
                self.model.embed(torch.tensor(after)),
            ]
        )[None]
        place = torch.arange(x.shape[1])[None]
        kind = torch.full_like(place, PROMPT)
        kind[:, len(before) : len(before) + len(speech)] = SPEECH
        entries = Entries(place, place, kind, torch.zeros_like(place))
        hidden = self.model.lm(x, entries, self._cache, [row], causal)[0, -1]
        return _Opened(hidden, x[0, -1], x.shape[1], len(speech))

    def _found(
        self, session: WindowSession, tokens: tuple[int, ...], opened: _Opened, row: int
    ) -> Found:
        """A continuation, with what it attends to where the session's policy asks for it."""
        policy, lm = session.attends, self.model.lm
        if policy is None or policy.layer is None or not isinstance(lm, Attentive):
            return Found(tokens)
        if not tokens:
            return Found((), (), opened.frames)
        self._cache.length[row] = opened.length - 1
        inputs = torch.cat([opened.last[None], self.model.embed(torch.tensor(tokens))])[:-1]
        heads = self.settings.align_att.heads
        frames = attended_frames(lm, self._cache, row, inputs, policy.layer, heads)
        return Found(tokens, frames, opened.frames)

    def _budget(self, session: WindowSession) -> int:
        """Tokens that a continuation may have.

        What is written in a window is bounded as a whole, so that there is always room for the
        speech that is still to come.
        """
        settings = self.settings
        most = min(settings.max_tokens * session.window.segments, settings.text_tokens)
        return max(0, most - len(session.tokens))


@dataclass(frozen=True)
class _Opened:
    """A row whose prompt, speech and text are in the cache.

    hidden, last [D]: hidden state and embedding of the last entry; length: entries; frames: how
    many of them are speech.
    """

    hidden: Tensor
    last: Tensor
    length: int
    frames: int
