r"""Any model of this package as a SimulEval agent (SimulEval 1.1).

    simuleval --agent simuleval_agent.py --model fasst-mini-en-de --policy wait-k:k=3,n=3 \
        --source wavs.txt --target references.txt --source-segment-size 40 --output OUT

or `--agent-class earvoice.interop.simuleval_agent.EarvoiceAgent` in place of `--agent FILE`.
SimulEval gives each segment as a list of numbers; what was new since the last call goes to a
session of ours. All that a stream remembers is in its states, so the agent serves many.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
from simuleval.agents import SpeechToTextAgent
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.agents.states import AgentStates
from simuleval.utils import entrypoint

from earvoice.audio import Audio
from earvoice.events import Commit, Event
from earvoice.interop.opening import open_model
from earvoice.session import Session

_LOG = logging.getLogger("earvoice.interop.simuleval_agent")


class SessionStates(AgentStates):  # type: ignore[misc]  # the tool has no types
    """SimulEval's view of a stream, with our session in it."""

    session: Session | None
    given: int  # samples of `source` that the session has
    wrote: bool

    def reset(self) -> None:
        """A new stream."""
        super().reset()
        self.session = None
        self.given = 0
        self.wrote = False


@entrypoint
class EarvoiceAgent(SpeechToTextAgent):  # type: ignore[misc]
    """Speech to text by a session. SimulEval only appends: drafts are not shown."""

    def __init__(self, args: Namespace) -> None:
        self._model = open_model(args.model, args.policy, args.threads)
        super().__init__(args)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("--model", default="fasst-mini-en-de", help="a name or a folder")
        parser.add_argument("--policy", help="wait-k:k=3,n=3, hold-n:n=4 or offline")
        parser.add_argument("--threads", type=int, default=1, help="of the arithmetic")

    def build_states(self) -> SessionStates:
        """Empty states."""
        return SessionStates()

    def policy(self, states: SessionStates | None = None) -> Action:
        """Gives the session what is new; writes what it commits.

        At the end of the source it always writes, be it nothing: else SimulEval would go on to
        the next recording with this one's states.
        """
        states = self.states if states is None else states
        events: list[Event] = []
        packet = self._packet(states)
        session = states.session
        if states.source_finished:
            if session is not None:
                for audio in packet:
                    session.feed(audio)
                events = session.finish()
            return WriteAction(self._text(events, states), finished=True)
        for audio in packet:
            events += session.push(audio) if session is not None else []
        text = self._text(events, states)
        return WriteAction(text, finished=False) if text.strip() else ReadAction()

    def _packet(self, states: Any) -> list[Audio]:
        """The samples that the session has not had; opens it with the first."""
        new = states.source[states.given :]
        states.given = len(states.source)
        if not new:
            return []
        if states.session is None:
            language = states.tgt_lang if isinstance(states.tgt_lang, str) else None
            states.session = self._model.open(tgt_lang=language or None)
        samples = np.asarray(new, dtype=np.float32)
        frames = samples[:, None] if samples.ndim == 1 else samples  # a file of several channels
        return [Audio(np.ascontiguousarray(frames.T), states.source_sample_rate)]

    def _text(self, events: list[Event], states: SessionStates) -> str:
        text = "".join(event.text for event in events if isinstance(event, Commit))
        if text and states.wrote and not text[0].isspace():
            _LOG.warning("%r goes on with a word that SimulEval already counts as whole", text)
        states.wrote = states.wrote or bool(text)
        return text
