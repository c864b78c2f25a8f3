"""The frame loop: a transducer decides in every frame whether to write; there is no policy.

    audio    |240 ms|240 ms|240 ms|240 ms| ...
    fast        4      4      4      4        frames -> transcript search
    slow                            16        frames -> translation search
    events      transcript of SELF and OTHER          translation of SELF and OTHER

Each step takes the samples of one chunk of the fast encoder. Rows of one step share all matrix
products; a search keeps a few hypotheses of a stream. Tokens that all of them share are committed,
those of the best one beyond are its draft. Nothing grows: hours cost what minutes cost.
"""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from earvoice.audio import Audio
from earvoice.audio.arrays import MicrophoneArray
from earvoice.errors import UsageError
from earvoice.events import Event, Finished, Note, Stream
from earvoice.models.transducer import Transducer
from earvoice.nn.state import State
from earvoice.search.transducer import SearchState, Token, TransducerSettings, begin, search
from earvoice.session import Request, Session
from earvoice.sessions.channels import ChannelBuffer
from earvoice.sessions.fed import own_sessions, refuse_knowledge
from earvoice.sessions.pool import RowPool
from earvoice.sessions.speakers import SpeakerStreams
from earvoice.text.languages import primary
from earvoice.text.tokenizer import Tokenizer
from earvoice.units import SAMPLE_RATE, Samples, Seconds

ROLES = ("transcript", "translation")
SPEAKERS = ("SELF", "OTHER")


class FrameModel(Protocol):
    """Samples to the frames of two encoders, and a transducer on each."""

    @property
    def array(self) -> MicrophoneArray:
        """The microphones it hears with."""
        ...

    @property
    def step_samples(self) -> Samples:
        """The step of a live stream."""
        ...

    @property
    def transducers(self) -> tuple[Transducer, Transducer]:
        """For the transcript on fast frames, for the translation on slow ones."""
        ...

    def init_state(self, rows: int, like: Tensor) -> State:
        """Empty streams."""
        ...

    def encode(self, samples: Tensor, state: Any, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Samples [B, C, W] -> fast frames [B, T, D] and slow ones [B, T', D']; T may be 0."""
        ...

    def flush(self, state: Any, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The frames that are still owed when the streams end."""
        ...

    @property
    def relays(self) -> bool:
        """Whether the translation hears the transcript instead of fast frames: a cascade."""
        ...

    def relay(self, tokens: Sequence[int], state: Any, row: int, *, last: bool) -> Tensor:
        """Final tokens of a transcript -> slow frames [T, D]; T may be 0."""
        ...


@dataclass(frozen=True)
class FrameSettings:
    """What the loop needs to know besides the model.

    pairs: languages of the wearer and the partner. tags: tokens that say who speaks, wearer first.
    frame_s: seconds a frame. searches: for the transcript and the translation.
    """

    pairs: tuple[tuple[str, str], ...]
    tags: tuple[int, int]
    frame_s: Seconds
    searches: tuple[TransducerSettings, TransducerSettings]


class FrameSession:
    """One conversation. Implements `Session`."""

    def __init__(self, owner: FrameInterpreter, request: Request, pool: RowPool, row: int) -> None:
        self._owner, self.row = owner, row
        self._give_back = weakref.finalize(self, pool.release, row)
        self._give_back.atexit = False
        self.audio = ChannelBuffer(owner.model.step_samples, owner.model.array)
        self.transcript = request.transcript
        self.searches = [begin(transducer) for transducer in owner.model.transducers]
        languages = (primary(request.src_lang), primary(request.tgt_lang))
        self._streams = [
            SpeakerStreams(
                owner.tokenizer,
                _labels(role, languages, owner.settings.tags),
                None if owner.model.relays and role == "translation" else owner.frame_s,
            )
            for role in ROLES
        ]
        self._done = False

    @property
    def lag_s(self) -> Seconds:
        """Seconds of audio received but not yet processed."""
        return self.audio.waiting_s

    def feed(self, audio: Audio) -> None:
        """Buffers audio of any rate, with as many channels as the model has microphones.

        A model of one microphone takes any number and mixes them.
        Raises: AudioError for another number of channels.
        """
        if self._done:
            raise UsageError("the session is finished; open a new one for more audio")
        self.audio.push(audio)

    def push(self, audio: Audio) -> list[Event]:
        """Buffers, then advances while a whole step waits."""
        self.feed(audio)
        events: list[Event] = []
        while self.audio.has_segment:
            events += self._owner.advance([self])[0]
        return events

    def update(self, **changes: Any) -> list[Event]:
        """Turns the transcript on or off from here on.

        Raises: UsageError naming what can change.
        """
        if self._done:
            raise UsageError("the session is finished; nothing can change any more")
        unknown = sorted(changes.keys() - {"transcript"})
        if unknown:
            raise UsageError(f"update: {unknown[0]!r} cannot change here; 'transcript' can")
        wanted = changes.get("transcript", self.transcript)
        if not isinstance(wanted, bool):
            raise UsageError(f"update: transcript is {wanted!r}, it must be true or false")
        events: list[Event] = []
        if self.transcript and not wanted:
            heard_s = self.audio.heard / SAMPLE_RATE
            if not self._owner.model.relays:  # else the translation still waits for what is open
                events = self._streams[0].commit(self.searches[0].close(), heard_s)
            events += self._streams[0].close(heard_s)
        self.transcript = wanted
        return events

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        events: list[Event] = []
        for _ in range(self.audio.finish()):
            events += self._owner.advance([self])[0]
        if self.audio.heard:
            events += self._owner.flush(self)
        self._done = True
        self._give_back()
        return [*events, Finished()]

    def is_of(self, owner: FrameInterpreter) -> bool:
        """Whether an interpreter opened this session."""
        return self._owner is owner

    def write(self, role: int, final: Sequence[Token], *, last: bool = False) -> list[Event]:
        """What a search found, as events."""
        streams, state = self._streams[role], self.searches[role]
        heard_s = self.audio.heard / SAMPLE_RATE
        if not last:
            return [*streams.commit(final, heard_s), *streams.draft(state.open)]
        events = streams.commit([*final, *state.close()], heard_s)
        return [*events, *streams.close(heard_s)]


class FrameInterpreter:
    """A loaded transducer model. Implements `Interpreter`."""

    gives_transcript = True

    def __init__(
        self, model: FrameModel, tokenizer: Tokenizer, settings: FrameSettings, *, rows: int = 1
    ) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self.frame_s = settings.frame_s
        with torch.inference_mode():
            self.state = model.init_state(rows, torch.zeros(0))
        self._pool = RowPool(self.state)
        self._lock = threading.Lock()

    @property
    def microphones(self) -> int:
        """Channels that its sessions are to be given; one takes any number and mixes them."""
        return self.model.array.channels

    def open(self, request: Request) -> FrameSession:
        """Begins a stream. `src_lang` is what the wearer speaks, `tgt_lang` what the partner does.

        Raises: UsageError for languages this model does not have, and for a policy.
        """
        if request.policy is not None:
            raise UsageError("this model decides frame by frame when to write; it takes no policy")
        refuse_knowledge(request, "glossary", "context")
        asked = (primary(request.src_lang), primary(request.tgt_lang))
        for place, name in enumerate(("src_lang", "tgt_lang")):
            known = sorted({pair[place] for pair in self.settings.pairs})
            if asked[place] not in known:
                raise UsageError(
                    f"{name} is {getattr(request, name)!r}; this model has "
                    f"{', '.join(map(repr, known))}"
                )
        if asked not in self.settings.pairs:
            pairs = ", ".join(f"{src}-{tgt}" for src, tgt in self.settings.pairs)
            raise UsageError(f"the languages are {'-'.join(asked)}; this model has {pairs}")
        with self._lock, torch.inference_mode():
            row = self._pool.lease()
            return FrameSession(self, request, self._pool, row)

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """One step of each session that has one, as one batch.

        Raises: UsageError for a session of another interpreter, or one given twice.
        """
        events: list[list[Event]] = [[] for _ in sessions]
        own = own_sessions(self, FrameSession, sessions)
        ready = [(place, session) for place, session in enumerate(own) if session.audio.has_segment]
        with self._lock, torch.inference_mode():
            ready.sort(key=lambda item: item[1].row)
            groups = defaultdict(list)
            phases = self.state.phases([session.row for _, session in ready])
            for phase, member in zip(phases, ready, strict=True):
                groups[phase].append(member)
            heard: list[tuple[int, FrameSession, tuple[Tensor, Tensor]]] = []
            for group in groups.values():
                heard += self._encode(group, events)
            found = self._search([session for _, session, _ in heard], [f for _, _, f in heard])
            for (place, _, _), new in zip(heard, found, strict=True):
                events[place] += new
        return events

    def flush(self, session: FrameSession) -> list[Event]:
        """The end of a stream: the frames that are owed, and the best hypotheses."""
        with self._lock, torch.inference_mode():
            frames = self.model.flush(self.state, [session.row])
            return self._search([session], [(frames[0][0], frames[1][0])], last=True)[0]

    def _encode(
        self, group: Sequence[tuple[int, FrameSession]], events: list[list[Event]]
    ) -> list[tuple[int, FrameSession, tuple[Tensor, Tensor]]]:
        """One step of sessions at the same phase: their fast and slow frames."""
        taken: list[tuple[np.ndarray, list[Note]]] = [s.audio.take() for _, s in group]
        for (place, _), (_, notes) in zip(group, taken, strict=True):
            events[place] += notes
        samples = torch.from_numpy(np.stack([samples for samples, _ in taken]))
        rows = [session.row for _, session in group]
        fast, slow = self.model.encode(samples, self.state, rows)
        return [
            (place, session, (fast[item], slow[item]))
            for item, (place, session) in enumerate(group)
        ]

    def _search(
        self,
        sessions: Sequence[FrameSession],
        frames: Sequence[tuple[Tensor, Tensor]],
        *,
        last: bool = False,
    ) -> list[list[Event]]:
        """Both searches of all sessions, and what comes of them."""
        events: list[list[Event]] = [[] for _ in sessions]
        parts = [list(pair) for pair in frames]
        for role, transducer in enumerate(self.model.transducers):
            wanted = role == 1 or self.model.relays
            asked = [item for item, s in enumerate(sessions) if wanted or s.transcript]
            for item in set(range(len(sessions))).difference(asked):
                sessions[item].searches[role].skip(len(parts[item][role]))
            states: list[SearchState] = [sessions[item].searches[role] for item in asked]
            given = [parts[item][role] for item in asked]
            found = search(transducer, states, given, self.settings.searches[role], last=last)
            for item, final in zip(asked, found, strict=True):
                session = sessions[item]
                if role == 0 and self.model.relays:
                    parts[item][1] = self._relayed(session, final, last=last)
                if role == 1 or session.transcript:
                    events[item] += session.write(role, final, last=last)
        return events

    def _relayed(self, session: FrameSession, final: Sequence[Token], *, last: bool) -> Tensor:
        """A cascade: what has become final of the transcript is all that the translation hears."""
        tokens = [*final, *(session.searches[0].open if last else ())]
        return self.model.relay([token.id for token in tokens], self.state, session.row, last=last)


def _labels(role: str, languages: tuple[str, str], tags: tuple[int, int]) -> dict[int, Stream]:
    """Streams by tag: a transcript is in the speaker's language, a translation in the other's."""
    spoken = languages if role == "transcript" else languages[::-1]
    return {
        tag: Stream(role, language, speaker)  # type: ignore[arg-type]
        for tag, language, speaker in zip(tags, spoken, SPEAKERS, strict=True)
    }
