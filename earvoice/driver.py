"""Drives one session with audio and stamps what it says; the only place where time is told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from earvoice.audio import Audio, AudioClock
from earvoice.events import Event, Stamped
from earvoice.session import Session
from earvoice.units import Seconds


class Clock(Protocol):
    """A clock that starts at 0 with the stream."""

    def wait_until(self, time_s: Seconds) -> None:
        """Return when `now_s` is at least `time_s`."""
        ...

    def now_s(self) -> Seconds:
        """Seconds since the stream began; never goes back."""
        ...


class WallClock:
    """Real time, by the monotonic clock: sleeps until audio would have been spoken."""

    def __init__(self) -> None:
        self._start_s: Seconds | None = None

    def wait_until(self, time_s: Seconds) -> None:
        """Sleep for what is left; at once if the machine is behind."""
        left_s = time_s - self.now_s()
        if left_s > 0:
            time.sleep(left_s)

    def now_s(self) -> Seconds:
        """Seconds since the first call."""
        now_s = time.monotonic()
        if self._start_s is None:
            self._start_s = now_s
        return now_s - self._start_s


class IdealClock:
    """Time moves with the audio only, as if computing took none."""

    def __init__(self) -> None:
        self._now_s: Seconds = 0.0

    def wait_until(self, time_s: Seconds) -> None:
        """Jump to `time_s`."""
        self._now_s = max(self._now_s, time_s)

    def now_s(self) -> Seconds:
        """The end of the last audio waited for."""
        return self._now_s


def drive(session: Session, packets: Iterable[Audio], clock: Clock) -> Iterator[Stamped]:
    """Give each packet to the session when it would have been heard; stamp every event.

        packet      |---0---|---1---|---2---|
        pushed at           ^       ^       ^      the end of the packet, not its start
        heard_s             1p      2p      3p     seconds of audio given so far

    A late machine gets packets without waiting; `wall_s - heard_s` then grows, and nothing is
    dropped. The last event is the session's `Finished`.
    """
    audio_clock: AudioClock | None = None
    heard_s = 0.0
    seq = 0

    def stamp(events: Iterable[Event]) -> Iterator[Stamped]:
        nonlocal seq
        for event in events:
            yield Stamped(seq, heard_s, clock.now_s(), event)
            seq += 1

    for packet in packets:
        if audio_clock is None:
            audio_clock = AudioClock(packet.rate_hz)
        heard_s = audio_clock.advance(packet.n_samples)
        clock.wait_until(heard_s)
        yield from stamp(session.push(packet))
    yield from stamp(session.finish())
