"""Terms: what an agent's retriever finds of them, and what the agent writes of its glossary.

    talk       each sentence names an invented term of the test split, drawn by the seed
    keys       those terms and others that nobody says        ->  top-1, top-5, top-10
    glossary   the right entry among nine near misses, or ten near misses alone, or nothing
                                                              ->  recall, precision, F1, false use

As in tables 6 and 7 of CLASI (arXiv 2407.21646). Baselines of the retriever, both untuned, on the
same encoder: `text`, token embeddings of the language model against speech embeddings; `audio`,
the spoken term's frames against the stream's.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.audio.signal import Float32
from earvoice.data.synth.engines import open_synthesizer
from earvoice.data.synth.interpreted.terms import KINDS, Term, invent, near_misses, term_of_id
from earvoice.data.synth.render import TalkSpec, render_talk
from earvoice.data.synth.speech import Prosody
from earvoice.data.synth.voices import voices
from earvoice.errors import UsageError
from earvoice.events import Commit
from earvoice.session import Request
from earvoice.sessions.agent import AgentInterpreter
from earvoice.sessions.agent_session import stands_in
from earvoice.units import SAMPLE_RATE

DrawnSplit: TypeAlias = Literal["dev", "test"]
TOPS = (1, 5, 10)
ARMS = ("retriever", "text", "audio")
_EMBEDDINGS, _FRAMES = (3, 6, 12), (8, 16, 24)
"""Lengths of the stretches that the baselines compare."""
NEAR = 9
"""Near misses beside the right entry."""
_TALK_S = 40.0
_MARGIN_S = 0.3
_LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Case:
    """A sentence as it is heard, and a term of it; `said`: all terms that are in it."""

    samples: Float32
    term: Term
    said: frozenset[str]


def drawn_cases(
    pair: tuple[str, str], count: int, seed: int, split: DrawnSplit = "test"
) -> list[Case]:
    """Sentences of freshly drawn talks, each with a term that no training has seen.

    split: `dev` is for choosing settings, `test` for figures.

    Raises: UsageError for languages that no invented term has a form in.
    """
    source, target = pair
    if set(pair) != set(_LANGUAGES):
        raise UsageError(f"terms are invented for en-zh and zh-en; the model has {source}-{target}")
    cases: list[Case] = []
    index = 0
    voice_list = voices("espeak", "train", source)
    while len(cases) < count:
        voice = voice_list[(seed + index) % len(voice_list)]
        spec = TalkSpec(
            seed, index, split, voice, _TALK_S, (target,), source, "interpreted", "terms"
        )
        talk, pcm = render_talk(spec, open_synthesizer("espeak", seed))
        samples = pcm.astype(np.float32) / 32768.0
        for sentence in talk.sentences:
            notes = sentence.notes.get("terms") or []
            if not notes:
                continue
            first, last = sentence.start_s - _MARGIN_S, sentence.end_s + _MARGIN_S
            heard = samples[max(0, round(first * SAMPLE_RATE)) : round(last * SAMPLE_RATE)]
            said = frozenset(str(note["source"]) for note in notes)
            cases.append(Case(heard, term_of_id(str(notes[0]["id"])), said))
        index += 1
    return cases[:count]


def drawn_keys(
    cases: Sequence[Case], source: str, count: int, seed: int, split: DrawnSplit = "test"
) -> list[str]:
    """The terms of all cases and strangers of the same split, `count` in all."""
    rng = random.Random(seed)
    keys = dict.fromkeys(sorted({term for case in cases for term in case.said}))
    while len(keys) < count:
        keys[invent(rng, rng.choice(KINDS), split).form(source)] = None
    return list(keys)


# -------------------------------------------------------------------- the retriever


def retrieval(
    interpreter: AgentInterpreter, cases: Sequence[Case], keys: Sequence[str], source: str
) -> dict[str, dict[int, float]]:
    """Percent of cases whose term is among the first 1, 5, 10 of all keys, by arm.

    Other terms of the same sentence are no rivals. Raises: UsageError without a retriever.
    """
    written = _text_keys(interpreter, keys)
    spoken = _spoken_keys(interpreter, keys, source)
    found: dict[str, list[int]] = {arm: [] for arm in ARMS}
    with torch.inference_mode():
        for case in cases:
            frames, speech = _heard(interpreter, case.samples)
            scores = (
                _scores(interpreter, frames, keys),
                _nearest(speech, written, _EMBEDDINGS),
                _nearest(frames, spoken, _FRAMES),
            )
            for arm, row in zip(ARMS, scores, strict=True):
                found[arm].append(_rank(row, keys, case, source))
    return {
        arm: {top: 100 * sum(rank < top for rank in ranks) / len(ranks) for top in TOPS}
        for arm, ranks in found.items()
    }


def _rank(scores: Tensor, keys: Sequence[str], case: Case, source: str) -> int:
    """How many terms that are not said come before the one that is."""
    own = scores[keys.index(case.term.form(source))]
    rivals = [place for place, key in enumerate(keys) if key not in case.said]
    return int((scores[rivals] >= own).sum())


def _heard(interpreter: AgentInterpreter, samples: Float32) -> tuple[Tensor, Tensor]:
    """Frames [T, E] and embeddings [N, D] of a sentence, in whole steps."""
    model = interpreter.model
    room = -len(samples) % model.step_samples
    padded = torch.from_numpy(np.pad(samples, (0, room)))[None]
    state = model.init_state(1, padded)
    frames, speech = model.hear(padded, state, [0])
    return frames[0], speech[0]


def _scores(interpreter: AgentInterpreter, frames: Tensor, keys: Sequence[str]) -> Tensor:
    """The scorer over every key, without pre-filter: the best of all windows. [K]."""
    retriever = interpreter.model.retriever
    if retriever is None:
        raise UsageError("this model has no retriever")
    size, hop = retriever.config.window_frames, retriever.config.hop_frames
    ends = range(min(size, len(frames)), len(frames) + hop, hop)
    windows = [frames[max(0, min(end, len(frames)) - size) : end] for end in ends]
    best = []
    for first in range(0, len(keys), 100):
        states, real = retriever.keys(retriever.spell(keys[first : first + 100]))
        best.append(torch.stack([retriever.score(w[None], states, real)[0] for w in windows]))
    return torch.cat(best, dim=1).amax(0)


def _text_keys(interpreter: AgentInterpreter, keys: Sequence[str]) -> Tensor:
    codec, lm = interpreter.settings.codec, interpreter.model.lm
    with torch.inference_mode():
        means = [lm.embed(torch.tensor(codec.text(key))).mean(0) for key in keys]
    return F.normalize(torch.stack(means).float(), dim=-1)


def _spoken_keys(interpreter: AgentInterpreter, keys: Sequence[str], source: str) -> Tensor:
    """Mean frames of every key as a voice says it. [K, E]."""
    voice = voices("espeak", "train", source)[0].name
    said = open_synthesizer("espeak").speak([[key] for key in keys], voice, [Prosody()] * len(keys))
    with torch.inference_mode():
        means = [
            _heard(interpreter, one.samples)[0][
                : max(1, len(one.samples) // interpreter.frame_samples)
            ]
            for one in said
        ]
    return F.normalize(torch.stack([frames.mean(0) for frames in means]).float(), dim=-1)


def _nearest(x: Tensor, keys: Tensor, spans: Sequence[int]) -> Tensor:
    """Cosine of the nearest stretch of x [N, D] to each key [K, D]. [K]."""
    means = [x.float().unfold(0, min(span, len(x)), 1).mean(-1) for span in spans]
    return (F.normalize(torch.cat(means), dim=-1) @ keys.T).amax(0)


# -------------------------------------------------------------------- the agent


@dataclass(frozen=True)
class Use:
    """Percent. recall: right targets written; false_use: cases in which a wrong one is."""

    recall: float
    precision: float
    false_use: float

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


def use_of_terms(
    interpreter: AgentInterpreter, cases: Sequence[Case], pair: tuple[str, str], seed: int
) -> Mapping[str, Use]:
    """How the same sentences come out with the right entry, with only wrong ones, with none."""
    rng = random.Random(seed)
    misses = [near_misses(rng, case.term, NEAR + 1) for case in cases]
    told: dict[str, Sequence[Sequence[Term]]] = {
        "right": [[case.term, *near[:NEAR]] for case, near in zip(cases, misses, strict=True)],
        "wrong": misses,
        "none": [[] for _ in cases],
    }
    return {name: _use(interpreter, cases, terms, pair) for name, terms in told.items()}


def _use(
    interpreter: AgentInterpreter,
    cases: Sequence[Case],
    told: Sequence[Sequence[Term]],
    pair: tuple[str, str],
) -> Use:
    right = wrong = spoilt = 0
    for case, terms in zip(cases, told, strict=True):
        text = _translated(interpreter, case, terms, pair)
        target = case.term.form(pair[1])
        written = {term.form(pair[1]) for term in terms} - {target}
        false = sum(stands_in(form, text, pair[1]) for form in written)
        right += stands_in(target, text, pair[1])
        wrong += false
        spoilt += bool(false)
    count, used = len(cases), right + wrong
    return Use(100 * right / count, 100 * right / used if used else 0.0, 100 * spoilt / count)


def _translated(
    interpreter: AgentInterpreter, case: Case, terms: Sequence[Term], pair: tuple[str, str]
) -> str:
    entries = [Entry(term.form(pair[0]), term.form(pair[1])) for term in terms]
    glossary = Glossary(entries) if entries else None
    return translated(interpreter, Audio(case.samples[None], SAMPLE_RATE), pair, glossary)


def translated(
    interpreter: AgentInterpreter, audio: Audio, pair: tuple[str, str], told: Glossary | None = None
) -> str:
    """What the agent says to a recording."""
    session = interpreter.open(Request(*pair, glossary=told))
    events = [*session.push(audio), *session.finish()]
    return "".join(
        event.text
        for event in events
        if isinstance(event, Commit) and event.stream.role == "translation"
    )


def quick(
    interpreter: AgentInterpreter, *, cases: int, keys: int, seed: int, split: DrawnSplit = "test"
) -> dict[str, float]:
    """The figures of `earvoice reproduce clasi --quick`, over all directions of the model."""
    rows = []
    for pair in interpreter.settings.pairs:
        drawn = drawn_cases(pair, cases, seed, split)
        use = use_of_terms(interpreter, drawn, pair, seed)
        every = drawn_keys(drawn, pair[0], keys, seed, split)
        found = retrieval(interpreter, drawn, every, pair[0])
        rows.append(
            {
                "term_recall_with": use["right"].recall,
                "term_recall_without": use["none"].recall,
                "term_precision": use["right"].precision,
                "term_f1": use["right"].f1,
                "term_false_use": use["wrong"].false_use,
                **{f"retriever_top{top}": found["retriever"][top] for top in TOPS},
                **{f"text_top{top}": found["text"][top] for top in TOPS},
                **{f"audio_top{top}": found["audio"][top] for top in TOPS},
            }
        )
    return {name: round(sum(row[name] for row in rows) / len(rows), 1) for name in rows[0]}
