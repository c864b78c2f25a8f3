"""Any model of this package as a speech processor of simulstream (1.0).

    type: earvoice.interop.simulstream_processor.EarvoiceProcessor
    speech_chunk_size: 0.96          # seconds: when a chunk is processed, so it defines the delays
    model: fasst-mini-en-de
    policy: wait-k:k=3,n=3           # or hold-n:n=4, offline; without it, the model's own
    detokenizer_type: simuleval      # with latency_unit: what simulstream's scorers ask for
    latency_unit: spm                # spm (words, in pieces), word or char
    drafts: false                    # true: also show, and withdraw, what is not committed

`speech_chunk_size` should be a whole number of samples: simulstream waits for another chunk when
one is a sample short.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from simulstream.server.speech_processors import SAMPLE_RATE, SpeechProcessor
from simulstream.server.speech_processors.incremental_output import IncrementalOutput

from earvoice.audio import Audio
from earvoice.eval.written import common_prefix
from earvoice.events import Commit, Draft, Event
from earvoice.interop.opening import OpenedModel, open_model
from earvoice.session import Session
from earvoice.text.shown_tokens import ShownTokens, text_of, token_unit


class EarvoiceProcessor(SpeechProcessor):  # type: ignore[misc]  # the tool has no types
    """One stream at a time over a model that all processors share."""

    _models: ClassVar[dict[tuple[str, str | None], OpenedModel]] = {}

    _session: Session | None
    _src_lang: str | None
    _tgt_lang: str | None
    _committed: ShownTokens
    _shown: list[str]
    _draft: str

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__(config)
        self._unit = token_unit(getattr(config, "latency_unit", "spm"))
        self._drafts = bool(getattr(config, "drafts", False))
        self._model = self._models[_key(config)]
        self.clear()

    @classmethod
    def load_model(cls, config: SimpleNamespace) -> None:
        """Loads the model once, however many processors serve it."""
        key = _key(config)
        if key not in cls._models:
            cls._models[key] = open_model(*key, getattr(config, "threads", 1))

    def set_source_language(self, language: str) -> None:
        """The language of the next stream."""
        self._src_lang = language

    def set_target_language(self, language: str) -> None:
        """The language of the next stream."""
        self._tgt_lang = language

    def process_chunk(self, waveform: NDArray[np.float32]) -> IncrementalOutput:
        """What a chunk changes."""
        if self._session is None:
            self._session = self._model.open(self._src_lang, self._tgt_lang)
            self._committed.space()
        samples = np.ascontiguousarray(waveform, dtype=np.float32)
        events = self._session.push(Audio.of(samples, SAMPLE_RATE))
        last = len(samples) < round(self.speech_chunk_size * SAMPLE_RATE)
        return self._change(events, rewrite=last)

    def end_of_stream(self) -> IncrementalOutput:
        """What the end changes. More audio after it is a new stream, its text after this one's."""
        events = [] if self._session is None else self._session.finish()
        self._session = None
        return self._change(events)

    def tokens_to_string(self, tokens: list[str]) -> str:
        """The text of tokens."""
        return text_of(tokens, self._unit)

    def clear(self) -> None:
        """Ready for the next stream."""
        self._session = None
        self._src_lang = None
        self._tgt_lang = None
        self._committed = ShownTokens(self._unit)
        self._shown = []
        self._draft = ""

    def _change(self, events: Sequence[Event], rewrite: bool = False) -> IncrementalOutput:
        """What the events change in what is shown.

        rewrite: a draft that stays is withdrawn and written again, where nothing else is written.
        simulstream 1.0 merges the last chunk with the end, and loses what the end withdraws if
        the chunk wrote nothing.
        """
        committed = self._committed
        for event in events:
            if isinstance(event, Commit) and event.stream.role == "translation":
                committed.add(event.text)
                self._draft = ""
            elif isinstance(event, Draft) and event.stream.role == "translation":
                self._draft = event.text
        shown = committed.with_draft(self._draft) if self._drafts else list(committed.tokens)
        same = common_prefix(self._shown, shown)
        if rewrite and len(committed.tokens) < same == len(shown):
            same -= 1
        new, gone = shown[same:], self._shown[same:]
        self._shown = shown
        texts = (text_of(tokens, self._unit, after=same > 0) for tokens in (new, gone))
        return IncrementalOutput(new, next(texts), gone, next(texts))


def _key(config: SimpleNamespace) -> tuple[str, str | None]:
    return getattr(config, "model", "fasst-mini-en-de"), getattr(config, "policy", None)
