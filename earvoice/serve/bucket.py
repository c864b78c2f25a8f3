"""How often something may be done."""

from __future__ import annotations

import time


class Bucket:
    """At most so many a second, with a second's worth at once."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._level: float = per_s
        self._at_s = time.monotonic()

    def take(self) -> bool:
        """Whether it may be done now; if so, it counts."""
        now_s = time.monotonic()
        self._level = min(self._per_s, self._level + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._level < 1:
            return False
        self._level -= 1
        return True
