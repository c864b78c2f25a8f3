"""Any speech processor of simulstream (1.0) as an `Interpreter`.

It is driven by simulstream's own message processor, so samples are the 16 bits of its clients,
chunks are cut as it cuts them, and the end is merged as it merges it. A processor may withdraw any
of its text until the end: what it says are drafts, committed when the stream ends. Its recordings
are to be scored by when text was `shown` (`earvoice.eval.written.Settled`), as simulstream does.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from simulstream.config import yaml_config
from simulstream.server.message_processor import MessageProcessor
from simulstream.server.speech_processors import SpeechProcessor

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Commit, Draft, Event, Finished, Stream
from earvoice.session import Request, Session
from earvoice.units import Seconds


def load_processor(where: str, config: Path) -> ProcessorInterpreter:
    """The processor of `MODULE:Class` with its YAML.

    Raises: UsageError for a module, class or file that is not there.
    """
    module_name, _, name = where.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"{where!r} must be MODULE:Class; {error}") from None
    found = getattr(module, name, None)
    if not (inspect.isclass(found) and SpeechProcessor in found.__mro__):
        raise UsageError(f"{module_name} has no speech processor {name!r}")
    if not config.is_file():
        raise UsageError(f"there is no processor configuration at {config}")
    settings = yaml_config(str(config))
    if not isinstance(getattr(settings, "speech_chunk_size", None), int | float):
        raise UsageError(f"{config}: speech_chunk_size must be a number of seconds")
    processor: Any = found
    processor.load_model(settings)
    return ProcessorInterpreter(processor(settings))


class ProcessorInterpreter:
    """A processor as an `Interpreter`, for one stream at a time."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self._busy: ProcessorSession | None = None

    def open(self, request: Request) -> ProcessorSession:
        """Begins a stream. Raises: UsageError while another has the processor."""
        if self._busy is not None and not self._busy.done:
            raise UsageError("a processor serves one stream at a time; finish the other first")
        self.processor.clear()
        self._busy = ProcessorSession(self, request)
        return self._busy

    def advance(self, sessions: Sequence[Session]) -> list[list[Event]]:
        """What is buffered, of each session."""
        own = [
            item for item in sessions if isinstance(item, ProcessorSession) and item.owner is self
        ]
        if len(own) != len(sessions):
            raise UsageError("advance: a session of another interpreter was given")
        return [session.step() for session in own]


class ProcessorSession:
    """One stream of a processor. Implements `Session`."""

    def __init__(self, owner: ProcessorInterpreter, request: Request) -> None:
        self.owner = owner
        self.done = False
        self._request = request
        self._stream = Stream("translation", request.tgt_lang)
        self._messages: Any = None
        self._rate_hz = 0
        self._waiting = b""
        self._tokens: list[str] = []

    @property
    def lag_s(self) -> Seconds:
        """Seconds of audio that simulstream has not had."""
        return len(self._waiting) / 2 / self._rate_hz if self._waiting else 0.0

    def feed(self, audio: Audio) -> None:
        """Buffers audio as 16-bit samples; channels are mixed down."""
        if self.done:
            raise UsageError("the session is finished; open a new one for more audio")
        if self._messages is None:
            self._rate_hz = audio.rate_hz
            self._messages = MessageProcessor(0, self.owner.processor)
            self._messages.process_metadata(
                {
                    "sample_rate": audio.rate_hz,
                    "source_lang": self._request.src_lang,
                    "target_lang": self._request.tgt_lang,
                }
            )
        if audio.rate_hz != self._rate_hz:
            raise UsageError(f"the rate changed from {self._rate_hz} to {audio.rate_hz} Hz")
        scaled = np.clip(audio.mono() * np.float32(32768), -32768, 32767)
        self._waiting += scaled.astype("<i2").tobytes()

    def push(self, audio: Audio) -> list[Event]:
        """Gives simulstream a packet; what the processor changed."""
        self.feed(audio)
        return self.step()

    def step(self) -> list[Event]:
        """Gives simulstream what is buffered, if anything is."""
        if not self._waiting:
            return []
        waiting, self._waiting = self._waiting, b""
        output = self._messages.process_speech(waiting)
        return [] if output is None else self._change(output)

    def update(self, **changes: Any) -> list[Event]:
        """A processor has nothing that could change. Raises: UsageError."""
        raise UsageError(f"update: a processor cannot change {', '.join(changes) or 'so'}")

    def finish(self) -> list[Event]:
        """Processes what is left; commits what stands."""
        if self.done:
            return []
        events = self.step()
        if self._messages is not None:
            events += self._change(self._messages.end_of_stream())
        text = self._text()
        if text:
            events.append(Commit(self._stream, text))
        self.done = True
        return [*events, Finished()]

    def _change(self, output: Any) -> list[Event]:
        """A draft of what still stands, then one of what is new."""
        events: list[Event] = []
        gone = list(output.deleted_tokens)
        if gone:
            if self._tokens[-len(gone) :] != gone:
                raise UsageError(
                    f"the processor withdrew {gone!r}, which is not the end of its text"
                )
            del self._tokens[-len(gone) :]
            events.append(Draft(self._stream, self._text()))
        if output.new_tokens:
            self._tokens += output.new_tokens
            events.append(Draft(self._stream, self._text()))
        return events

    def _text(self) -> str:
        return str(self.owner.processor.tokens_to_string(self._tokens))
