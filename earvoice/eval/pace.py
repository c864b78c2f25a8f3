"""Whether the units fit the language: a wrong unit makes every latency wrong, silently.

Chinese counted in words has one long "word" per sentence, and its lag is minus seconds; German
counted in characters has fifteen units a second.
"""

from __future__ import annotations

from types import MappingProxyType

from earvoice.eval.behaviour import unit_of
from earvoice.eval.scored import Scored

USUAL_UNITS_PER_S = MappingProxyType({"word": (0.5, 8.0), "char": (1.0, 12.0)})
"""Speech has 2 to 4 words a second, or 4 to 9 characters of Chinese or Japanese."""


def pace_warning(scored: Scored) -> str | None:
    """A sentence where the references have an absurd number of units per second of speech."""
    if any(hypothesis.source_type != "speech" for hypothesis in scored.hypotheses):
        return None
    timed = [item.timed(None) for item in scored.items]
    units = sum(item.reference_units for item in timed)
    source_us = sum(item.source_us for item in timed)
    if not units or source_us <= 0:
        return None
    unit = unit_of(scored)
    pace = units * 1e6 / source_us
    low, high = USUAL_UNITS_PER_S[unit]
    if low <= pace <= high:
        return None
    other = "char" if unit == "word" else "word"
    advice = f"is it --unit {other}?" if (pace < low) == (unit == "word") else "are times right?"
    return (
        f"the references have {pace:.2f} {unit}s per second of speech, usual are {low:g} to "
        f"{high:g}; {advice}"
    )
