"""A clock that tests move."""

from __future__ import annotations

from earvoice.units import Seconds


class FakeClock:
    """Waiting jumps; computing takes what `spend` says. A `Clock` of the driver."""

    def __init__(self) -> None:
        self._now_s: Seconds = 0.0
        self.waits: list[Seconds] = []

    def wait_until(self, time_s: Seconds) -> None:
        """Jump to `time_s`, unless it has passed."""
        self.waits.append(time_s)
        self._now_s = max(self._now_s, time_s)

    def now_s(self) -> Seconds:
        """The time the test has come to."""
        return self._now_s

    def spend(self, duration_s: Seconds) -> None:
        """Let time pass, as a slow model would."""
        self._now_s += duration_s
