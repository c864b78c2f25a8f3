"""An interpreter without a model: it says what a function of the audio tells it to say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from earvoice.audio import Audio, AudioClock, Resampler
from earvoice.errors import UsageError
from earvoice.events import Boundary, Commit, Draft, Event, Finished, Note, Stream
from earvoice.policies import AlignAtt, Policy, View, Write, drafts_after
from earvoice.session import Request, Session
from earvoice.testing import snapshot
from earvoice.units import SAMPLE_RATE, Samples, Seconds


@dataclass(frozen=True, eq=False)
class Chunk:
    """One step's audio. Shapes: `samples` float32 [W] at 16 kHz; the last may be short."""

    start_s: Seconds
    end_s: Seconds
    samples: NDArray[np.float32]


Say: TypeAlias = Callable[[Chunk], Iterable[str]]
"""The words a chunk makes available; a pure function."""


def scripted(words: Iterable[tuple[Seconds, str]]) -> Say:
    """Say each word in the chunk that holds its time: `[(0.5, "Guten"), (0.9, "Tag")]`."""
    script = sorted(words)

    def say(chunk: Chunk) -> list[str]:
        return [word for time_s, word in script if chunk.start_s <= time_s < chunk.end_s]

    return say


def loudness() -> Say:
    """Say how loud each chunk is, in dB, as `-12dB`; nothing below -60 dB."""

    def say(chunk: Chunk) -> list[str]:
        power = (
            float(np.square(chunk.samples, dtype=np.float64).mean()) if chunk.samples.size else 0
        )
        return [f"{10 * np.log10(power):.3f}dB"] if power > 1e-6 else []

    return say


@dataclass(frozen=True)
class FakeInterpreter:
    """Fulfils the whole contract of `Interpreter`, in microseconds.

    - `say`: what becomes available to write after each chunk (`scripted`, `loudness`).
    - `policy`: when to write it, unless the request says; None: at once.
    - `drafts`: also show what is available but not written.
    - `takes_terms`: `live` to say a glossary's target in place of a word that is its source.
    - `gives_transcript`: also say the words as a transcript, where asked for.
    - `on_step`: called once per step and session, e.g. `lambda: clock.spend(0.2)`.
    """

    say: Say
    src_langs: tuple[str, ...] = ("en",)
    tgt_langs: tuple[str, ...] = ("de", "es")
    chunk_samples: Samples = 5120
    policy: Policy | None = None
    drafts: bool = False
    on_step: Callable[[], None] | None = None
    takes_terms: Literal["none", "live"] = "none"
    gives_transcript: bool = False

    def open(self, request: Request) -> FakeSession:
        """Begin a stream."""
        self.check(request)
        return FakeSession(self, request)

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One chunk of each session that has one waiting."""
        fakes = [session for session in sessions if isinstance(session, FakeSession)]
        if len(fakes) != len(sessions):
            raise UsageError("advance: a session of another interpreter was given")
        return [session.step() for session in fakes]

    def save(self, session: Session) -> bytes:
        """A session to go on with in another process (`Resumable`)."""
        if not isinstance(session, FakeSession):
            raise UsageError("save: a session of another interpreter was given")
        return snapshot.save(session)

    def restore(self, request: Request, data: bytes) -> FakeSession:
        """The session of `save`."""
        session = self.open(request)
        snapshot.restore(session, data)
        return session

    def check(self, request: Request) -> None:
        """Refuse languages this interpreter was not made with, and policies it cannot serve."""
        for name, legal in (("src_lang", self.src_langs), ("tgt_lang", self.tgt_langs)):
            value = getattr(request, name)
            if value not in legal:
                raise UsageError(f"{name} is {value!r}, it must be one of {', '.join(legal)}")
        if request.glossary is not None and self.takes_terms == "none":
            raise UsageError("glossary: this model takes none; leave it out")
        if isinstance(request.policy, AlignAtt):
            raise UsageError("policy align-att needs the attention of a model; this has none")


class FakeSession:
    """One stream of a `FakeInterpreter`."""

    def __init__(self, interpreter: FakeInterpreter, request: Request) -> None:
        self._interpreter = interpreter
        self._request = request
        self._resampler = Resampler()
        self._clock: AudioClock | None = None
        self._waiting: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._done: Samples = 0
        self._steps = 0
        self._written = 0
        self._heard: list[str] = []  # not yet in the transcript
        self._transcribed = False
        self._pending: list[tuple[str, Seconds, Seconds]] = []
        self._drafts: tuple[tuple[str, ...], ...] = ()
        self._finished = False

    @property
    def lag_s(self) -> Seconds:
        """Seconds of audio received but not yet processed."""
        if self._clock is None or self._finished:
            return 0.0
        return max(0.0, self._clock.seconds - self._done / SAMPLE_RATE)

    def feed(self, audio: Audio) -> None:
        """Buffer audio."""
        self._check_open()
        self._waiting = np.concatenate([self._waiting, self._resampler.push(audio)])
        self._clock = self._clock or AudioClock(audio.rate_hz)
        self._clock.advance(audio.n_samples)

    def push(self, audio: Audio) -> list[Event]:
        """Buffer audio and process every whole chunk."""
        self.feed(audio)
        events: list[Event] = []
        while self._has_chunk():
            events += self._interpreter.advance([self])[0]
        return events

    def step(self) -> list[Event]:
        """Process one whole chunk, if one waits."""
        self._check_open()
        if not self._has_chunk():
            return []
        return self._process(self._interpreter.chunk_samples, last=False)

    def update(self, **changes: Any) -> list[Event]:
        """Change `tgt_lang` or `policy` from the next word on."""
        self._check_open()
        legal: tuple[str, ...] = ("tgt_lang", "policy")
        if self._interpreter.takes_terms == "live":
            legal += ("glossary",)
        for name in changes:
            if name not in legal:
                raise UsageError(f"update: {name!r} cannot be changed, only {', '.join(legal)} can")
        request = dataclasses.replace(self._request, **changes)
        self._interpreter.check(request)
        self._request = request
        return [Note("updated", {"changed": sorted(changes)})]

    def finish(self) -> list[Event]:
        """Process what is left and end."""
        if self._finished:
            return []
        self._waiting = np.concatenate([self._waiting, self._resampler.flush()])
        events: list[Event] = []
        while self._has_chunk():
            events += self.step()
        events += self._process(len(self._waiting), last=True)
        if self._written:
            events.append(Boundary(self._stream(), "turn"))
        self._finished = True
        return [*events, Finished()]

    def _check_open(self) -> None:
        if self._finished:
            raise UsageError("the session is finished; open a new one")

    def _has_chunk(self) -> bool:
        return len(self._waiting) >= self._interpreter.chunk_samples

    def _stream(self) -> Stream:
        return Stream("translation", self._request.tgt_lang)

    def _process(self, size: Samples, last: bool) -> list[Event]:
        samples, self._waiting = self._waiting[:size], self._waiting[size:]
        start_s = self._done / SAMPLE_RATE
        self._done += size
        chunk = Chunk(start_s, self._done / SAMPLE_RATE, samples)
        if size:
            self._steps += 1
            words = [self._term(word) for word in self._interpreter.say(chunk)]
            self._pending += [(word, chunk.start_s, chunk.end_s) for word in words]
            self._heard += words
        if self._interpreter.on_step is not None:
            self._interpreter.on_step()
        return self._write(self._quota(last))

    def _term(self, word: str) -> str:
        glossary = self._request.glossary
        entry = None if glossary is None else glossary.get(word)
        return word if entry is None else entry.target

    def _transcript(self) -> list[Event]:
        heard, self._heard = self._heard, []
        if not (self._interpreter.gives_transcript and self._request.transcript and heard):
            return []
        text = " ".join(heard)
        spaced, self._transcribed = (f" {text}" if self._transcribed else text), True
        return [Commit(Stream("transcript", self._request.src_lang), spaced)]

    def _quota(self, last: bool) -> int:
        """How many of the pending words may be written now."""
        policy = self._request.policy or self._interpreter.policy
        if policy is None:
            return len(self._pending)
        candidate = tuple(word for word, _, _ in self._pending) if policy.needs_draft else None
        action = policy.decide(View(self._steps, self._written, last, candidate, self._drafts))
        quota = 0
        if isinstance(action, Write):
            quota = len(self._pending) if action.n is None else min(action.n, len(self._pending))
        if candidate is not None:
            self._drafts = drafts_after(candidate, self._drafts, quota)
        return quota

    def _write(self, quota: int) -> list[Event]:
        written, self._pending = self._pending[:quota], self._pending[quota:]
        events: list[Event] = self._transcript()
        for word, start_s, end_s in written:
            text = f" {word}" if self._written else word
            self._written += 1
            events.append(Commit(self._stream(), text, (start_s, end_s)))
        if self._interpreter.drafts and self._pending:
            draft = " ".join(word for word, _, _ in self._pending)
            events.append(Draft(self._stream(), f" {draft}" if self._written else draft))
        return events
