"""The model's turn: what it may look like, and how it is read.

A turn is control tokens with text between them (`TURN` in `earvoice.agent.codec` has the ids):

    live   <cut 0>                                  nothing is finished yet
           <cut k>                                  silence or fillers up to k: nothing to say
           <cut k> <st> translation                 direct
           <asr> words <cut k> tail <st> translation      chain of thought
    whole  <st> translation
           <asr> words <st> translation
           <asr> words                              a transcript was asked for

and ends with the end token. k is the cut-off in speech embeddings from the window's start: the
words before it are finished and translated, the tail is heard again in the next round. (CLASI's
figures 2 and 3 show cut-off, transcript, translation; how a time and an empty turn are written is
not published. Here the cut-off stands between the words that are finished and the rest, so that
the memory knows which words to keep.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

ASR, ST, END, OTHER = -1, -2, -3, -4
"""Marks of a turn besides text and cut-offs; OTHER is a control token that has no place in it."""

Place = Literal["start", "words", "tail", "cut", "said", "end"]


@dataclass(frozen=True)
class Piece:
    """A token of a turn. mark: ASR, ST, END, OTHER; k >= 0 for `<cut k>`; None for text."""

    mark: int | None
    token: int


@dataclass(frozen=True)
class Turn:
    """A turn that was read. words, tail, translation: token ids of text.

    cut: in embeddings from the window's start. fault: what was wrong, None for a legal turn.
    """

    words: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()
    translation: tuple[int, ...] = ()
    cut: int = 0
    fault: str | None = None


def marks_after(place: Place, *, whole: bool) -> tuple[frozenset[int], bool, bool]:
    """What may come next: marks, whether a cut-off, whether text."""
    table: dict[Place, tuple[frozenset[int], bool, bool]] = {
        "start": (frozenset({ASR, ST} if whole else {ASR}), not whole, False),
        "words": (frozenset({ST, END} if whole else ()), not whole, True),
        "tail": (frozenset({ST, END}), False, True),
        "cut": (frozenset({ST, END}), False, False),
        "said": (frozenset({END}), False, True),
        "end": (frozenset(), False, False),
    }
    return table[place]


def step(place: Place, mark: int | None, *, whole: bool) -> Place | None:
    """The place after a piece; None where the piece is not legal."""
    marks, cut, text = marks_after(place, whole=whole)
    if mark is None:
        return place if text else None
    if mark >= 0:
        if not cut:
            return None
        return "tail" if place == "words" else "cut"
    if mark not in marks:
        return None
    following: dict[int, Place] = {ASR: "words", ST: "said", END: "end"}
    return following[mark]


def read_turn(pieces: Sequence[Piece], end: int, *, whole: bool) -> Turn:
    """Reads a turn strictly; what is not legal comes back with a `fault` and what can be used.

    end: embeddings in the window. Where a live turn is broken, its translation is used only if it
    had begun and its cut-off is known, and then up to the fault; otherwise the turn is empty, so
    that the audio is heard again. In a whole turn, all that was said before the fault is used: the
    window ends whatever the model says.
    """
    parts: dict[Place, list[int]] = {"words": [], "tail": [], "said": []}
    place: Place = "start"
    cut, fault = 0, None
    for number, (piece, following) in enumerate(_walk(pieces, whole=whole)):
        if following is None:
            fault = f"token {number} has no place after {place!r}"
            break
        if piece.mark is None:
            parts[place].append(piece.token)
        elif piece.mark >= 0:
            cut = piece.mark
        place = following
    if fault is None and place != "end":
        fault = f"it ends in {place!r}"
    if cut > end:
        fault, cut = fault or f"cut-off {cut} of {end}", end
    words, tail, said = (tuple(parts[name]) for name in ("words", "tail", "said"))
    if whole:
        return Turn(words, tail, said, end, fault)
    if fault is None and cut == 0 and said:
        fault = "a translation of nothing"
    usable = cut > 0 and (fault is None or bool(said))
    return Turn(words, tail, said, cut, fault) if usable else Turn(tail=words + tail, fault=fault)


def _walk(pieces: Sequence[Piece], *, whole: bool) -> Iterator[tuple[Piece, Place | None]]:
    place: Place = "start"
    for piece in pieces:
        following = step(place, piece.mark, whole=whole)
        yield piece, following
        if following is None:
            return
        place = following
