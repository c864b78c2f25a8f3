"""Quality over lag: a model's curve over one policy, as figures and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earvoice.bench.quality import Quality, as_dict, measure, sentence_items, shuffled, talk_items
from earvoice.data.manifest import load_talks
from earvoice.errors import UsageError
from earvoice.eval.plot import PlotPoint
from earvoice.policies import WaitK
from earvoice.policies.schedule import OFFLINE_K
from earvoice.policies.sweep import Sweep
from earvoice.session import Interpreter, Request

MODES = ("talks", "sentences")


@dataclass(frozen=True)
class QualitySpec:
    """What to measure: a corpus folder, how to hear it, how much of it, and by which policies.

    wait-k with k = 100 reads a whole utterance before writing and needs `sentences`.
    """

    corpus: Path
    mode: str
    items: int
    sweep: Sweep
    batch: int = 16
    seed: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"mode is {self.mode!r}, it must be one of {', '.join(MODES)}")
        if self.items < 1:
            raise UsageError(f"items is {self.items}, it must be at least 1")
        waits = [policy.k for policy in self.sweep.policies if isinstance(policy, WaitK)]
        if self.mode == "talks" and max(waits, default=0) >= OFFLINE_K:
            raise UsageError(f"k = {max(waits)} reads everything first: use mode sentences")


def quality_curve(
    interpreter: Interpreter,
    spec: QualitySpec,
    src_lang: str,
    tgt_lang: str,
    report: Callable[[Quality], None] = lambda quality: None,
) -> list[Quality]:
    """One measurement per policy, in order; `report` hears of each as it is done."""
    talks = shuffled(load_talks(spec.corpus), spec.seed)
    spoken = sorted({talk.language for talk in talks})
    if spoken != [src_lang]:
        raise UsageError(f"{spec.corpus} is spoken in {', '.join(spoken)}, not in {src_lang!r}")
    for talk in talks:
        if any(tgt_lang not in sentence.targets for sentence in talk.sentences):
            raise UsageError(f"{spec.corpus} has no {tgt_lang!r} side in talk {talk.id}")
    pick = talk_items if spec.mode == "talks" else sentence_items
    items = pick(talks, tgt_lang, spec.items)
    found = []
    for policy in spec.sweep.policies:
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


def points_of(sweep: Sweep, found: Sequence[Quality]) -> list[PlotPoint]:
    """Measurements as points of a plot."""
    return [
        PlotPoint(
            sweep.label(policy),
            quality.laal_ms / 1000,
            quality.bleu,
            quality.bleu_low,
            quality.bleu_high,
        )
        for policy, quality in zip(sweep.policies, found, strict=True)
    ]
