"""Quality over lag: a model's curve over k, as figures and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.quality import Quality, as_dict, measure, sentence_items, shuffled, talk_items
from earvoice.data.manifest import load_talks
from earvoice.errors import UsageError
from earvoice.eval.plot import PlotPoint
from earvoice.policies import PolicySpec, WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.session import Interpreter, Request

MODES = ("talks", "sentences")


@dataclass(frozen=True)
class QualitySpec:
    """What to measure: a corpus folder, how to hear it, how much of it, and which waits.

    `ks` holds wait-k values; 100 reads a whole utterance before writing and needs `sentences`.
    """

    corpus: Path
    mode: str
    items: int
    ks: tuple[int, ...]
    n: int = 3
    batch: int = 16
    seed: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode is {self.mode!r}, it must be one of {', '.join(MODES)}")
        if self.items < 1 or not self.ks or min(self.ks) < 1:
            raise UsageError(f"items ({self.items}) and every k ({self.ks}) must be at least 1")
        if self.mode == "talks" and max(self.ks) >= OFFLINE_K:
            raise UsageError(f"k = {max(self.ks)} reads everything first: use mode sentences")


def quality_curve(
    interpreter: Interpreter,
    spec: QualitySpec,
    src_lang: str,
    tgt_lang: str,
    report: Callable[[Quality], None] = lambda quality: None,
) -> list[Quality]:
    """One measurement per k, in order; `report` hears of each as it is done."""
    talks = shuffled(load_talks(spec.corpus), spec.seed)
    for talk in talks:
        if any(tgt_lang not in sentence.targets for sentence in talk.sentences):
            raise UsageError(f"{spec.corpus} has no {tgt_lang!r} side in talk {talk.id}")
    pick = talk_items if spec.mode == "talks" else sentence_items
    items = pick(talks, tgt_lang, spec.items)
    found = []
    for k in spec.ks:
        policy: PolicySpec = WaitK(k, spec.n)
        request = Request(src_lang, tgt_lang)
        quality = measure(
            interpreter, items, request, policy, spec.mode, batch=spec.batch, seed=spec.seed
        )
        report(quality)
        found.append(quality)
    return found


def curve_as_json(model: str, spec: QualitySpec, found: Sequence[Quality]) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "model": model,
        "corpus": spec.corpus.name,
        "mode": spec.mode,
        "seed": spec.seed,
        "runs": [as_dict(quality) for quality in found],
    }


def points_of(found: Sequence[Quality]) -> list[PlotPoint]:
    """Measurements as points of a plot."""
    return [
        PlotPoint(
            f"k={quality.policy.split('k=')[1].split(',')[0]}",
            quality.laal_ms / 1000,
            quality.bleu,
            quality.bleu_low,
            quality.bleu_high,
        )
        for quality in found
    ]
