"""All sessions of the network process: who may open one, who may come back, who has to go."""

from __future__ import annotations

import logging
import secrets
import statistics
import time
from collections.abc import Callable, Collection, Sequence

from earvoice.serve.engines import Connect, Engines
from earvoice.serve.errors import SHUTS_DOWN, Fault
from earvoice.serve.frames import FrameReader
from earvoice.serve.live import LiveSession
from earvoice.serve.metrics import Metrics
from earvoice.serve.protocol import ModelInfo, Resume, Start, pairs_of
from earvoice.serve.rooms import Rooms
from earvoice.serve.settings import ServeSettings
from earvoice.serve.wire import Message
from earvoice.serve.worker import Engine
from earvoice.units import Seconds

_log = logging.getLogger("earvoice.serve")
_CRASHES = 2


class Sessions:
    """The sessions by id, tied to the engine. `clock`: seconds that never go back.

    `engines`: the command that starts the engine process, or what connects to several.
    """

    def __init__(
        self,
        engines: Sequence[str] | Connect,
        settings: ServeSettings,
        metrics: Metrics,
        clock: Callable[[], Seconds] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self._ends_s: Seconds | None = None  # when a server that shuts down will have
        self.rooms = Rooms(settings.rooms, clock)
        self._clock = clock
        self._by_id: dict[str, LiveSession] = {}
        self._by_number: dict[int, LiveSession] = {}
        self._next_number = 1
        self._careful = False  # the last engine died by itself, perhaps of a session
        self.engine: Engines = (
            engines(self)
            if callable(engines)
            else Engine(
                engines, settings.engine, self.engine_said, self.engine_up, self._engine_died
            )
        )

    def drain(self, in_s: Seconds) -> None:
        """Take no more sessions; those there are have so long to end."""
        self._ends_s = self._clock() + in_s

    @property
    def closes_in_s(self) -> Seconds | None:
        """How long there still is, None where the server does not shut down."""
        return None if self._ends_s is None else max(0.0, self._ends_s - self._clock())

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """What the engine serves."""
        return self.engine.models

    @property
    def live(self) -> list[LiveSession]:
        """Sessions that take the engine's time."""
        return [session for session in self._by_id.values() if not session.over]

    @property
    def unread(self) -> list[LiveSession]:
        """Finished sessions whose client has not said that it has all of it; it may come back."""
        return [
            session
            for session in self._by_id.values()
            if session.finished and session.leader is None and session.acked_seq < session.last_seq
        ]

    def refusal(self, wanted: int = 1) -> Fault | None:
        """Why no session (or `wanted` of them) can be opened now, None if they can."""
        if self._ends_s is not None:
            return Fault("overloaded", SHUTS_DOWN, retry_after_s=10.0)
        live = self.live
        if len(live) + wanted > self.settings.max_sessions:
            return Fault(
                "overloaded",
                f"all {self.settings.max_sessions} sessions are taken",
                retry_after_s=5.0,
            )
        if live:
            now_s = self._clock()
            lag_s = statistics.median(session.late_s(now_s) for session in live)
            if lag_s > self.settings.admit_lag_s:
                return Fault(
                    "overloaded",
                    f"the sessions lag {lag_s:.1f} s behind; no more are taken",
                    retry_after_s=round(lag_s, 1),
                )
        return None

    def open(self, start: Start) -> LiveSession:
        """A new session, and for a room one per further language. Errors: `Fault`."""
        freed = self.rooms.left_by_a_speaker(start.room)
        refusal = self.refusal(1 + len(start.more_tgt_langs) - freed)
        if refusal is not None:
            self.metrics.refused.inc()
            raise refusal
        choices = self._choices(start)
        sound = start.audio
        reader = FrameReader(sound.encoding, sound.rate_hz, sound.channels)
        room = None if start.room is None else self.rooms.for_speaker(start.room)
        if room is not None and room.speaker is not None:
            # A page that was loaded anew does not know its old session.
            self.remove(room.speaker, Fault("replaced", "another speaker took the room over"))
        session, *others = (self._new(start, choice, reader) for choice in choices)
        session.followers = others
        for follower in others:
            follower.leader = session
            follower.request |= {"transcript": False, "policy": None}
        for opened in (session, *others):
            # The engine encodes the audio of these once, and has them in one place.
            same = [one.number for one in (session, *others) if one.model == opened.model]
            opened.speaker = same[0] if len(same) > 1 else None
        if room is not None:
            room.enter([session, *others])
        for opened in (session, *others):
            opened.open()
            _log.info("session_open", extra={"session": opened.number, "model": opened.model})
        return session

    def _choices(self, start: Start) -> list[tuple[ModelInfo, str, str]]:
        """Model and languages of the speaker's own text, then of a room's further ones."""
        if start.more_tgt_langs and start.room is None:
            raise Fault("request_refused", "more_tgt_langs are for the audience of a room")
        choices = [self._choose(start)]
        for language in start.more_tgt_langs:
            changed = {"model": None, "tgt_lang": language, "src_lang": choices[0][1]}
            choices.append(self._choose(start.model_copy(update=changed), choices[0][0].name))
        spoken = [tgt_lang for _, _, tgt_lang in choices]
        if len(set(spoken)) != len(spoken):
            raise Fault("request_refused", "more_tgt_langs has a language twice")
        return choices

    def _new(
        self, start: Start, choice: tuple[ModelInfo, str, str], reader: FrameReader
    ) -> LiveSession:
        model, src_lang, tgt_lang = choice
        request = {
            "src_lang": src_lang,
            "tgt_lang": tgt_lang,
            "policy": start.policy,
            "transcript": start.transcript,
            "glossary": pairs_of(start.glossary) if model.glossary != "none" else None,
        }
        session = LiveSession(
            self._next_number,
            model.name,
            request,
            reader,
            self.settings,
            self.engine.send,
            self._clock(),
        )
        session.wants_drafts = start.drafts
        session.takes_terms = model.glossary == "live"
        self._next_number += 1
        self._by_id[session.id] = self._by_number[session.number] = session
        return session

    def resume(self, name: str, message: Resume) -> LiveSession:
        """A session whose connection broke. Errors: `Fault` resume_refused.

        A token is good once. The one before stays good until the client shows that it has
        the new one; a token used again after that ends the session.
        """
        session = self._by_id.get(name)
        if session is None:
            raise Fault("resume_refused", "there is no such session (any more)")
        given = message.token.encode()
        if secrets.compare_digest(given, session.token.encode()):
            session.old_tokens = [session.token]
        elif not any(secrets.compare_digest(given, old.encode()) for old in session.old_tokens):
            if any(secrets.compare_digest(given, old.encode()) for old in session.spent_tokens):
                _log.warning("token_reused", extra={"session": session.number})
                self.remove(session, Fault("resume_refused", "a token was used twice"))
            raise Fault("resume_refused", "the token is not (any more) the session's")
        if message.last_seq > session.last_seq:
            text = f"last_seq is {message.last_seq}, the last event is {session.last_seq}"
            raise Fault("resume_refused", text)
        if message.last_seq < session.first_seq - 1:
            raise Fault("resume_refused", "events after last_seq were confirmed and forgotten")
        session.token = secrets.token_urlsafe(24)
        session.left_s = None
        session.reader.forget_rest()
        session.ack(message.last_seq)
        self.metrics.resumed.inc()
        session.span.add_event("resumed")
        _log.info("session_resumed", extra={"session": session.number})
        return session

    def left(self, session: LiveSession, *, for_good: bool) -> None:
        """A connection ended; the session waits for another unless it is `for_good`."""
        if for_good or (session.over and session.acked_seq >= session.last_seq):
            self.remove(session)
        elif session.left_s is None:
            session.left_s = self._clock()

    def remove(self, session: LiveSession, fault: Fault | None = None) -> None:
        """Forget a session, and its row in the engine."""
        if self._by_id.pop(session.id, None) is None:
            return
        del self._by_number[session.number]
        self.rooms.left(session)
        for follower in session.followers:
            # One that has heard the end may still finish what it has to say.
            if not session.finishing or fault is not None:
                self.remove(follower, fault)
        if fault is not None:
            session.fail(fault)
        if not session.finished or fault is not None:
            # Also one that failed here, of which the engine knows nothing.
            self.engine.send(Message("close", session.number))
        session.span.set_attribute("audio_s", round(session.heard_s, 3))
        session.span.set_attribute("events", session.last_seq + 1)
        if session.fault is not None:
            session.span.set_attribute("code", session.fault.code)
        session.span.end()
        _log.info(
            "session_closed",
            extra={"session": session.number, "audio_s": round(session.heard_s, 3)},
        )

    def sweep(self) -> None:
        """End what has waited or lasted too long; called about once a second."""
        self.rooms.sweep()
        now_s = self._clock()
        limits = self.settings.limits
        for session in list(self._by_id.values()):
            waited_s = 0.0 if session.left_s is None else now_s - session.left_s
            if waited_s > limits.resume_window_s or (session.leader is not None and session.over):
                self.remove(session)
            elif now_s - session.opened_s > limits.max_session_s and not session.over:
                fault = Fault("session_expired", f"a session lasts {limits.max_session_s:g} s")
                self.remove(session, fault)

    def _choose(self, start: Start, rather: str | None = None) -> tuple[ModelInfo, str, str]:
        """Model and languages; what is not said is the first that fits, `rather` before others."""
        asked = start.src_lang, start.tgt_lang
        for model in sorted(self.models, key=lambda model: model.name != rather):
            if start.model not in (None, model.name):
                continue
            for pair in model.pairs:
                src_lang, tgt_lang = map(_fitting, asked, pair)
                if src_lang and tgt_lang:
                    return model, src_lang, tgt_lang
        there = "; ".join(f"{model.name}: {_told(model)}" for model in self.models)
        raise Fault("request_refused", f"no such model and languages; there are {there}")

    def engine_said(self, message: Message) -> None:
        """An engine said something about a session, or about its own steps."""
        if message.kind == "step":
            self.metrics.step(message.head["batch"], message.head["s"])
            return
        session = self._by_number.get(message.session)
        if session is None:
            return
        head = message.head
        match message.kind:
            case "said":
                self.metrics.events.inc(len(head["events"]))
                session.said(head, self._clock())
            case "opened":
                session.recovering = False
            case "snapshot":
                session.saved(message)
            case "marked":
                session.reached(head)
            case "rebuild":
                self.metrics.rebuilt.inc()
                _log.warning("session_rebuilt", extra={"session": session.number})
                session.open(alone=True)
            case "update_failed":
                session.notify(Fault("update_refused", head["error"]))
            case "failed":
                code = "request_refused" if head["refused"] else "model_error"
                text = head["error"] if head["refused"] else "the model failed on this session"
                _log.error(
                    "session_failed",
                    extra={"session": session.number, "code": code, "kind": head["error"][:80]},
                )
                session.fail(Fault(code, text))

    def engine_up(self, sessions: Collection[int] | None = None) -> None:
        """These sessions (or all) are opened again, on the engine there is for them now."""
        for session in self._those(sessions):
            session.open(alone=self._careful)

    def engine_lost(self, sessions: Collection[int] | None = None) -> None:
        """The engine of these sessions (or all) is gone."""
        self.metrics.engine_lost.inc()
        for session in self._those(sessions):
            session.recovering = True
            session.span.add_event("engine_lost")

    def _engine_died(self, crashed: bool, tried: int) -> None:
        """The engine process is gone; `crashed`: by itself, as it computed session `tried` alone.

        If it was a session's audio that killed it, the next one would die of it, too, and take
        all others along for ever. So they are computed alone until they have caught up, and one
        that an engine dies of twice is given up.
        """
        self._careful = crashed
        session = self._by_number.get(tried) if crashed else None
        if session is not None:
            session.crashes += 1
            if session.crashes >= _CRASHES:
                _log.error("session_kills_engines", extra={"session": session.number})
                session.fail(Fault("worker_lost", "the engine dies of this session's audio"))
        self.engine_lost()

    def can_move(self, session: int) -> bool:
        """Whether another engine would need little of its audio again."""
        found = self._by_number.get(session)
        return found is not None and found.can_move

    def _those(self, numbers: Collection[int] | None) -> list[LiveSession]:
        return [session for session in self.live if numbers is None or session.number in numbers]


def _fitting(asked: str | None, tag: str) -> str | None:
    """What a model's language is called for who asks for one: `de` finds `de-AT`, and it `de`."""
    if asked is None or asked in (tag, tag.partition("-")[0]):
        return tag
    return asked if asked.partition("-")[0] == tag else None


def _told(model: ModelInfo) -> str:
    """Its languages, for people."""
    if model.directions:
        return ", ".join(f"{src} to {tgt}" for src, tgt in model.directions)
    return f"{'/'.join(model.src_langs)} to {'/'.join(model.tgt_langs)}"
