"""One listener's stream over an append-only model: its policy, its text, and how it ends."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Draft, Event, Finished, Stream
from earvoice.policies import Policy, View, WaitK
from earvoice.session import Request
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.sessions.fed import FedSession
from earvoice.sessions.hearing import Listener
from earvoice.sessions.pool import RowPool
from earvoice.sessions.progress import Progress
from earvoice.text.sentences import ends_sentence
from earvoice.text.stream import TextStream
from earvoice.units import SAMPLE_RATE

if TYPE_CHECKING:
    from earvoice.sessions.append import AppendInterpreter


class AppendSession(FedSession):
    """One listener's stream over an append-only model. Implements `Session`."""

    def __init__(
        self,
        owner: AppendInterpreter,
        request: Request,
        pool: RowPool,
        row: int,
        listener: Listener,
    ) -> None:
        self._owner = owner
        self.row = row  # of the language model's cache
        self.listener = listener
        # Called by `finish`, or when the session is dropped; a second call does nothing, so that
        # a finished session which is collected late cannot free a row that is leased again.
        self._give_back = weakref.finalize(self, pool.release, row)
        self._give_back.atexit = False
        self.policy: Policy = self.accepted(request.policy or owner.settings.policy)
        self.stream = Stream("translation", owner.settings.tgt_lang)
        self.text = TextStream(owner.tokenizer)
        self.progress = Progress(prompt=owner.settings.prompt(wait_of(self.policy)))
        self.audio = SegmentBuffer(owner.segment_samples)
        self.span_start_s = 0.0
        self._done = False

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        segments = self.audio.finish()
        events: list[Event] = []
        if self.audio.heard:
            silent = self._silence(segments)
            self.audio.add_silence(silent)
            for index in range(segments + silent):
                self.progress.final = index == segments + silent - 1
                events += self._advance()
        events += self._commit(self.text.finish())
        self._done = True
        self._give_back()
        self.listener.leave()
        return [*events, Finished()]

    def update(self, **changes: Any) -> list[Event]:
        """Changes the policy from here on, and the k that the model was told."""
        events = super().update(**changes)
        self._owner.retell(self)
        return events

    def accepted(self, policy: Policy) -> Policy:
        """The policy. Raises: UsageError where what it waits for would have left the window."""
        settings, wait = self._owner.settings, wait_of(policy)
        if settings.keep < wait <= settings.window:
            raise UsageError(
                f"wait-k: k is {wait}; this model's window keeps {settings.keep} segments, so k is "
                f"1 to {settings.keep}, or above {settings.window} to wait for the window's end"
            )
        return super().accepted(policy)

    def view(self, candidate: tuple[str, ...] | None = None) -> View:
        """What the policy sees."""
        progress = self.progress
        return View(progress.segments, progress.words, progress.final, candidate, progress.previous)

    def write(self, tokens: Sequence[int], words: int) -> list[Event]:
        """Commits tokens; returns the events."""
        self.progress.words += words
        events = self._commit(self.text.push(tokens))
        if events and ends_sentence(events[-1].text):  # type: ignore[union-attr]
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
        progress = self.progress
        progress.drafted = ""  # for a listener, a commit takes the place of the draft
        size_s = self.audio.size / SAMPLE_RATE
        heard_s = self.audio.heard / SAMPLE_RATE
        end_s = min((progress.dropped + progress.segments) * size_s, heard_s)
        start_s = end_s - size_s * min(wait_of(self.policy), progress.segments)
        self.span_start_s = max(self.span_start_s, start_s)  # also when k was changed
        return [Commit(self.stream, text, (round(self.span_start_s, 3), round(end_s, 3)))]

    def _silence(self, segments: int) -> int:
        """How many silent segments follow the last `segments`.

        What a holding model needs to finish, what a late speech model still owes, and one if
        otherwise the consultation of the end had nothing to stand on.
        """
        settings, wait = self._owner.settings, wait_of(self.policy)
        silent = wait - 1 if settings.holds and wait < settings.window else 0
        silent += settings.late
        return silent if segments + silent else 1


def wait_of(policy: Policy) -> int:
    """The k of a wait-k policy; others consult after every segment."""
    return policy.k if isinstance(policy, WaitK) else 1
