"""Rooms: one speaker, several languages, any number of readers who may come late.

    speaker's session --+-- its own language --> [captions 0 1 2 ...] <- viewers' numbers
                        +-- a session per further language, fed the same samples; those of one
                            model are encoded once, where it can (`session.Sharing`)

Every text of a room is one list that all its viewers share; a viewer is a number into it. So a
viewer costs the speaker nothing: who does not read has no queue that could grow, and gets what
was missed in one message. The list is bounded; its oldest captions go first.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Callable

from earvoice.agent.foreign import clean
from earvoice.serve.errors import Fault
from earvoice.serve.live import LiveSession
from earvoice.serve.protocol import Closing, DraftMessage, EventMessage, write
from earvoice.serve.room_messages import (
    Caption,
    Captions,
    ChannelInfo,
    Role,
    RoomMessage,
    RoomState,
)
from earvoice.serve.settings import RoomSettings
from earvoice.units import Seconds

_log = logging.getLogger("earvoice.serve")
_PER_MESSAGE = 500
MAX_TITLE_CHARS = 80


class Viewer:
    """A reader of a room: which text, and the number of the last caption it has."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.channel: Channel | None = None
        self.after = -1
        self.wake = asyncio.Event()
        self.notice = ""  # a message that is sent before all others, once
        self._draft_seen = -1
        self._room_seen = -1

    def watch(self, channel: Channel, after: int) -> None:
        """Read another text, or this one from another place."""
        self.channel, self.after, self._draft_seen = channel, after, -1
        self.wake.set()

    def take(self) -> list[str]:
        """The messages to send now: one about the room, one with captions, or none."""
        self.wake.clear()
        texts = [self.notice] if self.notice else []
        self.notice = ""
        if self._room_seen != self.room.changes:
            self._room_seen = self.room.changes
            texts.append(self.room.message())
        channel = self.channel
        if channel is None:
            return texts
        if channel.last > self.after or channel.draft_count != self._draft_seen:
            text, self.after, whole = channel.message(self.after)
            texts.append(text)
            if whole:
                self._draft_seen = channel.draft_count
            else:
                self.wake.set()
        return texts


_PLACES = 32
"""For which a text's message is kept: viewers are at few places, most of them at the end."""


class Channel:
    """One text of a room. `first`: number of the oldest caption that is kept."""

    def __init__(self, role: Role, language: str, most: int) -> None:
        self.role: Role = role
        self.language = language
        self.captions: deque[Caption] = deque(maxlen=most)
        self.first = 0
        self.draft = ""
        self.draft_count = 0
        self.session: LiveSession | None = None
        self.veiled = False  # what may come next holds words of a pause
        self._written: dict[int, tuple[str, int, bool]] = {}

    @property
    def last(self) -> int:
        """Number of the newest caption, -1 before the first."""
        return self.first + len(self.captions) - 1

    def add(self, caption: Caption) -> None:
        """A new caption; the oldest goes if there are too many."""
        if len(self.captions) == self.captions.maxlen:
            self.first += 1
        self.captions.append(caption)
        self.set_draft("")

    def set_draft(self, text: str) -> None:
        """What may come next."""
        self.draft = text
        self.draft_count += 1
        self._written.clear()

    def message(self, after: int) -> tuple[str, int, bool]:
        """JSON of what comes after a number, the number after it, and whether that is all.

        Written once for all viewers at the same place.
        """
        if after not in self._written:
            if len(self._written) >= _PLACES:  # a viewer may ask for any place there is
                self._written.clear()
            begin = max(self.first, after + 1)
            some = tuple(
                itertools.islice(
                    self.captions, begin - self.first, begin - self.first + _PER_MESSAGE
                )
            )
            until = max(after, begin + len(some) - 1) if some else max(after, self.last)
            whole = until >= self.last
            message = Captions(
                role=self.role,
                language=self.language,
                after=after,
                first=begin,
                captions=some,
                draft=self.draft if whole else "",
            )
            self._written[after] = write(message), until, whole
        return self._written[after]


class Room:
    """See above. `name`: in its address; `title`: what people see."""

    def __init__(self, name: str, settings: RoomSettings, clock: Callable[[], Seconds]) -> None:
        self.name, self.title = name, name
        self.history = secrets.token_urlsafe(6)
        self.viewers: set[Viewer] = set()
        self.channels: dict[tuple[Role, str], Channel] = {}
        self.sessions: list[LiveSession] = []
        self.ended = self.forgotten = False
        self.changes = 0
        self.used_s = clock()
        self._settings = settings
        self._clock = clock
        self._opened_s = clock()
        self._pauses: list[tuple[Seconds, Seconds]] = []  # of the speaker's audio, half open

    @property
    def speaker(self) -> LiveSession | None:
        """The session that is spoken into."""
        return self.sessions[0] if self.sessions else None

    @property
    def paused(self) -> bool:
        """Whether what is spoken now is withheld from the audience."""
        return bool(self._pauses) and self._pauses[-1][1] == math.inf

    @property
    def state(self) -> RoomState:
        """What the audience is told."""
        if self.ended:
            return "ended"
        if self.speaker is None or self.speaker.over:
            return "waiting"
        return "paused" if self.paused else "live"

    def enter(self, sessions: list[LiveSession]) -> None:
        """A speaker begins; `sessions`: theirs first, then one per further language."""
        self.sessions = sessions
        # A pause goes on over a change of speakers; its audio is counted anew.
        self._pauses = [(0.0, math.inf)] if self.paused else []
        for channel in self.channels.values():
            channel.session, channel.veiled = None, self.paused
        for session in sessions:
            self.channel("translation", session.request["tgt_lang"]).session = session
            session.on_message = functools.partial(self._said, session)
            session.on_end = self.changed
        self.changed()

    def leave(self, session: LiveSession) -> None:
        """A speaker's session is over."""
        session.on_message = session.on_end = None
        if self.speaker is session:
            self.sessions = []
            self.used_s = self._clock()
            self.changed()

    def channel(self, role: Role, language: str) -> Channel:
        """A text, begun if there is none."""
        key = (role, language)
        if key not in self.channels:
            self.channels[key] = Channel(role, language, self._settings.max_captions)
            self.channels[key].veiled = bool(self._pauses)
            self.changed()
        return self.channels[key]

    def rename(self, title: str) -> None:
        """Give it another title. Errors: `Fault` message_invalid."""
        cleaned = clean(title)
        if not 0 < len(cleaned) <= MAX_TITLE_CHARS:
            raise Fault("message_invalid", f"a title has 1 to {MAX_TITLE_CHARS} characters")
        self.title = cleaned
        self.changed()

    def pause(self) -> None:
        """Withhold what is spoken from here on; what was spoken before still comes."""
        if not self.paused:
            self._pauses.append((self._heard_s(), math.inf))
            for channel in self.channels.values():
                channel.veiled = True
                channel.set_draft("")
            self.changed()

    def resume(self) -> None:
        """Show again what is spoken from here on."""
        if self.paused:
            self._pauses[-1] = (self._pauses[-1][0], self._heard_s())
            self.changed()

    def end(self) -> None:
        """No more speakers; the speaker's text is finished, the history stays for a while."""
        self.ended = True
        self.used_s = self._clock()
        if self.speaker is not None and not self.speaker.over:
            self.speaker.finish()
            self.speaker.ended_here = True
        self.changed()

    def message(self) -> str:
        """JSON for the audience."""
        channels = tuple(
            ChannelInfo(
                role=channel.role,
                language=channel.language,
                failed=channel.session is not None and channel.session.fault is not None,
            )
            for channel in self.channels.values()
        )
        return write(
            RoomMessage(
                name=self.name,
                title=self.title,
                state=self.state,
                history=self.history,
                channels=channels,
            )
        )

    def overview(self) -> dict[str, object]:
        """For the operator: numbers, no words."""
        return {
            "name": self.name,
            "title": self.title,
            "state": self.state,
            "viewers": len(self.viewers),
            "connected": self.speaker is not None and self.speaker.owner is not None,
            "heard_s": round(self._heard_s(), 2),
            "channels": [
                {
                    "role": channel.role,
                    "language": channel.language,
                    "captions": channel.last + 1,
                    "viewers": sum(viewer.channel is channel for viewer in self.viewers),
                    "lag_s": round(channel.session.lag_s, 2) if channel.session else 0.0,
                    "model": channel.session.model if channel.session else None,
                    "failed": channel.session is not None and channel.session.fault is not None,
                }
                for channel in self.channels.values()
            ],
        }

    def changed(self) -> None:
        """Tell every viewer what the room is now."""
        self.changes += 1
        for viewer in self.viewers:
            viewer.wake.set()

    def _said(self, session: LiveSession, message: EventMessage | DraftMessage) -> None:
        event = message.event
        if event["type"] == "finished":
            if session is self.speaker:
                self.changed()
            return
        if "stream" not in event or self._hides(session, event.get("span")):
            return
        channel = self.channel(event["stream"]["role"], event["stream"]["language"])
        channel.session = session
        if event["type"] == "draft":
            # It begins after the last commit: until one is of after the pause, it may begin in it.
            channel.set_draft("" if channel.veiled else event["text"])
        elif event["type"] == "commit":
            span = event.get("span")
            channel.veiled &= not self._is_behind_pauses(session, span)
            caption = Caption(
                text=event["text"],
                span=None if span is None else (span[0], span[1]),
                wall_s=self._now_s(),
            )
            channel.add(caption)
        elif event.get("kind") in ("sentence", "turn"):
            channel.add(Caption(ends=event["kind"], wall_s=self._now_s()))
        for viewer in self.viewers:
            if viewer.channel is channel:
                viewer.wake.set()

    def _hides(self, session: LiveSession, span: list[float] | None) -> bool:
        """Whether words may have been spoken in a pause; without a span: were processed in one."""
        from_s, to_s = (session.done_s, session.done_s) if span is None else span
        return any(begin < to_s and from_s < end for begin, end in self._pauses)

    def _is_behind_pauses(self, session: LiveSession, span: list[float] | None) -> bool:
        from_s = session.done_s if span is None else span[0]
        return not self._pauses or self._pauses[-1][1] <= from_s

    def _heard_s(self) -> Seconds:
        return 0.0 if self.speaker is None else self.speaker.heard_s

    def _now_s(self) -> Seconds:
        return round(self._clock() - self._opened_s, 4)


class Rooms:
    """The rooms by name. `clock`: seconds that never go back."""

    def __init__(
        self, settings: RoomSettings, clock: Callable[[], Seconds] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._by_name: dict[str, Room] = {}

    @property
    def all(self) -> list[Room]:
        """Every room, the oldest first."""
        return list(self._by_name.values())

    @property
    def viewers(self) -> int:
        """Readers of all rooms."""
        return sum(len(room.viewers) for room in self._by_name.values())

    def find(self, name: str) -> Room | None:
        """A room, None if there is none of this name."""
        return self._by_name.get(name)

    def open(self, name: str) -> Room:
        """A room, a new one if there is none. Errors: `Fault` overloaded."""
        room = self._by_name.get(name)
        if room is None:
            if len(self._by_name) >= self._settings.max_rooms:
                raise Fault("overloaded", f"all {self._settings.max_rooms} rooms are taken")
            room = self._by_name[name] = Room(name, self._settings, self._clock)
            _log.info("room_open", extra={"rooms": len(self._by_name)})
        return room

    def for_speaker(self, name: str) -> Room:
        """A room that nobody speaks in, or whose speaker's connection is broken.

        Errors: `Fault` request_refused, overloaded.
        """
        room = self.open(name)
        if room.ended:
            raise Fault("request_refused", "the room was ended; take another name")
        if room.speaker is not None and room.speaker.owner is not None:
            raise Fault("request_refused", "the room has a speaker already")
        return room

    def left_by_a_speaker(self, name: str | None) -> int:
        """How many sessions a new speaker of this room would take over."""
        room = None if name is None else self.find(name)
        if room is None or room.speaker is None or room.speaker.owner is not None:
            return 0
        return len(room.sessions)

    @property
    def waits_for_a_speaker(self) -> bool:
        """Whether in any room somebody may come back who was cut off."""
        return any(self.left_by_a_speaker(name) for name in self._by_name)

    def closing(self, reason: str, in_s: Seconds) -> None:
        """Tell every viewer that the server will close."""
        for room in self._by_name.values():
            for viewer in room.viewers:
                viewer.notice = write(Closing(reason=reason, in_s=in_s))
                viewer.wake.set()

    def left(self, session: LiveSession) -> None:
        """A session is gone."""
        for room in self._by_name.values():
            if session in room.sessions:
                room.leave(session)

    def sweep(self) -> None:
        """Forget rooms that nobody has spoken in for a while, with what was said in them."""
        now_s = self._clock()
        for room in self.all:
            idle_s = 0.0 if room.speaker is not None else now_s - room.used_s
            if idle_s > self._settings.keep_s:
                room.ended = room.forgotten = True
                room.changed()
                del self._by_name[room.name]
                _log.info("room_closed", extra={"rooms": len(self._by_name)})
