"""How many replicas there are to be: more while sessions lag, fewer while fewer can do the work.

Lag says that there are too few, but not that there are too many: without lag a replica may be busy
for a tenth of the time or for nine. So the way down looks at the time in steps.

Ray Serve calls `LagPolicy` in its controller, and itself sees to bounds and delays.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, Protocol

from earvoice.units import Seconds

_BUSY = 0.6
"""Share of time in steps that replicas may come to when there is one fewer."""


class Context(Protocol):
    """The part of Ray Serve's `AutoscalingContext` that is used here."""

    @property
    def current_num_replicas(self) -> int:
        """Running."""

    @property
    def target_num_replicas(self) -> int:
        """Running, or to be started or ended."""

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[Hashable, float]] | None:
        """What replicas said of themselves, each over the last time."""


def wanted_replicas(
    now: int, lags_s: Collection[Seconds], busy: Collection[float], scale_lag_s: Seconds
) -> int:
    """How many there are to be instead of `now`, by lag and busy share of each replica."""
    if max(lags_s, default=0.0) > scale_lag_s:
        return now + 1
    calm = max(lags_s, default=0.0) <= scale_lag_s / 2
    if now > 1 and len(busy) == now and calm and sum(busy) <= _BUSY * (now - 1):
        return now - 1
    return now


class LagPolicy:
    """`wanted_replicas` for Ray Serve; it may be made anew at any time."""

    def __init__(self, scale_lag_s: Seconds) -> None:
        self._scale_lag_s = scale_lag_s

    def __call__(self, context: Context) -> tuple[int, dict[str, Any]]:
        """The number wanted, and nothing to remember."""
        now = context.target_num_replicas
        if context.current_num_replicas != now:
            return now, {}  # what was decided is not yet done
        metrics = context.aggregated_metrics or {}
        lags_s = metrics.get("lag_s", {}).values()
        busy = metrics.get("busy", {}).values()
        return wanted_replicas(now, lags_s, busy, self._scale_lag_s), {}
