"""Word and character error rates by jiwer, pooled over all items.

    WER = (substitutions + deletions + insertions) / words of the reference

of all items together, not a mean of items. Case and punctuation count unless asked otherwise:

    none    white space only                                    (jiwer's own default)
    basic   NFKC, case folded, punctuation and symbols to spaces
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from earvoice.eval.scored import Metric, Result, Scored
from earvoice.eval.units import default_unit

NORMALISE = "normalise"
"""The key in `Scored.extras` of a name in `NORMALISATIONS`."""

NORMALISATIONS = MappingProxyType(
    {
        "none": "case:mixed|punct:kept",
        "basic": "nfkc|case:folded|punct:removed",
    }
)


def normalised(text: str, how: str) -> str:
    """The text as it is compared; white space is single spaces."""
    if how == "basic":
        folded = unicodedata.normalize("NFKC", text).casefold()
        kept = (" " if unicodedata.category(c)[0] in "PS" else c for c in folded)
        text = "".join(kept)
    return " ".join(text.split())


def _error_rate(scored: Scored, unit: str) -> Result:
    how = scored.extras.get(NORMALISE, "none")
    spaceless = default_unit(scored.language) == "char"
    if unit == "word" and spaceless:
        return Result(None, undefined=f"{scored.language} has no spaces between words; use cer")
    texts = [
        tuple(normalised(text, how) for text in (item.reference, item.text))
        for item in scored.items
    ]
    if unit == "char" and spaceless:
        texts = [tuple(text.replace(" ", "") for text in pair) for pair in texts]
    counts = [_errors(reference, said, unit) for reference, said in texts]
    errors, length = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    spaces = f"spaces:{'removed' if spaceless else 'counted'}|" if unit == "char" else ""
    signature = (
        f"pooled|errors:{errors}|{unit}s:{length}|norm:{how}|{NORMALISATIONS[how]}|{spaces}"
        f"jiwer:{version('jiwer')}"
    )
    per_item = [wrong / size if size else None for wrong, size in counts]
    if not length:
        return Result(None, per_item, signature, "the references are empty")
    return Result(errors / length, per_item, signature, parts=counts)


def _errors(reference: str, said: str, unit: str) -> tuple[int, int]:
    """Errors, and units of the reference."""
    from jiwer import process_characters, process_words

    found: Any = (process_words if unit == "word" else process_characters)(reference, said)
    wrong = found.substitutions + found.deletions
    return wrong + found.insertions, found.hits + wrong


def _entry(unit: str, what: str) -> Metric:
    return Metric(functools.partial(_error_rate, unit=unit), "quality", what)


ERROR_RATES: Mapping[str, Metric] = MappingProxyType(
    {
        "wer": _entry("word", "word errors per reference word (jiwer)"),
        "cer": _entry("char", "character errors per reference character (jiwer)"),
    }
)
