"""The append loop: speech is appended to the language model's cache, segment by segment.

    segment   1     2     3              4              5
    speech    E1    E2    E3             E4             E5
    text                  <sp_end> T1    t T2           t T3        t: last token, fed again

Nothing is recomputed: the encoder keeps its blocks, the language model its entries. After every
segment the last committed token is fed again, because it is the row that predicts the next word
and has to see the new speech (FASST, 2408.09430 section 3.4; its Algorithm is this loop).

When `window` segments stand in the cache, the oldest are dropped down to `keep`, prompt pinned,
and what is left is renumbered as if the stream had begun there: hours cost what minutes cost.
"""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from earvoice.audio import Audio, Resampler
from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Draft, Event, Finished, Stream
from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import PROMPT, SPEECH, TEXT, Entries, consistency
from earvoice.nn.state import State
from earvoice.policies import Policy, Read, View, WaitK
from earvoice.search.greedy import Continuation, continue_greedily
from earvoice.session import Request, Session
from earvoice.sessions.pool import RowPool
from earvoice.text.prompt import Prompt
from earvoice.text.stream import TextStream
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE


class SpeechModel(Protocol):
    """Samples to language-model embeddings, one segment at a time."""

    segment_samples: int

    def init_state(self, rows: int, like: Tensor) -> State: ...
    def __call__(
        self, x: Tensor, state: Any = None, rows: Sequence[int] | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class AppendSettings:
    """What the loop needs to know besides the model.

    prompt: token ids around the speech for a wait k. holds: the model was trained to say
    "nothing more yet", so at the end k - 1 silent segments are appended for what it still owes.
    max_tokens: cap on tokens of one consultation, and per segment at the end.
    """

    src_lang: str
    tgt_lang: str
    policy: Policy
    prompt: Callable[[int], Prompt]
    window: int
    keep: int
    cache_entries: int
    holds: bool
    max_tokens: int = 48


@dataclass
class Progress:
    """A session's place in its stream; all counters, no tensors.

    segments: read so far. words: committed. speech, text: how many entries of each kind the
    numbering has given out since the prompt. last: the committed token to feed again (its step in
    `last_step`), None before the first consultation. final: the source has ended.
    """

    segments: int = 0
    words: int = 0
    speech: int = 0
    text: int = 0
    last: int | None = None
    last_step: int = 0
    final: bool = False
    drafted: str = ""
    prompt: Prompt = field(default_factory=lambda: Prompt((), ()))


class AppendSession:
    """One listener's stream over an append-only model. Implements `Session`."""

    def __init__(self, owner: AppendInterpreter, request: Request, row: int) -> None:
        self._owner = owner
        self.row = row
        self.policy: Policy = request.policy or owner.settings.policy
        self.stream = Stream("translation", owner.settings.tgt_lang)
        self.text = TextStream(owner.tokenizer)
        self.progress = Progress(prompt=owner.settings.prompt(wait_of(self.policy)))
        self._resampler = Resampler()
        self._waiting: list[np.ndarray] = []
        self._waiting_samples = 0
        self.heard_samples = 0
        self._done = False

    @property
    def lag_s(self) -> float:
        """Seconds of audio received but not yet processed."""
        return self._waiting_samples / SAMPLE_RATE

    def feed(self, audio: Audio) -> None:
        """Buffers audio of any rate and channel count."""
        if self._done:
            raise UsageError("the session is finished; open a new one for more audio")
        self._buffer(self._resampler.push(audio))

    def push(self, audio: Audio) -> list[Event]:
        """Buffers, then advances while a whole segment waits."""
        self.feed(audio)
        events: list[Event] = []
        while self.has_segment:
            events += self._owner.advance([self])[0]
        return events

    def update(self, **changes: Any) -> list[Event]:
        """Changes the policy from here on; other changes need another stream.

        Raises: UsageError naming what can change.
        """
        if self._done:
            raise UsageError("the session is finished; nothing can change any more")
        unknown = sorted(changes.keys() - {"policy"})
        if unknown:
            raise UsageError(f"update: {unknown[0]!r} cannot change here; 'policy' can")
        policy = changes["policy"]
        if not callable(getattr(policy, "decide", None)):
            raise UsageError(f"update: policy is {policy!r}, it must have a method decide(view)")
        self.policy = policy
        return []

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        self._buffer(self._resampler.flush())
        events: list[Event] = []
        if self.heard_samples:
            for last in self._tail():
                self.progress.final = last
                events += self._owner.advance([self])[0]
        events += self._commit(self.text.finish())
        self._done = True
        self._owner.release(self.row)
        return [*events, Finished()]

    @property
    def has_segment(self) -> bool:
        """Whether a whole segment waits."""
        return self._waiting_samples >= self._owner.segment_samples

    def take_segment(self) -> np.ndarray:
        """The next whole segment of samples, exactly."""
        size = self._owner.segment_samples
        joined = np.concatenate(self._waiting)
        self._waiting = [joined[size:]]
        self._waiting_samples -= size
        return joined[:size]

    def view(self, candidate: tuple[str, ...] | None = None) -> View:
        """What the policy sees."""
        progress = self.progress
        return View(progress.segments, progress.words, progress.final, candidate)

    def write(self, tokens: Sequence[int], words: int) -> list[Event]:
        """Commits tokens; returns the events."""
        self.progress.words += words
        events = self._commit(self.text.push(tokens))
        if events and events[-1].text.rstrip().endswith((".", "?", "!")):  # type: ignore[union-attr]
            events.append(Boundary(self.stream, "sentence"))
        return events

    def draft(self, text: str) -> list[Event]:
        """A new draft, when it differs from the last."""
        if text == self.progress.drafted:
            return []
        self.progress.drafted = text
        return [Draft(self.stream, text)]

    def _commit(self, text: str) -> list[Event]:
        if not text:
            return []
        size_s = self._owner.segment_samples / SAMPLE_RATE
        heard_s = self.heard_samples / SAMPLE_RATE
        end_s = min(self.progress.segments * size_s, heard_s)
        start_s = max(0.0, end_s - size_s * min(wait_of(self.policy), self.progress.segments))
        return [Commit(self.stream, text, (round(start_s, 3), round(end_s, 3)))]

    def _buffer(self, samples: np.ndarray) -> None:
        if samples.size:
            self._waiting.append(samples)
            self._waiting_samples += samples.size
            self.heard_samples += samples.size

    def _tail(self) -> list[bool]:
        """Pads what waits to whole segments and adds the silence a holding model needs to finish.

        Returns: per segment to come, whether it is the last.
        """
        size = self._owner.segment_samples
        settings = self._owner.settings
        wait = wait_of(self.policy)
        silent = wait - 1 if settings.holds and wait < settings.window else 0
        total = math.ceil(self._waiting_samples / size) + silent
        if total == 0:
            total = 1  # the consultation of the end needs a segment to stand on
        padding = total * size - self._waiting_samples
        if padding:
            self._waiting.append(np.zeros(padding, dtype=np.float32))
            self._waiting_samples += padding
        return [index == total - 1 for index in range(total)]


def wait_of(policy: Policy) -> int:
    """The k of a wait-k policy; others consult after every segment."""
    return policy.k if isinstance(policy, WaitK) else 1


class AppendInterpreter:
    """A loaded append-only model. Implements `Interpreter`.

    Weights are shared by all sessions; each leases a row of state. `advance` batches the matrix
    products of all sessions that are ready.
    """

    def __init__(
        self,
        speech: SpeechModel,
        lm: LanguageModel,
        tokenizer: Tokenizer,
        settings: AppendSettings,
        *,
        rows: int = 1,
    ) -> None:
        self.speech, self.lm, self.tokenizer, self.settings = speech, lm, tokenizer, settings
        self.segment_samples = speech.segment_samples
        like = lm.embed(torch.zeros(1, 1, dtype=torch.long)).detach()
        with torch.inference_mode():
            self.speech_state = speech.init_state(rows, like)
            self.cache: EntryCache = lm.init_state(rows, settings.cache_entries)
        self._pool = RowPool(self.speech_state, self.cache)
        self._lock = threading.Lock()

    def open(self, request: Request) -> AppendSession:
        """Begins a stream. Raises: UsageError for languages this model does not have."""
        settings = self.settings
        for name, has in (("src_lang", settings.src_lang), ("tgt_lang", settings.tgt_lang)):
            asked = getattr(request, name)
            if asked.split("-")[0] != has:
                raise UsageError(f"{name} is {asked!r}; this model has {has!r}")
        with self._lock, torch.inference_mode():
            row = self._pool.lease()
        session = AppendSession(self, request, row)
        weakref.finalize(session, self._pool.release, row)
        return session

    def release(self, row: int) -> None:
        """Takes a finished session's row back."""
        self._pool.release(row)

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One segment of each session that has one, as one batch."""
        events: list[list[Event]] = [[] for _ in sessions]
        ready = [
            (index, session)
            for index, session in enumerate(sessions)
            if isinstance(session, AppendSession) and session.has_segment
        ]
        with self._lock, torch.inference_mode():
            groups = defaultdict(list)
            for index, session in sorted(ready, key=lambda item: item[1].row):
                groups[self.speech_state.phase(session.row)].append((index, session))
            for group in groups.values():
                for (index, _), new in zip(
                    group, self._step([session for _, session in group]), strict=True
                ):
                    events[index] = new
        return events

    def _step(self, sessions: list[AppendSession]) -> list[list[Event]]:
        """One segment: encode, slide, append, consult the policies, write."""
        samples = torch.from_numpy(np.stack([session.take_segment() for session in sessions]))
        rows = [session.row for session in sessions]
        speech = self.speech(samples, self.speech_state, rows)
        for session in sessions:
            self._slide(session)
            session.progress.segments += 1
        asks = [self._asks(session) for session in sessions]
        hidden = self._append(sessions, speech, asks)
        writers = [item for item, ask in enumerate(asks) if ask]
        events: list[list[Event]] = [[] for _ in sessions]
        if writers:
            budgets = [self._budget(sessions[item]) for item in writers]
            found = continue_greedily(
                self.lm,
                self.cache,
                self.tokenizer,
                [rows[item] for item in writers],
                [hidden[item] for item in writers],
                [self._next_entry(sessions[item]) for item in writers],
                budgets,
            )
            for item, continuation in zip(writers, found, strict=True):
                events[item] = self._write(sessions[item], continuation)
        return events

    def _asks(self, session: AppendSession) -> bool:
        """Whether the policy may write after this segment."""
        progress = session.progress
        if session.policy.needs_draft or progress.final:
            return True
        if progress.segments % self.settings.window == 0 and self._waits_for_all(session):
            return True
        return not isinstance(session.policy.decide(session.view()), Read)

    def _waits_for_all(self, session: AppendSession) -> bool:
        return wait_of(session.policy) > self.settings.window

    def _budget(self, session: AppendSession) -> tuple[int | None, int]:
        """Words (None: all) and tokens that a consultation may write."""
        settings = self.settings
        everything = session.progress.final or self._waits_for_all(session)
        if everything or session.policy.needs_draft:
            return None, settings.max_tokens * min(settings.window, session.progress.segments)
        action = session.policy.decide(session.view())
        return (None if isinstance(action, Read) else action.n), settings.max_tokens

    def _append(
        self, sessions: list[AppendSession], speech: Tensor, asks: list[bool]
    ) -> list[Tensor]:
        """Appends prompt, speech and the token to feed again; hidden state of each last row.

        Sessions with equally many new entries go through the model together.
        """
        feeds = [self._feed(session, ask) for session, ask in zip(sessions, asks, strict=True)]
        groups = defaultdict(list)
        for item, (before, after) in enumerate(feeds):
            groups[(len(before), len(after))].append(item)
        hidden: list[Tensor] = [speech[0, 0]] * len(sessions)
        for (before_count, after_count), items in groups.items():
            members = [sessions[item] for item in items]
            x = speech[items]
            if before_count or after_count:
                ids = torch.tensor([[*feeds[item][0], *feeds[item][1]] for item in items])
                text = self.lm.embed(ids)
                x = torch.cat([text[:, :before_count], x, text[:, before_count:]], dim=1)
            starts = [int(self.cache.length[session.row]) for session in members]
            entries = self._entries(members, before_count, speech.shape[1], after_count)
            y = self.lm(x, entries, self.cache, [session.row for session in members], consistency)
            for place, item in enumerate(items):
                hidden[item] = y[place, -1]
                progress = sessions[item].progress
                if after_count and progress.text == len(progress.prompt.after):
                    first = starts[place] + before_count + speech.shape[1]
                    self.cache.pin(sessions[item].row, first)  # the text prefix, or its end
        return hidden

    def _feed(
        self, session: AppendSession, ask: bool
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids before and after the speech of this segment."""
        progress = session.progress
        before = progress.prompt.before if progress.segments == 1 else ()
        if not ask:
            return before, ()
        if progress.last is None:
            progress.last, progress.last_step = progress.prompt.after[-1], progress.segments
            progress.text = len(progress.prompt.after)
            return before, progress.prompt.after
        return before, (progress.last,)

    def _entries(
        self, sessions: list[AppendSession], before: int, speech: int, after: int
    ) -> Entries:
        """What the new rows are. Text continues its own numbering, speech its own."""
        kind = torch.tensor([PROMPT] * before + [SPEECH] * speech + [TEXT] * after)
        position, segment = [], []
        for session in sessions:
            progress = session.progress
            base = len(progress.prompt.before)
            first_text = base + progress.text - after
            position.append(
                [
                    *range(before),
                    *range(base + progress.speech, base + progress.speech + speech),
                    *range(first_text, first_text + after),
                ]
            )
            segment.append([0] * before + [progress.segments] * (speech + after))
            progress.speech += speech
        positions = torch.tensor(position)
        return Entries(positions, positions, kind.expand(len(sessions), -1), torch.tensor(segment))

    def _next_entry(self, session: AppendSession) -> tuple[int, int]:
        """Position and segment of the next text entry."""
        progress = session.progress
        return len(progress.prompt.before) + progress.text, progress.segments

    def _write(self, session: AppendSession, found: Continuation) -> list[Event]:
        """Commits what the policy allows of a continuation and forgets the rest of the cache."""
        progress = session.progress
        tokens, events = list(found.tokens), []
        kept, words = len(tokens), found.words
        if session.policy.needs_draft and not progress.final:
            kept, words = self._allowed(session, tokens)
        committed = tokens[:kept]
        if committed:
            progress.last, progress.last_step = committed[-1], progress.segments
            progress.text += kept
            events += session.write(committed, words)
        if session.policy.needs_draft:
            events += session.draft(self._text_after(session, tokens[kept:]))
        # The last committed token is forgotten too: it is fed again after the next segment.
        self.cache.pop(session.row, len(tokens) - kept + 1)
        if self._waits_for_all(session) and not progress.final:
            self._restart(session)
        return events

    def _allowed(self, session: AppendSession, tokens: list[int]) -> tuple[int, int]:
        """How many tokens and words of a draft the policy commits."""
        starts = [i for i, token in enumerate(tokens) if self.tokenizer.is_word_start(token)]
        pieces = itertools.pairwise([*starts, len(tokens)])
        words = tuple(self.tokenizer.decode(tokens[a:b]) for a, b in pieces)
        action = session.policy.decide(session.view(words))
        if isinstance(action, Read):
            return 0, 0
        count = len(words) if action.n is None else min(action.n, len(words))
        return ([*starts, len(tokens)][count] if starts else 0), count

    def _text_after(self, session: AppendSession, tokens: list[int]) -> str:
        text = self.tokenizer.decode(tokens)
        return f" {text}" if text and session.progress.words else text

    def _restart(self, session: AppendSession) -> None:
        """An offline stream longer than the window goes on as a new one after writing all."""
        self.cache.reset([session.row])
        session.progress.segments = 0
        session.progress.speech = session.progress.text = 0
        session.progress.last = None

    def _slide(self, session: AppendSession) -> None:
        """Drops the oldest segments when the window is full and renumbers the rest."""
        progress, cache, row = session.progress, self.cache, session.row
        first = progress.segments - self.settings.keep + 1
        if progress.segments - cache.oldest(row, SPEECH) + 1 < self.settings.window:
            return
        keep = cache.slots_from(row, first)
        prefix = len(progress.prompt.after)
        if progress.last is not None and progress.last_step < first and progress.text > prefix:
            # All text is older than the window: go on from the prompt's last token.
            pinned = keep[cache.kind[row, keep] == TEXT]
            keep = keep[keep != pinned[-1]]
            progress.last, progress.last_step = progress.prompt.after[-1], progress.segments
        kind = cache.kind[row, keep]
        speech, text = kind == SPEECH, kind == TEXT
        base = len(progress.prompt.before)
        position = cache.position[row, keep].copy()
        position[speech] = base + np.arange(int(speech.sum()))
        position[text] = base + np.arange(int(text.sum()))
        self.lm.reanchor(cache, row, keep, position)
        progress.speech = int(speech.sum())
        if progress.last is not None:
            progress.text = int(text.sum()) + 1
