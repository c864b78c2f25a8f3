"""From what was written to figures: which metric of which items, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from earvoice.errors import UsageError
from earvoice.eval.behaviour import BEHAVIOUR
from earvoice.eval.chunks import AGENT
from earvoice.eval.comet import COMET
from earvoice.eval.finalization import FINALIZATION
from earvoice.eval.hypotheses import CLOCKS
from earvoice.eval.judge import JUDGED
from earvoice.eval.key_information import KEY_INFORMATION
from earvoice.eval.lags import LATENCY
from earvoice.eval.quality import QUALITY
from earvoice.eval.scored import (
    Form,
    Item,
    Metric,
    Scored,
    Scores,
    items_of_segments,
    items_of_sentences,
)
from earvoice.eval.speakers.metrics import SPEAKERS
from earvoice.eval.stream_laal import STREAM_LAAL
from earvoice.eval.terms import TERMS
from earvoice.eval.wer import ERROR_RATES

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        **QUALITY,
        **ERROR_RATES,
        **COMET,
        **TERMS,
        **KEY_INFORMATION,
        **SPEAKERS,
        **LATENCY,
        **STREAM_LAAL,
        **BEHAVIOUR,
        **FINALIZATION,
        **AGENT,
        **JUDGED,
    }
)
"""Every metric there is, in the order in which they are shown."""


def defaults(form: Form) -> tuple[str, ...]:
    """The names that are computed when none are given."""
    return tuple(name for name, metric in METRICS.items() if form in metric.default)


SHORT_DEFAULT = defaults("short")
LONG_DEFAULT = defaults("long")


def compute(scored: Scored, names: Sequence[str]) -> Scores:
    """The named metrics.

    A latency metric takes a suffix `_ca_queue`, `_ca_simuleval` or `_ca_chunk`. Latencies are in
    milliseconds. What has no value is None, with a reason in `undefined`.
    Raises: UsageError for a name that is none, with the nearest and all there are.
    """
    for name in names:
        if name not in METRICS or scored.form not in METRICS[name].forms:
            raise UsageError(_no_metric(name, scored.form))
    found = Scores()
    for name in names:
        found.add(name, METRICS[name].compute(scored))
    return found


def score(
    items: Sequence[Item], metrics: Sequence[str], language: str, *, long_form: bool
) -> Scores:
    """`compute` where nothing but items is known."""
    return compute(Scored(items, "long" if long_form else "short", language), metrics)


def _no_metric(name: str, form: Form) -> str:
    legal = [key for key, metric in METRICS.items() if form in metric.forms]
    listed = ", ".join(key for key in legal if "_ca_" not in key)
    nearest = difflib.get_close_matches(name, legal, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return (
        f"no metric {name!r} for {form} form; there are {listed}, and of latencies "
        f"NAME_ca_{{{','.join(CLOCKS)}}}{hint}"
    )


__all__ = [
    "LONG_DEFAULT",
    "METRICS",
    "SHORT_DEFAULT",
    "Item",
    "Scored",
    "Scores",
    "compute",
    "items_of_segments",
    "items_of_sentences",
    "score",
]
