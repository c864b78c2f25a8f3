"""Which metrics the actions of `earvoice eval` compute, by `--metrics` or by the form."""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.errors import UsageError
from earvoice.eval.score import METRICS, defaults
from earvoice.eval.scored import Form


def metrics_of(named: str | None, form: Form) -> tuple[str, ...]:
    """The metrics asked for, or those of the form. Raises: UsageError for an empty list."""
    if named is None:
        return defaults(form)
    names = tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    if not names:
        raise UsageError(f"--metrics is {named!r}, it must be names with commas, e.g. bleu,chrf")
    return names


def axes_of(metrics: Sequence[str], preferred: str) -> tuple[str | None, str | None]:
    """The curves' quality and latency: the first of quality; `preferred`, or the first latency."""
    quality = [name for name in metrics if name in METRICS and METRICS[name].group == "quality"]
    latency = [
        name
        for name in metrics
        if name in METRICS and METRICS[name].group in ("latency", "computing")
    ]
    if preferred in latency:
        latency.insert(0, preferred)
    return next(iter(quality), None), next(iter(latency), None)
