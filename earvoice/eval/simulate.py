"""Simulation: recordings through sessions, with every event stamped.

ideal   computing takes no time; several streams may share a batch; repeatable to the byte
wall    one queue: chunk k arrives at A_k, starts when it has arrived and k - 1 is done, and
        ends at F_k = max(A_k, F_{k-1}) + c_k, with c_k measured. Nothing sleeps.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from earvoice.audio import Audio, AudioClock
from earvoice.errors import UsageError
from earvoice.eval.runlog import Logged, RecordingHead, RunLog
from earvoice.events import Event, Stamped
from earvoice.session import Interpreter, Request, Session

CLOCK_NAMES = ("ideal", "wall")


@dataclass(frozen=True)
class Recording:
    """Something to translate: `packets` gives its audio anew at every call."""

    head: RecordingHead
    packets: Callable[[], Iterator[Audio]]


@dataclass
class _Run:
    """One recording on its way: its session, its clocks, what it said."""

    recording: Recording
    session: Session
    packets: Iterator[Audio]
    clock: AudioClock | None = None
    heard_s: float = 0.0
    free_us: int = 0
    total_us: int = 0
    events: list[Logged] = field(default_factory=list)

    def hear(self, packet: Audio) -> None:
        """Moves the source clock by one packet."""
        self.clock = self.clock or AudioClock(packet.rate_hz)
        self.heard_s = self.clock.advance(packet.n_samples)

    def note(self, events: Sequence[Event], took_us: int) -> None:
        """Stamps what a chunk said; `took_us` is 0 on the ideal clock."""
        heard_us = round(self.heard_s * 1_000_000)
        self.free_us = max(heard_us, self.free_us) + took_us
        self.total_us += took_us
        for event in events:
            stamped = Stamped(len(self.events), self.heard_s, self.free_us / 1_000_000, event)
            self.events.append(Logged(stamped, took_us, self.total_us))


def simulate(
    interpreter: Interpreter,
    recordings: Sequence[Recording],
    request: Request,
    log: RunLog,
    *,
    clock: str = "ideal",
    streams: int = 1,
    done: Callable[[Recording], None] = lambda recording: None,
) -> None:
    """Runs every recording that the log does not have yet, in order.

    Args: streams: how many at a time; on the ideal clock only. done: told after each recording.
    Raises: UsageError for an unknown clock, or several streams on the wall clock.
    """
    if clock not in CLOCK_NAMES:
        raise UsageError(f"clock is {clock!r}, it must be one of {', '.join(CLOCK_NAMES)}")
    if streams < 1 or (clock == "wall" and streams > 1):
        raise UsageError(
            f"streams is {streams}, it must be 1 on the wall clock, at least 1 on the ideal one: "
            "streams that share a batch share its computing"
        )
    left = [item for item in recordings if item.head.name not in log.done]
    for start in range(0, len(left), streams):
        group = left[start : start + streams]
        runs = [_Run(item, interpreter.open(request), item.packets()) for item in group]
        if clock == "wall":
            _alone(runs[0])
        else:
            _together(interpreter, runs)
        for run in runs:
            log.write(run.recording.head, run.events, run.total_us)
            done(run.recording)


def _alone(run: _Run) -> None:
    for packet in run.packets:
        run.hear(packet)
        _timed(run, functools.partial(run.session.push, packet))
    _timed(run, run.session.finish)


def _timed(run: _Run, work: Callable[[], list[Event]]) -> None:
    start_ns = time.perf_counter_ns()
    events = work()
    run.note(events, (time.perf_counter_ns() - start_ns) // 1000)


def _together(interpreter: Interpreter, runs: Sequence[_Run]) -> None:
    """Packet by packet, all streams in step; a session's chunks are one batch."""
    going = list(runs)
    while going:
        heard = [run for run in going if _feed_next(run)]
        for run in going:
            if run not in heard:
                run.note(run.session.finish(), 0)
        going = heard
        _advance_all(interpreter, going)


def _advance_all(interpreter: Interpreter, runs: Sequence[_Run]) -> None:
    """Advances the streams until none has a whole chunk left."""
    sessions = [run.session for run in runs]
    waiting = None
    while sessions and waiting != [session.lag_s for session in sessions]:
        waiting = [session.lag_s for session in sessions]
        for run, events in zip(runs, interpreter.advance(sessions), strict=True):
            run.note(events, 0)


def _feed_next(run: _Run) -> bool:
    packet = next(run.packets, None)
    if packet is None:
        return False
    run.session.feed(packet)
    run.hear(packet)
    return True
