"""Speech encoded once for all sessions that hear the same speaker: one row, several listeners.

    steps        1    2    3    4    5
    row          |----|----|----|----|----|      encoder state after step 5
    listeners    A has taken 5, B has taken 3      kept: what steps 4 and 5 gave, until B takes it

A session has a row for itself unless `share` says that others are fed the same samples: then
whoever comes to a step first has it encoded, and what it gave is kept until the last has taken it.
Nobody waits for anybody. Sessions that are to share but stand at different steps, because one was
restored or is fed again from its beginning, keep their own rows until these meet.

The end of a stream is no step of the speaker's: what silence fills up is encoded by each session
on a row of its own, so that one may end while others go on. Where others are ahead by then, that
row is made from what `Past` holds: the row as it was some steps ago, and the samples since.
"""

from __future__ import annotations

import weakref
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earvoice.errors import UsageError
from earvoice.nn.state import State
from earvoice.sessions.buffer import SegmentBuffer
from earvoice.sessions.pool import RowPool

Heard = tuple[Tensor, ...]
"""What one step of audio gave to one listener, without the batch dimension."""
Encode = Callable[[Tensor, Any, Sequence[int]], Heard]
"""Samples [B, W], state and rows -> tensors whose first dimension is B."""
MOST_PAST_ROWS = 8
"""Rows that a past holds; between two of them, samples are encoded once more."""


@dataclass
class Past:
    """How a row came to stand where it does, as far back as the slowest listener.

    rows: the row as it was after some steps, the oldest first. samples: of every step since the
    oldest. The farther back it reaches the farther apart are its rows: a row may be megabytes, the
    samples of a step are not.
    """

    rows: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
    samples: deque[NDArray[np.float32]] = field(default_factory=deque)

    def add(self, step: int, row: dict[str, Tensor], samples: NDArray[np.float32]) -> None:
        """The row before one more step of these samples."""
        if not self.rows or step - self.rows[-1][0] > len(self.samples) // MOST_PAST_ROWS:
            self.rows.append((step, row))
        self.samples.append(samples)
        if len(self.rows) > MOST_PAST_ROWS:
            del self.rows[1::2]

    def forget(self, slowest: int) -> None:
        """Drops what is not needed to come to this step or a later one."""
        while len(self.rows) > 1 and self.rows[1][0] <= slowest:
            first, _ = self.rows.pop(0)
            for _ in range(self.rows[0][0] - first):
                self.samples.popleft()

    def to(self, step: int) -> tuple[dict[str, Tensor], list[NDArray[np.float32]]] | None:
        """A row and the samples that bring it to a step; None where it does not reach so far."""
        before = [(at, row) for at, row in self.rows if at <= step]
        if not before:
            return None
        at, row = before[-1]
        first = self.rows[0][0]
        return row, list(self.samples)[at - first : step - first]

    def save(self, slowest: int) -> dict[str, Tensor]:
        """As tensors: the oldest row that is needed for this step, and all samples since.

        Empty where it does not reach so far.
        """
        found = [(at, row) for at, row in self.rows if at <= slowest]
        if not found:
            return {}
        at, row = found[-1]
        since = list(self.samples)[at - self.rows[0][0] :]
        whole = {"step": torch.tensor(at), "samples": torch.from_numpy(np.stack(since))}
        return whole | {f"row.{name}": leaf for name, leaf in row.items()}

    @classmethod
    def of(cls, saved: Mapping[str, Tensor]) -> Past:
        """The past of `save`."""
        if not saved:
            return cls()
        row = {k.removeprefix("row."): leaf for k, leaf in saved.items() if k.startswith("row.")}
        return cls([(int(saved["step"]), row)], deque(saved["samples"].numpy()))


class Hearing:
    """A row of encoder state after `steps` steps, and what the last of them gave.

    kept: a checksum of its samples and the output of each step that some listener has not taken:
    as many as the slowest is behind the quickest. past: how the row came from there to here.
    peers: all hearings of the same speaker.
    """

    def __init__(self, pool: RowPool) -> None:
        self.row = pool.lease()
        self.steps = 0
        self.kept: deque[tuple[int, Heard]] = deque()
        self.past = Past()
        self.listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self.peers: weakref.WeakSet[Hearing] = weakref.WeakSet([self])
        # When the last listener has left or was dropped.
        weakref.finalize(self, pool.release, self.row).atexit = False

    @property
    def shared(self) -> bool:
        """Whether several listen."""
        return len(self.listeners) > 1

    def forget_taken(self) -> None:
        """Drops what all listeners have."""
        slowest = min((listener.step for listener in self.listeners), default=self.steps)
        while self.kept and self.steps - len(self.kept) < slowest:
            self.kept.popleft()
        if self.kept:
            self.past.forget(slowest)
        else:
            self.past = Past()

    def take_in(self, other: Hearing) -> None:
        """The listeners of another one that stands at the same step listen here from now on."""
        if len(other.kept) > len(self.kept):
            self.kept = other.kept
        if len(other.past.samples) > len(self.past.samples):
            self.past = other.past
        for listener in list(other.listeners):
            listener.move_to(self)
        self.peers.discard(other)


class Listener:
    """A session's place in a hearing: the steps it has taken."""

    def __init__(self, hearing: Hearing) -> None:
        self.step = 0
        self._hearing: Hearing | None = None
        self.move_to(hearing)

    @property
    def hearing(self) -> Hearing:
        """What it listens to. Raises: UsageError after `leave`."""
        if self._hearing is None:
            raise UsageError("the session is finished; it hears nothing any more")
        return self._hearing

    @property
    def waiting(self) -> list[tuple[int, Heard]]:
        """What was encoded and not taken yet, the oldest first."""
        behind = self.hearing.steps - self.step
        return list(self.hearing.kept)[len(self.hearing.kept) - behind :]

    def move_to(self, hearing: Hearing) -> None:
        """Listens to another one."""
        self.leave()
        self._hearing = hearing
        hearing.listeners.add(self)

    def save_past(self) -> dict[str, Tensor]:
        """What a saved session needs beside its row to end while the row is ahead of it."""
        return self.hearing.past.save(self.step) if self.waiting else {}

    def restore(
        self,
        step: int,
        waiting: Sequence[tuple[int, Heard]],
        past: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Stands where a saved one stood; the row of its own, new hearing is loaded apart.

        past: of `save_past`; a session that is restored without must hear all that waits.
        """
        self.step = step
        self.hearing.steps = step + len(waiting)
        self.hearing.kept.extend(waiting)
        self.hearing.past = Past.of(past or {})

    def leave(self) -> None:
        """Takes nothing more. A second call does nothing."""
        if self._hearing is not None:
            self._hearing.listeners.discard(self)
            self._hearing = None


@dataclass(frozen=True)
class Step:
    """The next samples [W] of a listener; padded: silence that nobody said is among them."""

    listener: Listener
    samples: NDArray[np.float32]
    padded: bool

    @classmethod
    def of(cls, listener: Listener, audio: SegmentBuffer) -> Step:
        """The next segment of a session's audio."""
        padded = audio.pads_next
        return cls(listener, audio.take(), padded)


class Hearings:
    """All rows of one encoder, as batches. Not thread-safe; its interpreter is."""

    def __init__(self, encode: Encode, state: State) -> None:
        self.state = state
        self._encode = encode
        self._pool = RowPool(state)

    def open(self) -> Listener:
        """A listener to a row of its own, empty."""
        return Listener(Hearing(self._pool))

    def share(self, listeners: Sequence[Listener]) -> None:
        """These and whoever shares with them already are fed the same samples from the start."""
        peers: weakref.WeakSet[Hearing] = weakref.WeakSet()
        for listener in listeners:
            peers |= listener.hearing.peers
        for hearing in peers:
            hearing.peers = peers
        for hearing in list(peers):
            _meet(hearing)

    def hear(self, steps: Sequence[Step]) -> list[Heard]:
        """What the encoder makes of the next step of each listener.

        Raises: UsageError for samples that differ from what others heard at the same step. If the
        encoder fails, listeners that are not among `steps` go on as if nothing had happened.
        """
        new: dict[Hearing, tuple[int, NDArray[np.float32]]] = {}
        for step in steps:
            listener = step.listener
            mark = zlib.crc32(step.samples.tobytes())
            waiting = listener.waiting
            if step.padded and (not waiting or waiting[0][0] != mark):
                self._part(listener)
                waiting = listener.waiting
            heard = (
                waiting[0] if waiting else new.setdefault(listener.hearing, (mark, step.samples))
            )
            if heard[0] != mark:
                raise UsageError("sessions that share an encoder were fed different samples")
        groups = defaultdict(list)
        ordered = sorted(new, key=lambda hearing: hearing.row)
        phases = self.state.phases([hearing.row for hearing in ordered])
        for phase, hearing in zip(phases, ordered, strict=True):
            groups[phase].append(hearing)
        for group in groups.values():
            self._run([(hearing, *new[hearing]) for hearing in group])
        found = [_taken(step.listener) for step in steps]
        for hearing in ordered:
            _meet(hearing)
        return found

    def _run(self, group: Sequence[tuple[Hearing, int, NDArray[np.float32]]]) -> None:
        """One step of rows of equal phase."""
        rows = [hearing.row for hearing, _, _ in group]
        before = {h.row: self.state.save_row(h.row) for h, _, _ in group if h.shared}
        try:
            batch = torch.from_numpy(np.stack([samples for _, _, samples in group]))
            outputs = self._encode(batch, self.state, rows)
        except BaseException:  # it may have broken off anywhere
            for row, saved in before.items():
                self.state.load_row(row, saved)
            raise
        for item, (hearing, mark, samples) in enumerate(group):
            if hearing.row in before:
                hearing.past.add(hearing.steps, before[hearing.row], samples)
            hearing.steps += 1
            hearing.kept.append((mark, tuple(output[item] for output in outputs)))

    def _part(self, listener: Listener) -> None:
        """A row for one listener alone, who is at its end: what it hears is not the speaker."""
        hearing = listener.hearing
        behind = bool(listener.waiting)
        if not hearing.shared and not behind:
            hearing.peers.discard(hearing)
            hearing.peers = weakref.WeakSet([hearing])
            return
        past = hearing.past.to(listener.step) if behind else None
        if behind and past is None:
            return  # restored from a snapshot without a past
        own = Hearing(self._pool)
        if past is None:
            self.state.fork(hearing.row, own.row)
        else:
            row, samples = past
            self.state.load_row(own.row, row)
            for missed in samples:
                self._encode(torch.from_numpy(missed)[None], self.state, [own.row])
        own.steps = listener.step
        listener.move_to(own)
        if hearing.listeners:
            hearing.forget_taken()


def _taken(listener: Listener) -> Heard:
    heard = listener.waiting[0][1]
    listener.step += 1
    listener.hearing.forget_taken()
    return heard


def _meet(hearing: Hearing) -> None:
    """Hearings of one speaker that stand at the same step are one from here on."""
    for other in list(hearing.peers):
        if other is not hearing and other.steps == hearing.steps and hearing.listeners:
            hearing.take_in(other)
