"""Translation quality and lag of a model on a synthetic test set.

Two ways to hear a test set:

    sentences   each sentence cut out with 0.2 s around it, one session each
    talks       whole talks of minutes, one session each, as in a room

Quality is sacrebleu's BLEU (the target language's tokens) with a 95 % bootstrap interval over
sessions; a talk is one segment, scored whole, because no resegmentation is needed to compare one
text with one text. Lag is LAAL (2206.05807) on the ideal clock: computation is not counted, so it
is a property of the model and not of the machine. Words, or characters of languages without
spaces, are timed as in a run's log: by the commit that wrote their last letter.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earvoice.audio import Audio
from earvoice.data.manifest import Talk
from earvoice.eval.hypotheses import Hypothesis
from earvoice.eval.latency import Timed, Undefined, length_adaptive_average_lagging
from earvoice.eval.sums import text_sums
from earvoice.eval.units import default_unit, reference_units
from earvoice.eval.written import Logged, Recorded, RecordingHead, hypothesis_of
from earvoice.events import Event, Stamped
from earvoice.policies import PolicySpec, format_policy
from earvoice.session import Interpreter, Request, Session
from earvoice.units import SAMPLE_RATE

BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Item:
    """One session's input and reference."""

    name: str
    engine: str
    samples: np.ndarray
    reference: str


@dataclass(frozen=True)
class Quality:
    """Figures of one run; `bleu_low` and `bleu_high` bound 95 % of the bootstrap."""

    policy: str
    mode: str
    items: int
    audio_s: float
    bleu: float
    bleu_low: float
    bleu_high: float
    laal_ms: float
    by_engine: dict[str, float]


def sentence_items(talks: Sequence[Talk], language: str, most: int) -> list[Item]:
    """Sentences of the talks, taken in turn from each talk so that all voices take part."""
    rounds = itertools.zip_longest(*([(t, s) for s in t.sentences] for t in talks))
    pairs = [pair for turn in rounds for pair in turn if pair is not None][:most]
    items = []
    for talk, sentence in pairs:
        start = max(0, int((sentence.start_s - 0.2) * SAMPLE_RATE))
        count = int((sentence.end_s + 0.2) * SAMPLE_RATE) - start
        reference = sentence.targets[language].text
        items.append(Item(talk.id, talk.engine, talk.read_samples(start, count), reference))
    return items


def talk_items(talks: Sequence[Talk], language: str, most: int) -> list[Item]:
    """Whole talks."""
    return [
        Item(
            talk.id,
            talk.engine,
            talk.read_samples(),
            " ".join(sentence.targets[language].text for sentence in talk.sentences),
        )
        for talk in talks[:most]
    ]


def measure(
    interpreter: Interpreter,
    items: Sequence[Item],
    request: Request,
    policy: PolicySpec,
    mode: str,
    *,
    batch: int = 16,
    seed: int = 1,
) -> Quality:
    """Runs every item through a session of its own, `batch` sessions at a time."""
    ordered = sorted(range(len(items)), key=lambda index: -len(items[index].samples))
    heard: dict[int, Hypothesis] = {}
    for start in range(0, len(ordered), batch):
        group = ordered[start : start + batch]
        chosen = Request(request.src_lang, request.tgt_lang, policy)
        found = _together(interpreter, [items[index].samples for index in group], chosen)
        heard |= dict(zip(group, found, strict=True))
    results = [heard[index] for index in range(len(items))]
    bleu, low, high = bleu_with_interval(
        [result.text for result in results],
        [item.reference for item in items],
        request.tgt_lang,
        seed,
    )
    lags = [laal_ms(result, item.reference) for result, item in zip(results, items, strict=True)]
    defined = [lag for lag in lags if lag is not None]
    return Quality(
        policy=format_policy(policy),
        mode=mode,
        items=len(items),
        audio_s=round(sum(len(item.samples) for item in items) / SAMPLE_RATE, 1),
        bleu=bleu,
        bleu_low=low,
        bleu_high=high,
        laal_ms=round(sum(defined) / len(defined), 1) if defined else 0.0,
        by_engine=_by_engine(results, items, request.tgt_lang),
    )


def as_dict(quality: Quality) -> dict[str, Any]:
    """For JSON."""
    return asdict(quality)


def _together(
    interpreter: Interpreter, audio: Sequence[np.ndarray], request: Request
) -> list[Hypothesis]:
    """Sessions advanced as one batch; each event is stamped with the audio its session had used."""
    sessions = [interpreter.open(request) for _ in audio]
    events: list[list[tuple[Event, float]]] = [[] for _ in audio]
    for session, samples in zip(sessions, audio, strict=True):
        session.feed(Audio(samples[None], SAMPLE_RATE))
    going = list(range(len(audio)))
    while going:
        new = interpreter.advance([sessions[index] for index in going])
        after = []
        for index, found in zip(going, new, strict=True):
            used_s = len(audio[index]) / SAMPLE_RATE - sessions[index].lag_s
            events[index] += [(event, used_s) for event in found]
            if _whole_chunk_waits(interpreter, sessions[index]):
                after.append(index)
        going = after
    for index, session in enumerate(sessions):
        events[index] += [(event, len(audio[index]) / SAMPLE_RATE) for event in session.finish()]
    return [
        _written(found, len(samples) / SAMPLE_RATE, request.tgt_lang)
        for found, samples in zip(events, audio, strict=True)
    ]


def _whole_chunk_waits(interpreter: Interpreter, session: Session) -> bool:
    chunk_s: float = interpreter.segment_samples / SAMPLE_RATE  # type: ignore[attr-defined]
    return session.lag_s >= chunk_s


def _written(events: Sequence[tuple[Event, float]], duration_s: float, language: str) -> Hypothesis:
    head = RecordingHead("session", round(duration_s * 1_000_000), default_unit(language))
    stamped = [
        Logged(Stamped(number, used_s, used_s, event), 0, 0)
        for number, (event, used_s) in enumerate(events)
    ]
    return hypothesis_of(Recorded(head, stamped, 0, "session"))


def bleu_with_interval(
    hypotheses: Sequence[str], references: Sequence[str], language: str, seed: int
) -> tuple[float, float, float]:
    """Corpus BLEU and the bounds of its 95 % bootstrap interval over segments."""
    sums = text_sums("bleu", language, hypotheses, references)
    generator, count = np.random.default_rng(seed), len(sums.items)
    draws = [
        sums.figure(sums.items[generator.integers(0, count, count)].sum(axis=0))
        for _ in range(BOOTSTRAPS)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return round(sums.value, 2), round(float(low), 2), round(float(high), 2)


def laal_ms(written: Hypothesis, reference: str) -> float | None:
    """LAAL (2206.05807) on the ideal clock; None when nothing was written."""
    length = reference_units(reference, written.unit)
    try:
        return length_adaptive_average_lagging(
            Timed(list(written.delays_us), written.source_us or 0, length)
        )
    except Undefined:
        return None


def _by_engine(
    results: Sequence[Hypothesis], items: Sequence[Item], language: str
) -> dict[str, float]:
    """BLEU per synthesizer, where a set mixes several."""
    scores = {}
    for engine in sorted({item.engine for item in items}):
        chosen = [i for i, item in enumerate(items) if item.engine == engine]
        scores[engine] = bleu_with_interval(
            [results[i].text for i in chosen], [items[i].reference for i in chosen], language, 1
        )[0]
    return scores


def shuffled(talks: Iterator[Talk], seed: int) -> list[Talk]:
    """Talks in a seeded order, so that a prefix of them is a fair sample."""
    chosen = list(talks)
    random.Random(seed).shuffle(chosen)
    return chosen
