"""Claims about a trained agent: retriever, terms, memory, when it writes. Talks are drawn."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from earvoice.audio import Audio
from earvoice.data.synth.engines import open_synthesizer
from earvoice.data.synth.render import TalkSpec, render_talk
from earvoice.data.synth.voices import voices
from earvoice.errors import UsageError
from earvoice.loading import load
from earvoice.models.files import MANIFEST
from earvoice.reproduce.agent import (
    ARMS,
    TOPS,
    Float32,
    drawn_cases,
    drawn_keys,
    retrieval,
    translated,
    use_of_terms,
)
from earvoice.reproduce.agent_decision import decision, drawn_talks
from earvoice.reproduce.spec import AgentClaim
from earvoice.sessions.agent import AgentInterpreter
from earvoice.sessions.agent_session import stands_in
from earvoice.units import SAMPLE_RATE
from earvoice.zoo import find

Pair = tuple[str, str]
Row = dict[str, Any]
_TALK_S = 40.0
_MARGIN_S = 0.3


def run_agent(claim: AgentClaim, seed: int) -> dict[str, Any]:
    """What a claim measures, the mean over the model's directions.

    Raises: UsageError for a model that is no agent.
    """
    folder = find(claim.model)
    interpreter = load(folder)
    if not isinstance(interpreter, AgentInterpreter):
        raise UsageError(f"{claim.model} is no agent")
    measures = {
        "retriever": _retriever, "terms": _terms, "memory": _memory, "decision": _decision
    }  # fmt: skip
    measure = measures[claim.measures]
    rows = [measure(interpreter, claim, pair, seed) for pair in interpreter.settings.pairs]
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return {"rows": _means(rows), "model": f"{folder.name} ({digest[:12]})"}


def _means(by_pair: Sequence[Sequence[Row]]) -> list[Row]:
    return [{**same[0], **_mean_figures(same)} for same in zip(*by_pair, strict=True)]


def _mean_figures(rows: Sequence[Row]) -> Row:
    """The means of what all rows have a figure of."""
    names = [name for name, value in rows[0].items() if isinstance(value, int | float)]
    return {
        name: round(statistics.fmean(row[name] for row in rows), 2)
        for name in names
        if all(name in row for row in rows)
    }


def _retriever(
    interpreter: AgentInterpreter, claim: AgentClaim, pair: Pair, seed: int
) -> list[Row]:
    cases = drawn_cases(pair, claim.cases, seed)
    keys = drawn_keys(cases, pair[0], claim.keys, seed)
    found = retrieval(interpreter, cases, keys, pair[0])
    return [
        {"arm": arm, "on": "retriever", "point": f"top-{top}", "score": found[arm][top]}
        for arm in ARMS
        for top in TOPS
    ]


def _terms(interpreter: AgentInterpreter, claim: AgentClaim, pair: Pair, seed: int) -> list[Row]:
    cases = drawn_cases(pair, claim.cases, seed)
    use = use_of_terms(interpreter, cases, pair, seed)
    told, none = "with glossary", "without"
    return [
        {"arm": told, "on": "recall", "point": "recall", "score": use["right"].recall},
        {"arm": none, "on": "recall", "point": "recall", "score": use["none"].recall},
        {"arm": told, "on": "use", "point": "precision", "score": use["right"].precision},
        {"arm": told, "on": "use", "point": "F1", "score": use["right"].f1},
        {"arm": told, "on": "use", "point": "false use", "score": use["wrong"].false_use},
    ]


def _decision(interpreter: AgentInterpreter, claim: AgentClaim, pair: Pair, seed: int) -> list[Row]:
    return decision(interpreter, pair, drawn_talks(pair, claim.cases, seed))


# -------------------------------------------------------------------- memory


@dataclass(frozen=True)
class Reference:
    """A passage that ends with a word that only its beginning explains."""

    samples: Float32
    right: str
    wrong: str


def drawn_references(pair: Pair, count: int, seed: int) -> list[Reference]:
    """Passages of freshly drawn talks of the test split."""
    source, target = pair
    found: list[Reference] = []
    voice_list = voices("espeak", "train", source)
    index = 0
    while len(found) < count:
        voice = voice_list[(seed + index) % len(voice_list)]
        spec = TalkSpec(
            seed, index, "test", voice, _TALK_S, (target,), source, "interpreted", "reference"
        )
        talk, pcm = render_talk(spec, open_synthesizer("espeak", seed))
        for number, sentence in enumerate(talk.sentences):
            note: Mapping[str, Any] = sentence.notes.get("reference") or {}
            if not note or int(note["back"]) > number:
                continue
            start_s = talk.sentences[number - int(note["back"])].start_s - _MARGIN_S
            first = max(0, round(start_s * SAMPLE_RATE))
            heard = pcm[first : round((sentence.end_s + _MARGIN_S) * SAMPLE_RATE)]
            samples = heard.astype(np.float32) / 32768.0
            found.append(Reference(samples, str(note["right"]), str(note["wrong"])))
        index += 1
    return found[:count]


def _memory(interpreter: AgentInterpreter, claim: AgentClaim, pair: Pair, seed: int) -> list[Row]:
    forgetful = AgentInterpreter(
        interpreter.model, replace(interpreter.settings, memory_tokens=0), rows=1
    )
    passages = drawn_references(pair, claim.cases, seed)
    rows = []
    for arm, asked in (("with memory", interpreter), ("without", forgetful)):
        right = 0
        for passage in passages:
            text = translated(asked, Audio(passage.samples[None], SAMPLE_RATE), pair)
            good, bad = (stands_in(w, text, pair[1]) for w in (passage.right, passage.wrong))
            right += good and not bad
        score = 100 * right / len(passages)
        rows.append({"arm": arm, "on": "references", "point": "right", "score": score})
    return rows
