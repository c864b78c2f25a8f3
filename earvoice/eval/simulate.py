"""Simulation: recordings through sessions, with every event stamped.

ideal   computing takes no time; several streams may share a batch; repeatable to the byte
wall    one queue: chunk k arrives at A_k, starts when it has arrived and k - 1 is done, and
        ends at F_k = max(A_k, F_{k-1}) + c_k, with c_k measured. Nothing sleeps.

A packet is a chunk of this queue, and what is heard when an event comes is the end of its packet.
The last packet and the end of the source are one chunk, as in other tools:

    packet      |---0---|---1---|-2-|
    call                push    push feed, finish
    heard_s             1p      2p  end
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from earvoice.audio import Audio, AudioClock
from earvoice.errors import AudioError, UsageError
from earvoice.eval.hypotheses import microseconds
from earvoice.eval.runlog import Logged, RecordingHead, RunLog
from earvoice.events import Event, Stamped
from earvoice.session import Interpreter, Request, Session

CLOCK_NAMES = ("ideal", "wall")


@dataclass(frozen=True)
class Recording:
    """Something to translate: `packets` gives its audio anew at every call."""

    head: RecordingHead
    packets: Callable[[], Iterator[Audio]]


@dataclass(frozen=True)
class Failed:
    """A recording that could not be read; nothing of it is in the log."""

    name: str
    error: AudioError


class _Packets:
    """A recording's packets, with a look whether another follows."""

    def __init__(self, packets: Iterator[Audio]) -> None:
        self._packets = packets
        self._next = next(packets, None)

    def take(self) -> Audio | None:
        """The next packet; None at the end."""
        packet = self._next
        self._next = next(self._packets, None)
        return packet

    @property
    def ended(self) -> bool:
        """Whether no packet is left."""
        return self._next is None


@dataclass(eq=False)
class _Run:
    """One recording on its way: its session, its clocks, what it said."""

    recording: Recording
    session: Session
    packets: _Packets
    clock: AudioClock | None = None
    heard_s: float = 0.0
    free_us: int = 0
    total_us: int = 0
    events: list[Logged] = field(default_factory=list)

    def hear(self) -> list[Audio]:
        """The next packet, if there is one; moves the source clock to its end."""
        packet = self.packets.take()
        if packet is None:
            return []
        self.clock = self.clock or AudioClock(packet.rate_hz)
        self.heard_s = self.clock.advance(packet.n_samples)
        return [packet]

    def note(self, events: Sequence[Event], took_us: int) -> None:
        """Stamps what a chunk said; `took_us` is 0 on the ideal clock."""
        heard_us = microseconds(1000 * self.heard_s)
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
    timer_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Failed]:
    """Runs every recording that the log does not have yet, in order.

    Args: streams: how many at a time; on the ideal clock only. done: told after each recording.
        timer_ns: measures computing, on the wall clock.
    Returns: the recordings whose audio is not legal or cannot be read. The others are not touched
        by that, and a later call tries these again.
    Raises: UsageError for an unknown clock, or several streams on the wall clock.
    """
    if clock not in CLOCK_NAMES:
        raise UsageError(f"clock is {clock!r}, it must be one of {', '.join(CLOCK_NAMES)}")
    if streams < 1 or (clock == "wall" and streams > 1):
        raise UsageError(
            f"streams is {streams}, it must be 1 on the wall clock, at least 1 on the ideal one: "
            "streams that share a batch share its computing"
        )
    failed: list[Failed] = []
    known = set(log.done)
    left = [item for item in recordings if item.head.name not in known]
    for start in range(0, len(left), streams):
        runs = _opened(interpreter, left[start : start + streams], request, failed)
        if clock == "wall":
            runs = [run for run in runs if _alone(run, timer_ns, failed)]
        else:
            runs = _together(interpreter, runs, failed)
        for run in runs:
            log.write(run.recording.head, run.events, run.total_us)
            done(run.recording)
    return failed


def _opened(
    interpreter: Interpreter,
    recordings: Sequence[Recording],
    request: Request,
    failed: list[Failed],
) -> list[_Run]:
    runs = []
    for recording in recordings:
        try:
            packets = _Packets(recording.packets())
        except AudioError as error:
            failed.append(Failed(recording.head.name, error))
        else:
            runs.append(_Run(recording, interpreter.open(request), packets))
    return runs


def _alone(run: _Run, timer_ns: Callable[[], int], failed: list[Failed]) -> bool:
    """Runs one recording on the wall clock; False if its audio failed."""
    try:
        while True:
            packets = run.hear()
            start_ns = timer_ns()
            events = _chunk(run, packets)
            run.note(events, (timer_ns() - start_ns) // 1000)
            if run.packets.ended:
                return True
    except AudioError as error:
        _give_up(run, error, failed)
        return False


def _chunk(run: _Run, packets: Sequence[Audio]) -> list[Event]:
    """The events of one packet; of the last one, all that are left."""
    if not run.packets.ended:
        return [event for packet in packets for event in run.session.push(packet)]
    for packet in packets:
        run.session.feed(packet)
    return run.session.finish()


def _together(interpreter: Interpreter, runs: Sequence[_Run], failed: list[Failed]) -> list[_Run]:
    """Packet by packet, all streams in step; a session's chunks are one batch.

    Returns: those that came to their end, in order.
    """
    going, lost = list(runs), []
    while going:
        rest = []
        for run in going:
            try:
                for packet in run.hear():
                    run.session.feed(packet)
            except AudioError as error:
                _give_up(run, error, failed)
                lost.append(run)
                continue
            if run.packets.ended:
                run.note(run.session.finish(), 0)
            else:
                rest.append(run)
        going = rest
        _advance_all(interpreter, going)
    return [run for run in runs if run not in lost]


def _advance_all(interpreter: Interpreter, runs: Sequence[_Run]) -> None:
    """Advances the streams until none has a whole chunk left."""
    sessions = [run.session for run in runs]
    waiting = None
    while sessions and waiting != [session.lag_s for session in sessions]:
        waiting = [session.lag_s for session in sessions]
        for run, events in zip(runs, interpreter.advance(sessions), strict=True):
            run.note(events, 0)


def _give_up(run: _Run, error: AudioError, failed: list[Failed]) -> None:
    """Notes what failed and closes the session, so that its place is free again."""
    failed.append(Failed(run.recording.head.name, error))
    run.session.finish()
