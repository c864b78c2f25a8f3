"""Where an append session stands in its stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from earvoice.text.prompt import Prompt


@dataclass
class Progress:
    """A session's place in its stream; all counters, no tensors.

    segments: read since the stream began anew; dropped: read before that. words: committed.
    speech, text: how many entries of each kind there have been since the prompt.
    next_text: position of the next text entry.
    last: the committed token to feed again (its step in `last_step`), None before the first
    consultation. final: the source has ended. drafted: the draft a listener sees;
    previous: see `policies.View`.
    """

    segments: int = 0
    dropped: int = 0
    words: int = 0
    speech: int = 0
    text: int = 0
    next_text: int = 0
    last: int | None = None
    last_step: int = 0
    final: bool = False
    drafted: str = ""
    previous: tuple[tuple[str, ...], ...] = ()
    prompt: Prompt = field(default_factory=lambda: Prompt((), ()))

    @property
    def next_entry(self) -> tuple[int, int]:
        """Position and segment of the next text entry."""
        return self.next_text, self.segments
