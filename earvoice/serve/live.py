"""One session in the network process: what was heard and said, until both sides have it.

    client  --frames-->  [items since the snapshot]  --> engine
    client  <--events--  [events since the client's ack] <-- engine

Kept are the audio since the engine's last snapshot, so that a new engine can be brought to the
same place, and the events the client has not confirmed, so that a new connection can be. Replay
is deterministic: events have numbers, and those that were said before are not said again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from earvoice.audio import Resampler
from earvoice.audio.signal import FULL_SCALE_LIMIT
from earvoice.serve.errors import Fault
from earvoice.serve.frames import FrameReader
from earvoice.serve.protocol import DraftMessage, EventMessage, write
from earvoice.serve.scheduler import Item
from earvoice.serve.settings import ServeSettings
from earvoice.serve.trace import session_span
from earvoice.serve.wire import Message
from earvoice.units import SAMPLE_RATE, Samples, Seconds

_SPENT_TOKENS = 100
_KEPT_CHANGES = 8
"""More than one: the last may be one that the model refused."""


class Subscription:
    """A reader of a session's events, at its own pace; any number may read one session.

    A draft that is overtaken before it is taken is never seen.
    """

    def __init__(self, session: LiveSession, after: int) -> None:
        self._session = session
        self._wake = asyncio.Event()
        self._drafts_seen = 0
        self.cursor = after
        self.fault: Fault | None = None
        self.notices: list[Fault] = []

    def take(self) -> list[str]:
        """The messages to send now. Errors: the `Fault` that ended this subscription."""
        self._wake.clear()
        if self.fault is not None:
            raise self.fault
        session = self._session
        first = max(0, self.cursor + 1 - session.first_seq)
        texts = list(itertools.islice(session.events, first, None))
        self.cursor = max(self.cursor, session.first_seq + len(session.events) - 1)
        if session.draft_count != self._drafts_seen:
            self._drafts_seen = session.draft_count
            texts += session.drafts.values()
        if not texts and session.fault is not None:
            raise session.fault
        return texts

    async def wait(self, timeout_s: Seconds) -> None:
        """Until there may be something to take, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Something changed."""
        self._wake.set()

    def end(self, fault: Fault) -> None:
        """Nothing more for this reader."""
        self.fault = fault
        self._wake.set()


class LiveSession:
    """See above. `number` names it towards the engine, `id` towards the client."""

    def __init__(
        self,
        number: int,
        model: str,
        request: dict[str, Any],
        reader: FrameReader,
        settings: ServeSettings,
        send: Callable[[Message], None],
        now_s: Seconds,
    ) -> None:
        self.number, self.model, self.request = number, model, request
        self.id = secrets.token_urlsafe(12)
        self.token = secrets.token_urlsafe(24)
        self.old_tokens: list[str] = []  # good until the client shows that it has the new one
        self.spent_tokens: list[str] = []
        self.reader = reader
        self.opened_s = now_s
        self.owner: Subscription | None = None  # of the client's own connection
        self.left_s: Seconds | None = None  # when the last connection broke
        self.wants_drafts = True
        self.takes_terms = False  # whether `update` may bring a glossary
        self.followers: list[LiveSession] = []  # sessions of other languages, fed the same
        self.leader: LiveSession | None = None
        self.speaker: int | None = None  # what sessions of its model that hear the same also have
        self.on_message: Callable[[EventMessage | DraftMessage], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.span = session_span(model)
        self.ended_here = False  # by an operator: what is still sent is not heard
        self.finishing = self.finished = self.recovering = False
        self._last_kind = ""  # of what was done last
        self.fault: Fault | None = None
        # Towards the client.
        self.events: deque[str] = deque()
        self.first_seq = 0
        self.acked_seq = -1
        self.drafts: dict[str, str] = {}
        self.draft_count = 0
        self._subscriptions: list[Subscription] = []
        # Towards the engine.
        self.exact = True  # whether `_items` reach back to the last snapshot
        self.done_s: Seconds = 0.0
        self.crashes = 0  # engines that died of it since it got further
        self._settings = settings
        self._send = send
        self._resampler = Resampler()
        self._items: deque[Item] = deque()
        self._changes: dict[str, deque[int]] = {}  # numbers of updates since the last audio
        self._first_item = 0
        self._kept: Samples = 0
        self._snapshot: Message | None = None
        self._next_index = 0
        self._marks = 0
        self.marked = 0  # the last mark that was reached

    @property
    def heard_s(self) -> Seconds:
        """Audio received."""
        return self.reader.received / self.reader.rate_hz

    @property
    def lag_s(self) -> Seconds:
        """Audio received and not yet processed."""
        return 0.0 if self.finished else max(0.0, self.heard_s - self.done_s)

    def late_s(self, now_s: Seconds) -> Seconds:
        """The lag, counted only as far as real time would have had it heard.

        A recording that is fed faster than it is spoken lags, and is not late.
        """
        return max(0.0, min(self.lag_s, now_s - self.opened_s - self.done_s))

    @property
    def most_lag_s(self) -> Seconds:
        """Of this session and those fed the same audio."""
        return max(
            session.lag_s
            for session in (self, *self.followers)
            if not session.over or session is self
        )

    @property
    def can_move(self) -> bool:
        """Whether another engine would need little audio to be where this session is."""
        return self.exact and self._kept <= 2 * self._settings.engine.snapshot_s * SAMPLE_RATE

    @property
    def last_seq(self) -> int:
        """Number of the last event, -1 before the first."""
        return self.first_seq + len(self.events) - 1

    @property
    def over(self) -> bool:
        """Whether the engine has nothing more to do for it."""
        return self.finished or self.fault is not None

    def subscribe(self, after: int = -1) -> Subscription:
        """A new reader of the events after number `after`."""
        subscription = Subscription(self, after)
        self._subscriptions.append(subscription)
        subscription.wake()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a reader."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    # What the client does.

    def hear(self, frame: bytes) -> None:
        """Take a binary message. Errors: `Fault`."""
        limit = int(self._settings.limits.max_frame_s * self.reader.rate_hz)
        audio = self.reader.read(frame, limit)
        if audio is None:
            return
        if self.ended_here:
            return
        if self.finishing:
            raise Fault("message_out_of_order", "audio came after finish; it was ignored")
        self._hear(self._resampler.push(audio))

    def update(self, changes: dict[str, Any]) -> None:
        """Change something from here on in the audio."""
        if self.finishing:
            raise Fault("message_out_of_order", "update came after finish; it was ignored")
        if "tgt_lang" in changes and self.on_message is not None:
            raise Fault("update_refused", "the languages of a room are chosen when it is begun")
        terms = changes.pop("glossary", None)
        if changes:
            self._do(Item("update", changes=changes))
        if terms is not None:
            taking = [session for session in (self, *self.followers) if session.takes_terms]
            if not taking:
                raise Fault("update_refused", f"model {self.model} takes no terms while it runs")
            for session in taking:
                if not session.over:
                    session._do(Item("update", changes={"glossary": terms}))

    def mark(self) -> int:
        """Ask to be told (`marked`) when all that came so far is processed. Returns its number."""
        if self._last_kind == "mark":  # nothing came since: who asks again waits for the same
            return self._marks
        self._marks += 1
        self._do(Item("mark", mark=self._marks))
        return self._marks

    def finish(self) -> None:
        """No more audio; a second call does nothing."""
        if self.finishing:
            return
        self._hear(self._resampler.flush())
        for session in (self, *self.followers):
            session.finishing = True
            if not session.over:
                session._do(Item("finish"))

    def ack(self, seq: int) -> None:
        """The client has the events up to `seq`."""
        self.acked_seq = max(self.acked_seq, min(seq, self.last_seq))
        self._forget_to(self.acked_seq)

    # What the engine does.

    def open(self, *, alone: bool = False) -> None:
        """Bring an engine, the first or a new one, to where this session is.

        `alone`: in no batch until it has caught up.
        """
        head: dict[str, Any] = {
            "model": self.model,
            "request": self.request,
            "alone": alone,
            "speaker": self.speaker,
        }
        body = b""
        if self._snapshot is not None:
            head["snapshot"], body = dict(self._snapshot.head), self._snapshot.body
        if not self.exact:
            self.fail(Fault("worker_lost", "the engine died and the session is too old to rebuild"))
            return
        self._send(Message("open", self.number, head, body))
        for item in self._items:
            self._send(self._message(item))

    def said(self, head: Any, now_s: Seconds) -> None:
        """Events of the engine; those known from before a restart are passed over."""
        self.recovering = False
        if head["done_s"] > self.done_s:
            self.done_s, self.crashes = head["done_s"], 0
        skip = max(0, self._next_index - head["index"])
        for event in head["events"][skip:]:
            self._next_index += 1
            self._say(event, now_s)
        most = self._settings.limits.max_kept_events
        if len(self.events) > most:
            # Those beyond the limit only: a client whose line breaks may not have the newest.
            slowest = min((sub.cursor for sub in self._subscriptions), default=self.last_seq)
            self._forget_to(min(slowest, self.last_seq - most))
        self._wake()

    def saved(self, message: Message) -> None:
        """A snapshot: what it holds need not be kept.

        An engine that the session has left may still send one that is older than what is kept.
        """
        if message.head["items"] < self._first_item:
            return
        self._snapshot = message
        while self._items and self._first_item < message.head["items"]:
            self._drop_item()

    def reached(self, head: Any) -> None:
        """A mark: all before it is processed, also where nothing was said."""
        self.done_s = max(self.done_s, head["done_s"])
        self.marked = max(self.marked, head["mark"])
        self._wake()

    def confirm_token(self) -> None:
        """The client has the newest token: those before are spent."""
        self.spent_tokens = (self.spent_tokens + self.old_tokens)[-_SPENT_TOKENS:]
        self.old_tokens = []

    def notify(self, fault: Fault) -> None:
        """Tell every reader of an error that ends nothing."""
        for subscription in self._subscriptions:
            subscription.notices.append(fault)
        self._wake()

    def fail(self, fault: Fault) -> None:
        """The session is over."""
        self.fault = fault
        self._wake()
        if self.on_end is not None:
            self.on_end()

    def _say(self, event: dict[str, Any], now_s: Seconds) -> None:
        heard_s, wall_s = self.heard_s, max(0.0, now_s - self.opened_s)
        stream = json.dumps(event.get("stream"))
        if event["type"] == "draft":
            draft = DraftMessage(after=self.last_seq, heard_s=heard_s, wall_s=wall_s, event=event)
            if self.wants_drafts:
                self.drafts[stream] = write(draft)
                self.draft_count += 1
            if self.on_message is not None:
                self.on_message(draft)
            return
        message = EventMessage(seq=self.last_seq + 1, heard_s=heard_s, wall_s=wall_s, event=event)
        self.events.append(write(message))
        if event["type"] == "commit":
            self.drafts.pop(stream, None)
        if event["type"] == "finished":
            self.finished = True
            self._items.clear()
            self._snapshot = None
        if self.on_message is not None:
            self.on_message(message)
        if self.leader is not None:
            self.ack(self.last_seq)  # a follower is read through its room only

    def _hear(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        if not samples.size:
            return
        # A filter overshoots: what was legal before it may not be after it.
        samples = np.clip(samples, -FULL_SCALE_LIMIT, FULL_SCALE_LIMIT)
        item = Item("audio", np.ascontiguousarray(samples))
        for session in (self, *self.followers):
            if not session.over:
                session._kept += samples.size
                session._do(item)

    def _do(self, item: Item) -> None:
        self._last_kind = item.kind
        self._items.append(item)
        self._strip_overtaken(item)
        self._send(self._message(item))
        # Only sessions without snapshots come this far.
        while self._kept > self._settings.engine.replay_s * SAMPLE_RATE:
            self.exact = False
            self._drop_item()

    def _strip_overtaken(self, item: Item) -> None:
        """Of changes without audio between them only the last few are kept to be replayed.

        The items stay, for they are counted; what they would change goes.
        """
        if item.kind != "update":
            self._changes.clear()
            return
        number = self._first_item + len(self._items) - 1
        for key in item.changes:
            places = self._changes.setdefault(key, deque())
            places.append(number)
            if len(places) <= _KEPT_CHANGES:
                continue
            place = places.popleft() - self._first_item
            if place >= 0:
                left = {name: v for name, v in self._items[place].changes.items() if name != key}
                self._items[place] = Item("update", changes=left)

    def _message(self, item: Item) -> Message:
        if item.kind == "audio":
            return Message("audio", self.number, body=item.audio.tobytes())
        if item.kind == "mark":
            return Message("mark", self.number, {"mark": item.mark})
        return Message(item.kind, self.number, {"changes": dict(item.changes)})

    def _drop_item(self) -> None:
        item = self._items.popleft()
        self._first_item += 1
        if item.kind == "audio":
            self._kept -= item.audio.size

    def _forget_to(self, seq: int) -> None:
        while self.events and self.first_seq <= seq:
            self.events.popleft()
            self.first_seq += 1

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake()
