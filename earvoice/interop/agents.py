"""Any SimulEval agent (SimulEval 1.1), speech to text, as an `Interpreter`.

SimulEval says with the last segment that it is the last. So does our simulation, which feeds the
last packet and then finishes; a live stream, which cannot know, ends with an empty segment.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simuleval.data.segments import EmptySegment, SpeechSegment

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.eval.units import default_unit
from earvoice.events import Commit, Event, Finished, Stream
from earvoice.session import Request, Session
from earvoice.units import Seconds


def load_agent(where: str, options: str = "") -> AgentInterpreter:
    """The agent of `FILE.py:Class`. options: its own, as on SimulEval's command line.

    Raises: UsageError for a file or class that is not there, an agent that is not speech to text,
    an option it does not know.
    """
    agent_class = _class_of(where)
    parser = argparse.ArgumentParser(prog=where, exit_on_error=False, add_help=False)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--source-segment-size", type=int, default=10)
    agent_class.add_args(parser)
    try:
        args, rest = parser.parse_known_args(shlex.split(options))
    except (argparse.ArgumentError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from None
    if rest:
        raise UsageError(f"{where}: the agent has no option {rest[0]!r}")
    return AgentInterpreter(agent_class.from_args(args))


def _class_of(where: str) -> Any:
    path, _, name = where.rpartition(":")
    if not path or not Path(path).is_file():
        raise UsageError(f"{where!r} must be FILE.py:Class, with a file that is there")
    spec = importlib.util.spec_from_file_location(f"agent_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and pickles of the file look it up
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not inspect.isclass(found) or not hasattr(found, "pushpop"):
        raise UsageError(f"{path} has no agent class {name!r}")
    return found


class AgentInterpreter:
    """An agent as an `Interpreter`.

    An agent whose `policy` takes states can serve several streams; one that keeps them itself
    serves one at a time.
    """

    def __init__(self, agent: Any) -> None:
        kinds = (agent.source_type, agent.target_type)
        if kinds != ("speech", "text"):
            raise UsageError(f"the agent is {kinds[0]} to {kinds[1]}, it must be speech to text")
        self.agent = agent
        self.shares = len(inspect.signature(agent.policy).parameters) > 0
        self._busy: AgentSession | None = None

    def open(self, request: Request) -> AgentSession:
        """Begins a stream. Raises: UsageError while another has the agent."""
        if self.shares:
            return AgentSession(self, request, self.agent.build_states())
        if self._busy is not None and not self._busy.done:
            raise UsageError("this agent serves one stream at a time; finish the other first")
        self.agent.reset()
        self._busy = AgentSession(self, request, None)
        return self._busy

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """What is buffered, as one segment of each session."""
        own = [item for item in sessions if isinstance(item, AgentSession) and item.owner is self]
        if len(own) != len(sessions):
            raise UsageError("advance: a session of another interpreter was given")
        return [session.step() for session in own]


class AgentSession:
    """One stream of an agent: every push is a segment. Implements `Session`."""

    def __init__(self, owner: AgentInterpreter, request: Request, states: Any) -> None:
        self.owner = owner
        self.done = False
        self._states = states
        self._language = request.tgt_lang
        self._stream = Stream("translation", request.tgt_lang)
        self._unit = default_unit(request.tgt_lang)
        self._waiting: list[NDArray[np.float32]] = []
        self._rate_hz = 0
        self._wrote = False

    @property
    def lag_s(self) -> Seconds:
        """Seconds of audio that the agent has not had."""
        return sum(map(len, self._waiting)) / self._rate_hz if self._waiting else 0.0

    def feed(self, audio: Audio) -> None:
        """Buffers audio; channels are mixed down, the rate stays as it is."""
        if self.done:
            raise UsageError("the session is finished; open a new one for more audio")
        if self._rate_hz not in (0, audio.rate_hz):
            raise UsageError(f"the rate changed from {self._rate_hz} to {audio.rate_hz} Hz")
        self._rate_hz = audio.rate_hz
        if audio.n_samples:
            self._waiting.append(audio.mono())

    def push(self, audio: Audio) -> list[Event]:
        """Gives the agent a segment; what it writes."""
        self.feed(audio)
        return self.step()

    def step(self) -> list[Event]:
        """Gives the agent what is buffered, if anything is."""
        return self._ask(self._segment(finished=False)) if self._waiting else []

    def update(self, **changes: Any) -> list[Event]:
        """An agent has nothing that could change. Raises: UsageError."""
        raise UsageError(f"update: a SimulEval agent cannot change {', '.join(changes) or 'so'}")

    def finish(self) -> list[Event]:
        """Gives the agent what is buffered as the last segment, else an empty one that says so."""
        if self.done:
            return []
        last = self._segment(finished=True) if self._waiting else EmptySegment(finished=True)
        events = self._ask(last)
        self._reset()
        self.done = True
        return [*events, Finished()]

    def _segment(self, *, finished: bool) -> Any:
        samples = np.concatenate(self._waiting)
        self._waiting = []
        return SpeechSegment(
            content=samples.tolist(),
            sample_rate=self._rate_hz,
            finished=finished,
            tgt_lang=self._language,
        )

    def _ask(self, segment: Any) -> list[Event]:
        """One exchange, and the text in it as SimulEval counts it: words, or characters."""
        answer = self.owner.agent.pushpop(segment, self._states)
        said = "" if answer.is_empty else answer.content
        if answer.finished:  # also when the source goes on: the agent begins anew
            self._reset()
        if not isinstance(said, str):
            raise UsageError(f"the agent wrote {type(said).__name__}, it must write text")
        text = "".join(said.split()) if self._unit == "char" else " ".join(said.split())
        if not text:
            return []
        spaced = f" {text}" if self._wrote and self._unit == "word" else text
        self._wrote = True
        return [Commit(self._stream, spaced)]

    def _reset(self) -> None:
        if self._states is None:
            self.owner.agent.reset()
        else:
            self._states.reset()
