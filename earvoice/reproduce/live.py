"""Claims about a trained model: with and without its memory, and under several policies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from earvoice.bench.model import pinned
from earvoice.errors import UsageError
from earvoice.loading import load
from earvoice.models.files import MANIFEST
from earvoice.policies import WaitK, parse_policy
from earvoice.reproduce.recomputed import Rereads, without_memory
from earvoice.reproduce.spec import MEMORY_ARMS, PolicyClaim, RecomputeClaim
from earvoice.reproduce.streams import (
    cost_by_age,
    drawn_spans,
    run_spans,
    scored,
    sentences_of,
)
from earvoice.sessions.append import AppendInterpreter
from earvoice.units import SAMPLE_RATE
from earvoice.zoo import find

FORGETS: Mapping[str, tuple[bool, Rereads]] = dict(
    zip(
        MEMORY_ARMS,
        ((False, "no"), (True, "no"), (False, "now"), (True, "now"), (False, "then")),
        strict=True,
    )
)
"""What each arm forgets: speech, text."""


def loaded(model: str) -> tuple[AppendInterpreter, str]:
    """A trained model, and its name with a hash of its files.

    Raises: UsageError for a system that does not append.
    """
    folder = find(model)
    interpreter = load(folder)
    if not isinstance(interpreter, AppendInterpreter):
        raise UsageError(f"{model} is not a model whose speech is appended")
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return interpreter, f"{folder.name} ({digest[:12]})"


def run_recompute(claim: RecomputeClaim, seed: int, test: Path, folder: Path) -> dict[str, Any]:
    """Every arm at every k on the same spans; identity of text; computing by age."""
    live, model = loaded(claim.model)
    spans = drawn_spans(test, claim.spans, seed)
    segment_s = live.segment_samples / SAMPLE_RATE
    starts = sentences_of(spans, (live.settings.window - max(claim.ks)) * segment_s)
    n = _own_n(live)
    rows: list[dict[str, Any]] = []
    texts: dict[tuple[str, str], list[str]] = {}
    for arm, (speech, text) in FORGETS.items():
        forgetful = without_memory(live, speech=speech, text=text)
        for k in claim.ks:
            place = folder / "logs" / f"{arm.replace(' ', '-').replace(',', '')}-k{k}"
            texts[arm, f"k={k}"] = run_spans(forgetful, spans, WaitK(k, n), place)
            scores = scored(place, spans, live.settings.tgt_lang)
            same = _share_same(texts[arm, f"k={k}"], texts["incremental", f"k={k}"])
            rows.append({"arm": arm, "on": "spans", "point": f"k={k}", **scores, "same_text": same})
        texts[arm, "start"] = run_spans(
            forgetful, starts, WaitK(2, n), folder / "logs" / f"{arm.replace(' ', '-')}-start"
        )
        rows.append(
            {
                "arm": arm,
                "on": "starts",
                "point": "k=2",
                "same_text": _share_same(texts[arm, "start"], texts["incremental", "start"]),
            }
        )
        costs = cost_by_age(_ageing(live, claim, arm), claim.ages_s, seed, claim.repetitions)
        rows += [
            {"arm": arm, "on": "compute", "point": f"{age_s:g} s", "cost_ms": cost}
            for age_s, cost in zip(claim.ages_s, costs, strict=True)
        ]
    return {"rows": rows, "model": model}


def run_policy(claim: PolicyClaim, seed: int, test: Path, folder: Path) -> dict[str, Any]:
    """Every policy on the same spans."""
    live, model = loaded(claim.model)
    own = WaitK(n=_own_n(live))
    spans = drawn_spans(test, claim.spans, seed)
    rows = []
    for arm, points in claim.curves.items():
        for point in points:
            policy = parse_policy(point, own)
            place = folder / "logs" / point.replace(":", "-")
            run_spans(live, spans, policy, place)
            scores = scored(place, spans, live.settings.tgt_lang)
            label = point.partition(":")[2]
            rows.append({"arm": arm, "on": "spans", "point": label, **scores})
    return {"rows": rows, "model": model}


def _ageing(live: AppendInterpreter, claim: RecomputeClaim, arm: str) -> AppendInterpreter:
    """An arm that writes so many tokens a segment and whose window does not slide, as the paper's.

    Positions beyond training do not matter here: the tokens are pinned.
    """
    segments = round(max(claim.ages_s) * SAMPLE_RATE / live.segment_samples) + 4
    per_segment = -(-live.settings.cache_entries // live.settings.window) + claim.tokens
    settings = replace(
        live.settings,
        policy=WaitK(2, claim.tokens),
        window=segments,
        keep=segments - 1,
        cache_entries=per_segment * (segments + 1),
    )
    wide = AppendInterpreter(live.speech, live.lm, live.tokenizer, settings)
    speech, text = FORGETS[arm]
    return without_memory(
        pinned(wide, claim.tokens, rows=1),
        speech=speech,
        text=text,
        most_s=(segments + 2) * live.segment_samples / SAMPLE_RATE,
    )


def _own_n(live: AppendInterpreter) -> int:
    policy = live.settings.policy
    return policy.n if isinstance(policy, WaitK) else WaitK().n


def _share_same(texts: Sequence[str], others: Sequence[str]) -> float:
    same = sum(a == b for a, b in zip(texts, others, strict=True))
    return round(same / len(texts), 3)
