"""One session for a client of another protocol: audio in, native messages out, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

from pydantic import ValidationError

from earvoice.serve.errors import Fault
from earvoice.serve.frames import pack_frame
from earvoice.serve.protocol import DraftMessage, EventMessage, ModelInfo, Start, read_server
from earvoice.serve.sessions import Sessions
from earvoice.text.languages import LANGUAGES, primary
from earvoice.units import Seconds

Said: TypeAlias = EventMessage | DraftMessage
_POLL_S: Seconds = 0.05


def language_tag(given: object) -> str | None:
    """The BCP-47 tag of `de`, `de-DE`, `deu`, `deu_Latn` or `German`. Errors: `Fault`."""
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > 32:
        raise Fault("request_refused", "a language must be a tag such as 'de'")
    first, _, rest = given.strip().replace("_", "-").partition("-")
    names = {entry.name.lower(): code for code, entry in LANGUAGES.items()}
    if first.lower() in names:
        return names[first.lower()]
    code = primary(first)
    if code != first.lower():  # of three letters, and what follows is a script
        return code
    return f"{code}-{rest}" if rest else code


def start_of(**options: Any) -> Start:
    """A native request. Errors: `Fault` naming the option that is not legal."""
    try:
        return Start.model_validate(options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:64] for part in first["loc"][:4])
        raise Fault("request_refused", f"{where}: {first['msg']}"[:300]) from None


def model_named(sessions: Sessions, name: str) -> ModelInfo | None:
    """A served model, None if there is none of that name."""
    return next((model for model in sessions.models if model.name == name), None)


class NativeStream:
    """A session and its only reader. Errors of everything here: `Fault`."""

    def __init__(self, sessions: Sessions, start: Start) -> None:
        self._sessions = sessions
        self.session = sessions.open(start)
        self._reader = self.session.owner = self.session.subscribe()
        self.closed = False

    @property
    def truncated(self) -> bool:
        """Whether the audio ends inside a sample."""
        return self.session.reader.truncated

    async def hear(self, pcm: bytes) -> None:
        """Take audio, cut anywhere; waits while too much waits for the model."""
        limits, session = self._sessions.settings.limits, self.session
        if session.finishing:
            raise Fault("message_out_of_order", "audio came after the end; it was ignored")
        self._check_open()
        most = int(limits.max_frame_s * session.reader.rate_hz) * 2
        for at in range(0, len(pcm), most):
            before_s = session.heard_s
            session.hear(pack_frame(session.reader.received, pcm[at : at + most]))
            self._sessions.metrics.heard(session.heard_s - before_s)
            while session.lag_s > limits.max_lag_s and not session.over:
                await asyncio.sleep(_POLL_S)
                self._check_open()

    def finish(self) -> None:
        """No more audio."""
        self.session.reader.forget_rest()
        self.session.finish()

    def take(self) -> list[Said]:
        """What was said since the last call."""
        return [read_server(text) for text in self._reader.take()]

    async def said(self) -> AsyncIterator[Said]:
        """Everything, as it comes, to the end of the session."""
        while True:
            self._check_open()
            taken = self.take()
            for message in taken:
                yield message
            while self._reader.notices:
                raise self._reader.notices.pop(0)
            if self.session.finished and self._reader.cursor >= self.session.last_seq:
                return
            self.session.ack(self._reader.cursor)
            await self._reader.wait(1.0)

    async def settled(self) -> list[Said]:
        """What all audio so far lets the model say, or, after `finish`, all the rest."""
        if self.session.finishing:
            return [message async for message in self.said()]
        mark, taken = self.session.mark(), list[Said]()
        while self.session.marked < mark:
            self._check_open()
            taken += self.take()
            await self._reader.wait(1.0)
        taken += self.take()
        self.session.ack(self._reader.cursor)
        return taken

    def _check_open(self) -> None:
        if self.closed:
            raise Fault("request_refused", "the session was closed while an answer was awaited")
        # One that is over stays readable; of any other, nothing more would ever come.
        if not self.session.over and self.session not in self._sessions.live:
            for_s = self._sessions.settings.limits.resume_window_s
            raise Fault("idle", f"the session was dropped after {for_s:g} s without audio")

    def keep(self) -> None:
        """Its client is there, though it sends no audio: between two requests it waits anew."""
        if self.session.left_s is not None:
            self.rest(waits=False)
            self.rest(waits=True)

    def rest(self, *, waits: bool) -> None:
        """Between two requests: a session that `waits` too long for the next is dropped."""
        if not waits:
            self.session.left_s = None
        elif not self.closed:
            self._sessions.left(self.session, for_good=False)

    def close(self) -> None:
        """The session is over; its row is free."""
        if not self.closed:
            self.closed = True
            self._reader.wake()
            self.session.unsubscribe(self._reader)
            self._sessions.remove(self.session)
