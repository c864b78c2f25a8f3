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
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Draft, Event, Finished, Stream
from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import PROMPT, Entries, causal
from earvoice.policies import Policy, Read, View, drafts_after
from earvoice.search.beam import BeamSettings, beam_search
from earvoice.search.greedy import continue_greedily
from earvoice.session import Request, Session
from earvoice.sessions.audio_window import AudioWindow
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.sessions.fed import FedSession
from earvoice.sessions.words import split_words
from earvoice.text.prompt import Prompt
from earvoice.text.stream import TextStream
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE, Samples

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
    pause ends it. max_tokens: written at most per segment. context_words: told of earlier windows.
    cache_entries: prompt, speech and text of a whole window. Where a policy limits the words of a
    step, they are found greedily; everything else with `search`.
    """

    pairs: tuple[tuple[str, str], ...]
    policy: Policy
    prompt: Callable[[str, str, str], Prompt]
    segment_samples: Samples
    window: int
    pause_after: int
    cache_entries: int
    search: BeamSettings
    max_tokens: int = 24
    context_words: int = 0


class WindowSession(FedSession):
    """One listener's stream over an offline model. Implements `Session`."""

    def __init__(self, owner: WindowInterpreter, request: Request) -> None:
        settings = owner.settings
        self._owner = owner
        self.policy: Policy = request.policy or settings.policy
        self.languages = (request.src_lang.split("-")[0], request.tgt_lang.split("-")[0])
        self.stream = Stream("translation", self.languages[1])
        self.text = TextStream(owner.tokenizer)
        self.audio = SegmentBuffer(settings.segment_samples)
        self.window = AudioWindow(settings.segment_samples, settings.window, settings.pause_after)
        self.tokens: list[int] = []
        self.end: Samples | None = None
        self.context: tuple[str, ...] = ()
        self._words = 0
        self._previous: tuple[tuple[str, ...], ...] = ()
        self._drafted = ""
        self._begun = False
        self._span_start_s = 0.0
        self._final = False
        self._done = False

    @property
    def ready(self) -> bool:
        """Whether a step has something to do."""
        return self.audio.has_segment or (self._final and not self._done)

    def _advance(self) -> list[Event]:
        return self._owner.advance([self])[0]

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        segments = self.audio.finish()
        if not segments and self.window.size:
            segments = 1  # what a cut left over is still to be translated
        events: list[Event] = []
        for index in range(segments):
            self._final = index == segments - 1
            events += self._advance()
        events += self._commit(self.text.finish(), 0)
        self._done = True
        return [*events, Finished()]

    def is_of(self, owner: WindowInterpreter) -> bool:
        """Whether an interpreter opened this session."""
        return self._owner is owner

    def hear(self) -> bool:
        """Takes the next segment. Returns whether the model is to be asked now."""
        if self.audio.has_segment:
            self.window.add(self.audio.take())
        if self._final:
            self.window.end_at(self.audio.heard)
        self.end = self.window.size if self._final else self.window.cut()
        if not self.window.size:
            return False
        return self.closing or self.policy.needs_draft or self.words_allowed() != 0

    @property
    def closing(self) -> bool:
        """Whether the window ends with this step."""
        return self.end is not None

    @property
    def samples(self) -> Tensor:
        """What the model hears in this step. Shapes: [W]."""
        return torch.from_numpy(
            self.window.samples(self.window.size if self.end is None else self.end)
        )

    def words_allowed(self) -> int | None:
        """Words that may be written before the model is asked; None: as many as it has."""
        if self.closing or self.policy.needs_draft:
            return None
        action = self.policy.decide(self._view(None))
        return 0 if isinstance(action, Read) else action.n

    def settle(self, found: Sequence[int]) -> list[Event]:
        """Writes what the policy allows of a continuation; at a window's end all of it."""
        tokens = list(found)
        words, edges = split_words(self._owner.tokenizer, tokens)
        kept, count = len(tokens), len(words)
        if self.policy.needs_draft and not self.closing:
            action = self.policy.decide(self._view(words))
            count = 0
            if not isinstance(action, Read):
                count = len(words) if action.n is None else min(action.n, len(words))
            kept = edges[count] if count else 0
            self._previous = drafts_after(words, self._previous, count)
        events = self._commit(self.text.push(tokens[:kept]), count)
        self.tokens += tokens[:kept]
        if events and events[-1].text.rstrip().endswith((".", "?", "!")):  # type: ignore[union-attr]
            events.append(Boundary(self.stream, "sentence"))
        if self.policy.needs_draft:
            events += self._draft(tokens[kept:])
        return events

    def begin_next_window(self) -> None:
        """After a window's end: what follows the cut is the beginning of another."""
        if self.end is None:
            return
        most = self._owner.settings.context_words
        written = self._owner.tokenizer.decode(self.tokens).split()
        self.context = (*self.context, *written)[-most:] if most else ()
        self.window.drop(self.end)
        self.tokens, self._words, self._previous, self.end = [], 0, (), None

    def _view(self, candidate: tuple[str, ...] | None) -> View:
        segments = self.window.segments
        return View(segments, self._words, self.closing, candidate, self._previous)

    def _commit(self, text: str, words: int) -> list[Event]:
        self._words += words
        if not text:
            return []
        self._drafted, self._begun = "", True
        end = self.window.start + (self.window.size if self.end is None else self.end)
        end_s = round(min(end, self.audio.heard) / SAMPLE_RATE, 3)
        start_s = max(self._span_start_s, round(self.window.start / SAMPLE_RATE, 3))
        self._span_start_s = start_s
        return [Commit(self.stream, text, (start_s, end_s))]

    def _draft(self, tokens: list[int]) -> list[Event]:
        """A new draft, when it differs from the last."""
        tokenizer = self._owner.tokenizer
        text = tokenizer.decode(tokens)
        if self._begun and tokens and tokenizer.is_word_start(tokens[0]):
            text = f" {text}"
        if text == self._drafted:
            return []
        self._drafted = text
        return [Draft(self.stream, text)]


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
        self._banned = tuple(i for i in control if i != tokenizer.eos_id)
        with torch.inference_mode():
            rows = min(rows, MOST_TOGETHER) * settings.search.beams
            self._cache: EntryCache = model.lm.init_state(rows, settings.cache_entries)
        self._lock = threading.Lock()

    def open(self, request: Request) -> WindowSession:
        """Begins a stream. Raises: UsageError for languages this model does not have."""
        pairs = self.settings.pairs
        source, target = request.src_lang.split("-")[0], request.tgt_lang.split("-")[0]
        if source not in {pair[0] for pair in pairs}:
            known = ", ".join(sorted({repr(pair[0]) for pair in pairs}))
            raise UsageError(f"src_lang is {request.src_lang!r}; this model has {known}")
        if (source, target) not in pairs:
            known = ", ".join(repr(to) for of, to in pairs if of == source)
            raise UsageError(
                f"tgt_lang is {request.tgt_lang!r}; from {source!r} this model has {known}"
            )
        return WindowSession(self, request)

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One segment of each session that has one, as one batch.

        Raises: UsageError for a session of another interpreter, or one given twice.
        """
        events: list[list[Event]] = [[] for _ in sessions]
        own = [s for s in sessions if isinstance(s, WindowSession) and s.is_of(self)]
        if len(own) != len(sessions):
            raise UsageError("advance: a session of another interpreter was given")
        if len({id(session) for session in own}) != len(own):
            raise UsageError("advance: a session was given twice")
        ready = [(place, session) for place, session in enumerate(own) if session.ready]
        with self._lock, torch.inference_mode():
            asking = [(place, session) for place, session in ready if session.hear()]
            for first in range(0, len(asking), MOST_TOGETHER):
                group = asking[first : first + MOST_TOGETHER]
                found = self._continuations([session for _, session in group])
                for (place, session), tokens in zip(group, found, strict=True):
                    events[place] = session.settle(tokens)
            for _, session in ready:
                session.begin_next_window()
        return events

    def _continuations(self, sessions: list[WindowSession]) -> list[tuple[int, ...]]:
        """What the model adds to the text of each session, as far as its policy may need it."""
        width = self.settings.search.beams
        rows = len(sessions) * width
        if self._cache.rows < rows:
            self._cache.resize(rows)
        self._cache.reset(range(rows))
        speech = self.model.encode([session.samples for session in sessions])
        hidden = [
            self._prefill(session, speech[item], item * width)
            for item, session in enumerate(sessions)
        ]
        limits = [session.words_allowed() for session in sessions]
        found: list[tuple[int, ...]] = [()] * len(sessions)
        limited = [item for item, words in enumerate(limits) if words is not None or width == 1]
        free = [item for item in range(len(sessions)) if item not in limited]
        if limited:
            texts = continue_greedily(
                self.model.lm,
                self._cache,
                self.tokenizer,
                [item * width for item in limited],
                [hidden[item] for item in limited],
                [(self._length(item), 0) for item in limited],
                [(limits[item], self._budget(sessions[item], item)) for item in limited],
            )
            for item, text in zip(limited, texts, strict=True):
                found[item] = text.tokens
        if free:
            bests = beam_search(
                self.model.lm,
                self._cache,
                [range(item * width, (item + 1) * width) for item in free],
                [hidden[item] for item in free],
                [(self._length(item), 0) for item in free],
                [self._budget(sessions[item], item) for item in free],
                self.tokenizer.eos_id,
                self.settings.search,
                self._banned,
            )
            for item, best in zip(free, bests, strict=True):
                found[item] = best[0].tokens if best else ()
        return found

    def _prefill(self, session: WindowSession, speech: Tensor, row: int) -> Tensor:
        """Prompt, speech and the text so far into a row; hidden state [D] of the last entry."""
        prompt = self.settings.prompt(*session.languages, " ".join(session.context))
        x = torch.cat(
            [
                self.model.embed(torch.tensor(prompt.before)),
                speech,
                self.model.embed(torch.tensor([*prompt.after, *session.tokens])),
            ]
        )[None]
        place = torch.arange(x.shape[1])[None]
        entries = Entries(place, place, torch.full_like(place, PROMPT), torch.zeros_like(place))
        return self.model.lm(x, entries, self._cache, [row], causal)[0, -1]

    def _length(self, item: int) -> int:
        return int(self._cache.length[item * self.settings.search.beams])

    def _budget(self, session: WindowSession, item: int) -> int:
        """Tokens that a continuation may have."""
        most = self.settings.max_tokens * session.window.segments
        return max(0, min(most, self._cache.capacity - self._length(item)))
