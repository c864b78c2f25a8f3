"""Does what matters of each segment arrive, and in time? A proxy that needs no judge.

A fragment is a reference segment (or, in short form, a whole recording). Its key information:

    terms      of the glossary, where one is given (--terms), as `term_recall` counts them
    numbers    by value
    names      words of the reference with a capital inside a sentence that stand so in the source
    negation   whether it denies: "not", "no", "kein", "nicht", "nie", "no", "sin", "不", "没" ...

`key_information` is the share of fragments whose every item is in the output, in percent; fragments
without any are left out. `key_information_5s` asks further that the fragment's last word came at
most 5 s after its speech ended. It is not VIP (2407.21646, appendix A), which people judge: a
fluent translation with all of these may still be wrong.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from earvoice.eval.numbers import numbers_in
from earvoice.eval.scored import Item, Metric, Result, Scored
from earvoice.eval.terms import GLOSSARY, Term, folded, occurrences
from earvoice.eval.units import CHAR_LANGUAGES
from earvoice.text.languages import primary

LIMIT_MS = 5000
_CAPITAL = re.compile(r"(?<![.!?…:\"“„] )(?<!^)\b([A-ZÄÖÜÁÉÍÓÚÑ][\w'’-]+)")
_DENIALS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("not", "no", "never", "nobody", "nothing", "none", "cannot", "without"),
        "de": ("nicht", "kein", "nie", "niemand", "nichts", "ohne"),
        "es": ("no", "nunca", "nadie", "nada", "ningun", "ningún", "jamás", "sin"),
        "zh": ("不", "没", "無", "无", "未", "别"),
    }
)


def denies(text: str, language: str) -> bool | None:
    """Whether a text says no to something; None for a language whose words are not known."""
    code = primary(language)
    signs = _DENIALS.get(code)
    if signs is None:
        return None
    if code in CHAR_LANGUAGES:
        return any(sign in text for sign in signs)
    return _sign_pattern(code).search(text.casefold()) is not None


@functools.cache
def _sign_pattern(code: str) -> re.Pattern[str]:
    """Whole words; endings of German "kein" and Spanish "ningún"; English "n't" inside a word."""
    endings = {"de": r"(?:e|en|er|em|es|s)?", "es": r"(?:a|o|as|os)?"}.get(code, "")
    words = "|".join(map(re.escape, _DENIALS[code]))
    return re.compile(rf"\b(?:{words}){endings}\b|n['’]t\b")


def names_of(item: Item) -> list[str]:
    """Words with a capital in reference and source alike, but for a sentence's first."""
    if item.source is None:
        return []
    spoken = set(re.findall(r"\w[\w'’-]*", item.source))
    return [name for name in _CAPITAL.findall(item.reference) if name in spoken]


def arrived(item: Item, language: str, terms: Sequence[Term]) -> bool | None:
    """Whether all key information of an item is in its output; None where it has none."""
    wanted = {folded(term.trg, language) for term in terms}
    counts = {term: occurrences(term, item.reference, language) for term in wanted}
    counts |= {name: occurrences(name, item.reference, language) for name in names_of(item)}
    checks = [
        occurrences(term, item.text, language) >= count for term, count in counts.items() if count
    ]
    numbers = Counter(numbers_in(item.reference, language))
    if numbers:
        said = Counter(numbers_in(item.text, language, ambiguous=True))
        checks.append((numbers & said).total() == numbers.total())
    if denies(item.reference, language):
        checks.append(bool(denies(item.text, language)))
    return all(checks) if checks else None


def in_time(item: Item, limit_ms: float) -> bool:
    """Whether the last unit of the output came at most so long after the item's speech."""
    timed = item.timed(None)
    return bool(timed.delays_us) and max(timed.delays_us) - timed.source_us <= 1000 * limit_ms


def _key_information(scored: Scored, limit_ms: float | None) -> Result:
    terms: Sequence[Term] = scored.extras.get(GLOSSARY) or ()
    per_item: list[float | None] = []
    for item in scored.items:
        found = arrived(item, scored.language, terms)
        if found and limit_ms is not None:
            found = in_time(item, limit_ms)
        per_item.append(None if found is None else 100.0 * found)
    there = [value for value in per_item if value is not None]
    limit = "none" if limit_ms is None else f"{limit_ms:.0f}ms"
    signature = f"fragments:{len(there)}/{len(per_item)}|terms:{len(terms)}|limit:{limit}|no-judge"
    if not there:
        return Result(None, per_item, signature, "no fragment has a term, number, name or negation")
    return Result(sum(there) / len(there), per_item, signature)


KEY_INFORMATION: Mapping[str, Metric] = MappingProxyType(
    {
        "key_information": Metric(
            functools.partial(_key_information, limit_ms=None),
            "agent",
            "% of fragments whose terms, numbers, names and negation all arrived",
        ),
        "key_information_5s": Metric(
            functools.partial(_key_information, limit_ms=LIMIT_MS),
            "agent",
            "the same, and at most 5 s after the fragment's end",
        ),
    }
)
