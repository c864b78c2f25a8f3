"""AlignAtt: write what the model, writing it, did not listen to the end of the audio for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from earvoice.policies.view import Action, Read, View, Write, check_least

FRAMES = 4
"""Where neither the request nor the model says otherwise."""


@dataclass(frozen=True)
class AlignAtt:
    """Papi et al. 2023 (arXiv 2305.11408): the last `frames` speech frames are off limits.

        frames heard      0  1  2  3  4  5  6  7 | 8  9        frames = 2
        draft             Ich   habe      das      Haus
        attends most to   1     3         5  6     7  9        "Haus" has two pieces
                                                      ^        ->  write "Ich habe das"

    A frame is what the model attends to, one speech embedding. The first piece that attends most
    to one of the last frames ends what is written, and the word that it belongs to waits. layer:
    whose attention is looked at, counted from 0. None is what the model's configuration says.

    Works with models trained offline only, in the window loop.
    """

    frames: int | None = None
    layer: int | None = None

    kind: ClassVar[str] = "align-att"

    def __post_init__(self) -> None:
        for name, least in (("frames", 1), ("layer", 0)):
            value = getattr(self, name)
            if value is not None:
                check_least(self.kind, name, value, least)

    @property
    def needs_draft(self) -> bool:
        """Yes, with the frames that each of its pieces attends to."""
        return True

    def decide(self, view: View) -> Action:
        """Write the words before the first piece that attends to the end; at the end everything."""
        if view.segments_read == 0:
            return Read()
        if view.source_finished:
            return Write(None)
        if view.candidate is None or view.attended is None:
            raise ValueError(
                "align-att needs View.candidate and View.attended: the session has to draft and "
                "to read the model's attention before asking"
            )
        limit = view.frames - (FRAMES if self.frames is None else self.frames)
        stable = 0
        for pieces in view.attended:
            if any(frame >= limit for frame in pieces):
                break
            stable += 1
        return Write(stable) if stable else Read()
