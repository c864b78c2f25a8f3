"""What looking for terms adds to each second of audio, with a large glossary.

A stream of random encoder frames goes through the live spotter: spans, the pre-filter over all
terms, letters against frames for the nearest. The encoder is not counted: the agent runs it anyway.
Random weights cost what trained ones do, but find nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from earvoice.agent.glossary import Entry, Glossary
from earvoice.models.retriever import Retriever, RetrieverConfig
from earvoice.sessions.spotter import TermSpotter
from earvoice.sessions.term_index import TermStore, TermView

FRAMES_A_SECOND = 25
"""At 40 ms a frame, as the mini models have."""
_ENCODER_DIM = 256
_LETTERS = "aeioubcdfghklmnprstvwz"


@dataclass(frozen=True)
class RetrieveSettings:
    """entries: terms of the glossary. seconds: of audio. rounds: of which the median counts."""

    entries: int = 100_000
    seconds: float = 20.0
    rounds: int = 5
    seed: int = 1


def run(settings: RetrieveSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of `earvoice bench retrieve --json`."""
    torch.manual_seed(settings.seed)
    config = RetrieverConfig()
    retriever = Retriever(config, _ENCODER_DIM).eval().requires_grad_(False)
    say(f"{settings.entries} terms")
    glossary = made_up_glossary(settings.entries, settings.seed)
    started = time.process_time()
    store = TermStore(retriever, glossary)
    built_s = time.process_time() - started
    frames = torch.randn(round(settings.seconds * FRAMES_A_SECOND), _ENCODER_DIM)
    view = TermView(store, TermStore(retriever, ()), frozenset(), ("en", "de"))
    spotter = TermSpotter(retriever, view, 0.5)
    costs_ms = []
    with torch.inference_mode():
        spotter.push(frames[: config.window_frames])
        for number in range(settings.rounds):
            say(f"round {number + 1} of {settings.rounds}")
            started = time.process_time()
            for piece in frames.split(config.hop_frames):
                spotter.push(piece)
                spotter.best(spotter.heard - config.window_frames, 10)
            costs_ms.append(1000 * (time.process_time() - started) / settings.seconds)
    costs_ms.sort()
    return {
        "benchmark": "retrieve",
        "entries": len(glossary),
        "index": type(store.index).__name__,
        "candidates": config.candidates,
        "parameters": sum(p.numel() for p in retriever.parameters()),
        "build_s": round(built_s, 2),
        "ms_per_audio_s": round(costs_ms[len(costs_ms) // 2], 2),
        "ms_per_audio_s_all": [round(cost, 2) for cost in costs_ms],
        "seed": settings.seed,
    }


def made_up_glossary(entries: int, seed: int) -> Glossary:
    """Words of four to sixteen random letters, some of two words; all differ."""
    rng = random.Random(seed)
    found: dict[str, Entry] = {}
    while len(found) < entries:
        words = [
            "".join(rng.choice(_LETTERS) for _ in range(rng.randint(4, 12)))
            for _ in range(rng.choice((1, 1, 2)))
        ]
        entry = Entry(" ".join(words))
        found[entry.key] = entry
    return Glossary(found.values())
