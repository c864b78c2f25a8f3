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

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from earvoice.errors import UsageError
from earvoice.events import Event
from earvoice.models.llm import LanguageModel
from earvoice.nn.cache import EntryCache
from earvoice.nn.masks import PROMPT, SPEECH, TEXT, Entries, consistency
from earvoice.nn.state import State
from earvoice.policies import Policy, Read, drafts_after
from earvoice.search.greedy import Continuation, continue_greedily
from earvoice.session import Request, Session
from earvoice.sessions.append_session import AppendSession, wait_of
from earvoice.sessions.append_snapshot import restore_session, save_session
from earvoice.sessions.fed import own_sessions, refuse_knowledge
from earvoice.sessions.hearing import Hearings, Step
from earvoice.sessions.numbering import TextPosition
from earvoice.sessions.pool import RowPool
from earvoice.sessions.slide import slide_window
from earvoice.sessions.words import split_words
from earvoice.text.languages import primary
from earvoice.text.prompt import Prompt
from earvoice.text.tokenizer import Tokenizer


class SpeechModel(Protocol):
    """Samples to language-model embeddings, one segment at a time."""

    @property
    def segment_samples(self) -> int:
        """The step of a live stream."""
        ...

    def init_state(self, rows: int, like: Tensor) -> State:
        """Empty streams."""
        ...

    def __call__(self, x: Tensor, state: Any = None, rows: Sequence[int] | None = None) -> Tensor:
        """Samples [B, W] -> embeddings [B, T, D]; T may be 0."""
        ...


@dataclass(frozen=True)
class AppendSettings:
    """What the loop needs to know besides the model.

    prompt: token ids around the speech for a wait k. holds: the model was trained to say
    "nothing more yet", so at the end k - 1 silent segments are appended for what it still owes.
    late: how many segments after its own a segment's embeddings come out of the speech model.
    text_position: where text stands among rotary positions (`sessions/numbering.py`).
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
    late: int = 0
    text_position: TextPosition = "count"


class AppendInterpreter:
    """A loaded append-only model. Implements `Interpreter`.

    Weights are shared by all sessions; each leases a row of the cache and hears, alone or with
    others (`share`), a row of the speech model. `advance` batches the matrix products of all
    sessions that are ready.
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
        self.hearings = Hearings(lambda *step: (speech(*step),), self.speech_state)
        self._pool = RowPool(self.cache)
        self._lock = threading.Lock()

    def open(self, request: Request) -> AppendSession:
        """Begins a stream. Raises: UsageError for languages this model does not have."""
        settings = self.settings
        refuse_knowledge(request, "glossary", "context")
        for name, has in (("src_lang", settings.src_lang), ("tgt_lang", settings.tgt_lang)):
            asked = getattr(request, name)
            if primary(asked) != has:
                raise UsageError(f"{name} is {asked!r}; this model has {has!r}")
        with self._lock, torch.inference_mode():
            row, listener = self._pool.lease(), self.hearings.open()
        return AppendSession(self, request, self._pool, row, listener)

    def retell(self, session: AppendSession) -> None:
        """Tells the model the k of a policy that has changed, in the place where it was told one.

        The entry that said it is computed anew there, over the prompt and the oldest speech that
        is left: what a window sees in training that begins with this k.
        """
        progress, prompt = session.progress, self.settings.prompt(wait_of(session.policy))
        told, progress.prompt = progress.prompt, prompt
        if progress.last is None or prompt == told:
            return  # it is told when it is asked for the first time
        with self._lock, torch.inference_mode():
            slots = self.cache.pinned_text(session.row)
            if len(slots) < len(told.after):
                progress.last = prompt.after[-1]  # fed again after the next segment
            elif self._room(session.row):
                self._put_anew(session.row, int(slots[-1]), prompt.after[-1])

    def _put_anew(self, row: int, slot: int, token: int) -> None:
        """Another token in the slot of an entry of text."""
        cache = self.cache
        position = torch.tensor([[int(cache.position[row, slot])]])
        segment = torch.tensor([[cache.oldest(row, SPEECH)]])
        entry = Entries(position, position, torch.tensor([[TEXT]]), segment)

        def as_then(query: Entries, key: Entries) -> Tensor:
            """Without the text that has come since."""
            order = key.order[:, None, :]
            later = (key.kind == TEXT)[:, None, :] & (order >= slot)
            return consistency(query, key) & (~later | (order == query.order[:, :, None]))

        self.lm(self.lm.embed(torch.tensor([[token]])), entry, cache, [row], as_then)
        cache.put_newest(row, slot)

    def share(self, sessions: Sequence[Session]) -> None:
        """Encodes once what these sessions hear. Implements `Sharing`."""
        with self._lock:
            self.hearings.share(
                [session.listener for session in own_sessions(self, AppendSession, sessions)]
            )

    def save(self, session: Session) -> bytes:
        """A session to go on with in another process. Implements `Resumable`."""
        if not (isinstance(session, AppendSession) and session.is_of(self)) or session.closed:
            raise UsageError("save: it takes an unfinished session of this interpreter")
        with self._lock, torch.inference_mode():
            return save_session(self, session)

    def restore(self, request: Request, data: bytes) -> AppendSession:
        """The session of `save`."""
        session = self.open(request)
        with self._lock, torch.inference_mode():
            restore_session(self, session, data)
        return session

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One segment of each session that has one, as one batch.

        Raises: UsageError for a session of another interpreter, or one given twice.
        """
        events: list[list[Event]] = [[] for _ in sessions]
        own = own_sessions(self, AppendSession, sessions)
        ready = [(i, session) for i, session in enumerate(own) if session.audio.has_segment]
        with self._lock, torch.inference_mode():
            ready.sort(key=lambda item: item[1].row)
            heard = self.hearings.hear([Step.of(s.listener, s.audio) for _, s in ready])
            groups = defaultdict(list)
            for (index, session), (speech,) in zip(ready, heard, strict=True):
                groups[len(speech)].append((index, session, speech))
            for group in groups.values():
                places, members, speeches = zip(*group, strict=True)
                found = self._step(list(members), torch.stack(speeches))
                for index, new in zip(places, found, strict=True):
                    events[index] = new
        return events

    def _step(self, sessions: list[AppendSession], speech: Tensor) -> list[list[Event]]:
        """One segment, [B, T, D]: slide, append, consult the policies, write."""
        rows = [session.row for session in sessions]
        for session in sessions:
            slide_window(
                self.lm, self.cache, session.row, session.progress, self.settings, speech.shape[1]
            )
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
                [sessions[item].progress.next_entry for item in writers],
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
        settings, progress = self.settings, session.progress
        most = settings.max_tokens
        words: int | None = None
        if progress.final or self._waits_for_all(session) or session.policy.needs_draft:
            most *= min(settings.window, progress.segments)
        else:
            action = session.policy.decide(session.view())
            words = None if isinstance(action, Read) else action.n
        return words, min(most, self._room(session.row))

    def _room(self, row: int) -> int:
        """Entries that a row can still take."""
        return self.cache.capacity - int(self.cache.length[row])

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
        hidden: list[Tensor] = [speech.new_zeros(speech.shape[-1])] * len(sessions)
        for (before_count, after_count), items in groups.items():
            members = [sessions[item] for item in items]
            x = speech[items]
            if before_count or after_count:
                ids = torch.tensor([[*feeds[item][0], *feeds[item][1]] for item in items])
                text = self.lm.embed(ids)
                x = torch.cat([text[:, :before_count], x, text[:, before_count:]], dim=1)
            starts = [int(self.cache.length[session.row]) for session in members]
            entries = self._entries(members, before_count, speech.shape[1], after_count)
            leased = [session.row for session in members]
            y = self.lm(x, entries, self.cache, leased, consistency, wanted=1)
            for place, item in enumerate(items):
                hidden[item] = y[place, -1]
                progress = sessions[item].progress
                if after_count and progress.text == len(progress.prompt.after):
                    first = starts[place] + before_count + speech.shape[1]
                    self.cache.pin(sessions[item].row, first)  # the text prefix, or its end
        return hidden

    def _feed(self, session: AppendSession, ask: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
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
        """What the new rows are, and where they stand."""
        kind = torch.tensor([PROMPT] * before + [SPEECH] * speech + [TEXT] * after)
        position, segment = [], []
        for session in sessions:
            progress = session.progress
            base = len(progress.prompt.before)
            first_speech = base + progress.speech
            progress.speech += speech
            in_time = self.settings.text_position == "time"
            first_text = base + (progress.speech if in_time else progress.text - after)
            progress.next_text = first_text + after
            position.append(
                [
                    *range(before),
                    *range(first_speech, first_speech + speech),
                    *range(first_text, first_text + after),
                ]
            )
            segment.append([0] * before + [progress.segments] * (speech + after))
        positions = torch.tensor(position)
        return Entries(positions, positions, kind.expand(len(sessions), -1), torch.tensor(segment))

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
        drafted = self._text_after(session, tokens[kept:]) if session.policy.needs_draft else ""
        events += session.draft(drafted)
        # The last committed token is forgotten too: it is fed again after the next segment.
        self.cache.pop(session.row, len(tokens) - kept + 1)
        if self._waits_for_all(session) and not progress.final:
            self._restart(session)
        return events

    def _allowed(self, session: AppendSession, tokens: list[int]) -> tuple[int, int]:
        """How many tokens and words of a draft the policy commits."""
        words, edges = split_words(self.tokenizer, tokens)
        action = session.policy.decide(session.view(words))
        count = 0
        if not isinstance(action, Read):
            count = len(words) if action.n is None else min(action.n, len(words))
        session.progress.previous = drafts_after(words, session.progress.previous, count)
        return edges[count] if count else 0, count

    def _text_after(self, session: AppendSession, tokens: list[int]) -> str:
        text = self.tokenizer.decode(tokens)
        spaced = session.progress.words and tokens and self.tokenizer.is_word_start(tokens[0])
        return f" {text}" if spaced else text

    def _restart(self, session: AppendSession) -> None:
        """An offline stream longer than the window goes on as a new one after writing all."""
        self.cache.reset([session.row])
        progress = session.progress
        progress.dropped += progress.segments
        progress.segments = progress.speech = progress.text = 0
        progress.last = None
