"""Translation quality by sacrebleu, with its signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BLEU_TOKENIZERS = {"zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
QUALITY = ("bleu", "chrf", "ter")


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
