"""One listener's stream over an offline model: what the window loop (`window.py`) does for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from earvoice.agent.foreign import quoted
from earvoice.events import Boundary, Commit, Draft, Event, Finished, Stream
from earvoice.policies import AlignAtt, Policy, Read, View, drafts_after
from earvoice.session import Request
from earvoice.sessions.attended import by_words
from earvoice.sessions.audio_window import AudioWindow
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.sessions.encoded import Encoded
from earvoice.sessions.fed import FedSession, checked_glossary
from earvoice.sessions.words import split_words
from earvoice.text.languages import primary
from earvoice.text.sentences import ends_sentence
from earvoice.text.stream import TextStream
from earvoice.units import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from earvoice.sessions.window import WindowInterpreter

TOKENS_A_WORD = 8
"""Room for a word of the context; fewer words are told where they are longer."""

_WORDS_A_TERM = 3
"""Of the shortest one, `a = b;`."""


@dataclass(frozen=True)
class Found:
    """What a model adds to a text.

    attended: per token the speech frame it comes from, of `frames`; None where nobody looked.
    """

    tokens: tuple[int, ...] = ()
    attended: tuple[int, ...] | None = None
    frames: int = 0


def told_words(request: Request, most: int) -> tuple[str, ...]:
    """A listener's terms and context as words of a prompt; terms first, and at most `most`.

    Only terms for the request's languages, and none without its translation.
    """
    pair = (primary(request.src_lang), primary(request.tgt_lang))
    words: list[str] = []
    for entry in () if request.glossary is None else checked_glossary(request.glossary):
        if most - len(words) < _WORDS_A_TERM:
            break
        told = quoted(f"{entry.source} = {entry.target};").split()
        if entry.serves(*pair) and len(words) + len(told) <= most:
            words += told
    return (*words, *quoted(request.context).split())[:most]


class WindowSession(FedSession):
    """One listener's stream over an offline model. Implements `Session`."""

    def __init__(self, owner: WindowInterpreter, request: Request) -> None:
        settings = owner.settings
        self._owner = owner
        self.policy: Policy = self.accepted(request.policy or settings.policy)
        self.languages = (primary(request.src_lang), primary(request.tgt_lang))
        self.stream = Stream("translation", self.languages[1])
        self.text = TextStream(owner.tokenizer)
        self.audio = SegmentBuffer(settings.segment_samples)
        self.window = AudioWindow(
            settings.segment_samples, settings.window, settings.pause_after, settings.pauses()
        )
        self.encoded: Encoded | None = None  # by the encoder, where several sessions hear the same
        self.tokens: list[int] = []
        self.end: Samples | None = None
        self._told = told_words(request, settings.context_words // 2)
        self.context: tuple[str, ...] = ()
        self.context = self._context()
        self._words = 0
        self._previous: tuple[tuple[str, ...], ...] = ()
        self._drafted = ""
        self._begun = False
        self._span_start_s = 0.0
        self._final = False
        self._done = False

    @property
    def ready(self) -> bool:
        """Whether a step has something to do."""
        return self.audio.has_segment or (self._final and not self._done)

    def update(self, **changes: Any) -> list[Event]:
        """Changes the policy from here on; a draft that none looks at any more is withdrawn."""
        events = super().update(**changes)
        return events if self.policy.needs_draft else [*events, *self._draft([])]

    def accepted(self, policy: Policy) -> Policy:
        """The policy with what it leaves to the model. Raises: UsageError if the model cannot."""
        return self._owner.completed(policy)

    def finish(self) -> list[Event]:
        """Processes what is left, then closes. A second call gives nothing."""
        if self._done:
            return []
        segments = self.audio.finish()
        if not segments and self.window.size:
            segments = 1  # what a cut left over is still to be translated
        events: list[Event] = []
        for index in range(segments):
            self._final = index == segments - 1
            events += self._advance()
        events += self._commit(self.text.finish(), 0)
        self._done = True
        return [*events, Finished()]

    def progress(self) -> dict[str, Any]:
        """The counters and words between two steps, for JSON."""
        return {
            "tokens": self.tokens,
            "told": self._told,
            "context": self.context,
            "words": self._words,
            "previous": self._previous,
            "drafted": self._drafted,
            "begun": self._begun,
            "span_start_s": self._span_start_s,
        }

    def set_progress(self, saved: Mapping[str, Any]) -> None:
        """Goes on where `progress` was. Raises: KeyError, TypeError for something else."""
        self.tokens = [int(token) for token in saved["tokens"]]
        self._told, self.context = tuple(saved["told"]), tuple(saved["context"])
        self._words = int(saved["words"])
        self._previous = tuple(tuple(draft) for draft in saved["previous"])
        self._drafted, self._begun = str(saved["drafted"]), bool(saved["begun"])
        self._span_start_s = float(saved["span_start_s"])

    def hear(self) -> bool:
        """Takes the next segment. Returns whether the model is to be asked now."""
        if self.audio.has_segment:
            self.window.add(self.audio.take())
        if self._final:
            self.window.end_at(self.audio.heard)
        self.end = self.window.size if self._final else self.window.cut()
        if not self.window.size:
            return False
        return self.closing or self.policy.needs_draft or self.words_allowed() != 0

    @property
    def closing(self) -> bool:
        """Whether the window ends with this step."""
        return self.end is not None

    @property
    def samples(self) -> Tensor:
        """What the model hears in this step. Shapes: [W]."""
        return torch.from_numpy(
            self.window.samples(self.window.size if self.end is None else self.end)
        )

    def words_allowed(self) -> int | None:
        """Words that may be written before the model is asked; None: as many as it has."""
        if self.closing or self.policy.needs_draft:
            return None
        action = self.policy.decide(self._view())
        return 0 if isinstance(action, Read) else action.n

    @property
    def attends(self) -> AlignAtt | None:
        """The policy, where it wants to know what this step's draft attends to."""
        return self.policy if isinstance(self.policy, AlignAtt) and not self.closing else None

    def settle(self, found: Found) -> list[Event]:
        """Writes what the policy allows of a continuation; at a window's end all of it."""
        tokens = list(found.tokens)
        words, edges = split_words(self._owner.tokenizer, tokens)
        kept, count = len(tokens), len(words)
        if self.policy.needs_draft and not self.closing:
            attended = None if found.attended is None else by_words(found.attended, edges)
            action = self.policy.decide(self._view(words, attended, found.frames))
            count = 0
            if not isinstance(action, Read):
                count = len(words) if action.n is None else min(action.n, len(words))
            kept = edges[count] if count else 0
            self._previous = drafts_after(words, self._previous, count)
        events = self._commit(self.text.push(tokens[:kept]), count)
        self.tokens += tokens[:kept]
        if events and ends_sentence(events[-1].text):  # type: ignore[union-attr]
            events.append(Boundary(self.stream, "sentence"))
        if self.policy.needs_draft:
            events += self._draft(tokens[kept:])
        return events

    def begin_next_window(self) -> None:
        """After a window's end: what follows the cut is the beginning of another."""
        if self.end is None:
            return
        self.context = self._context()
        self.window.drop(self.end)
        self.tokens, self._words, self._previous, self.end = [], 0, (), None

    def _context(self) -> tuple[str, ...]:
        """What the listener told before the talk, then the last words written, within the room."""
        most = self._owner.settings.context_words
        tokenizer = self._owner.tokenizer
        before = self.context[len(self._told) :] if self.context else ()
        words = [*before, *tokenizer.decode(self.tokens).split()]
        told = list(self._told)
        words = words[-(most - len(told)) :] if most > len(told) else []
        while len(tokenizer.encode(" ".join([*told, *words]))) > most * TOKENS_A_WORD:
            del (words or told)[0]
        self._told = tuple(told)
        return (*told, *words)

    def _view(
        self,
        candidate: tuple[str, ...] | None = None,
        attended: tuple[tuple[int, ...], ...] | None = None,
        frames: int = 0,
    ) -> View:
        return View(
            self.window.segments,
            self._words,
            self.closing,
            candidate,
            self._previous,
            attended,
            frames,
        )

    def _commit(self, text: str, words: int) -> list[Event]:
        self._words += words
        if not text:
            return []
        self._drafted, self._begun = "", True
        end = self.window.start + (self.window.size if self.end is None else self.end)
        end_s = round(min(end, self.audio.heard) / SAMPLE_RATE, 3)
        start_s = max(self._span_start_s, round(self.window.start / SAMPLE_RATE, 3))
        self._span_start_s = start_s
        return [Commit(self.stream, text, (start_s, end_s))]

    def _draft(self, tokens: list[int]) -> list[Event]:
        """A new draft, when it differs from the last."""
        tokenizer = self._owner.tokenizer
        text = tokenizer.decode(tokens)
        if self._begun and tokens and tokenizer.is_word_start(tokens[0]):
            text = f" {text}"
        if text == self._drafted:
            return []
        self._drafted = text
        return [Draft(self.stream, text)]
